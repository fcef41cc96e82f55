"""Generates a labelled set of real video files to try everything on: no download, and the truth is known.

    python -m tfrecords_tools.make_demo --output_dir=/tmp/demo

writes `videos/<class>/*.avi` and `splits/<class>_test_split<k>.txt` in HMDB51's layout, and `demo.json`: the parameters
and, for each video, its appearance, its motion and where and when the telling object is visible. docs/demo_data.md
describes the experiment. Started again with the same parameters, the command makes only what is missing.
"""

import concurrent.futures
import dataclasses
import functools
import inspect
import multiprocessing
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import tqdm
from absl import flags

from tfrecords_tools import cli, interruption, notes, storage
from tfrecords_tools.demo import output, plan
from tfrecords_tools.demo import settings as settings_lib


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the command's flags: one for each field of `DemoSettings`, and where and how to work."""
    flags.DEFINE_string("output_dir", None, "Folder to write; new, empty, or left unfinished.", flag_values=values)
    flags.DEFINE_integer("workers", 2, "Processes to work with; the result is the same.", flag_values=values)
    help_texts = _field_help()
    for field in dataclasses.fields(settings_lib.DemoSettings):
        default, text = field.default, help_texts.get(field.name, "")
        if isinstance(default, tuple):
            shown = [str(end) for end in default]
            flags.DEFINE_list(field.name, shown, f"{text} LOW,HIGH or one number.", flag_values=values)
        elif isinstance(default, str):
            flags.DEFINE_string(field.name, default, text, flag_values=values)
        elif isinstance(default, int):
            flags.DEFINE_integer(field.name, default, text, flag_values=values)
        else:
            flags.DEFINE_float(field.name, default, text, flag_values=values)


def settings_from_flags(values: flags.FlagValues = flags.FLAGS) -> settings_lib.DemoSettings:
    """Returns the settings that the flags ask for.

    Raises:
        ValueError: when a value is not allowed.
    """
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(settings_lib.DemoSettings):
        value = values[field.name].value
        fields[field.name] = _parse_range(field.name, value) if isinstance(field.default, tuple) else value
    return settings_lib.DemoSettings(**fields)


def make(output_dir: Path, settings: settings_lib.DemoSettings, workers: int = 2) -> int:
    """Writes the data set, or what is missing of it.

    Args:
        output_dir: folder to write.
        settings: what to generate.
        workers: processes, 1 or above.

    Returns:
        Number of videos that were made now.
    """
    if workers < 1:
        raise ValueError(f"`workers` must be 1 or above. Received: workers={workers}")
    videos = plan.plan_videos(settings)
    output.prepare(output_dir, settings, videos)
    todo = output.unfinished(output_dir, videos)
    write = functools.partial(output.write_video, output_dir, settings)
    with notes.bar(total=len(videos), initial=len(videos) - len(todo), unit="video") as progress:
        if workers == 1 or len(todo) <= 1:
            for video in todo:
                write(video)
                progress.update()
        else:
            _write_in_parallel(write, todo, workers, progress)
    output.write_splits(output_dir, settings, videos)  # last: complete lists mean a complete set
    return len(todo)


def main(argv: Sequence[str]) -> None:
    """Runs the command."""
    cli.reject_operands(argv)
    if not flags.FLAGS.output_dir:
        raise ValueError("`output_dir` must name the folder to write; give --output_dir=FOLDER")
    settings = settings_from_flags()
    output_dir = storage.local(flags.FLAGS.output_dir, "output_dir")
    made = make(output_dir, settings, flags.FLAGS.workers)
    total = settings.videos_per_class * len(plan.CLASSES)
    print(
        f"{output_dir}: {total} videos ({made} made now) of {len(plan.CLASSES)} classes "
        f"from {settings.num_films} films, {settings.num_splits} splits; "
        f"{settings.num_frames} frames of {settings.size} each"
    )


def _write_in_parallel(
    write: functools.partial[None], todo: Sequence[plan.VideoPlan], workers: int, progress: tqdm.tqdm
) -> None:
    # Spawned, not forked: a caller may have threads running (TensorFlow's, for one), which a fork does not survive.
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(min(workers, len(todo)), context, initializer=_start_worker)
    try:
        with interruption.kept_from_children():
            futures = [pool.submit(write, video) for video in todo]
        for future in concurrent.futures.as_completed(futures):
            future.result()
            progress.update()
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():
            process.kill()  # what it writes is made anew; waiting for it takes seconds
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    cv2.setNumThreads(1)


def _parse_range(name: str, ends: Sequence[str]) -> tuple[float, ...]:
    try:
        numbers = tuple(float(end) for end in ends)
    except ValueError:
        raise ValueError(f"`{name}` must be LOW,HIGH or one number. Received: {name}={','.join(ends)}") from None
    return numbers * 2 if len(numbers) == 1 else numbers


def _field_help() -> dict[str, str]:
    """Returns the text of each field under `Attributes:`; none where Python runs without docstrings."""
    _, _, attributes = (inspect.getdoc(settings_lib.DemoSettings) or "").partition("Attributes:\n")
    return dict(re.findall(r"^ {4}(\w+): (.*)$", attributes, re.MULTILINE))


if __name__ == "__main__":
    define_flags()
    cli.run(main, needs=("output_dir",), goes_on=True)
