r"""Classifies videos of any length with an exported model.

python -m tclsta_tf.predict --model=run/export/1 clip.avi folder_of_clips 'more/**/*.mp4'
python -m tclsta_tf.predict --model=run/export/1 --json --timeline --window=4 --step=1 long.mp4
python -m tclsta_tf.predict --model=run/export/1 --overlay=answer.mp4 clip.avi
python -m tclsta_tf.predict --model=run/export/1 --camera=0
cat clip.mp4 | python -m tclsta_tf.predict --model=run/export/1 -

Operands are video files, folders (searched to the bottom; what is hidden is left out), quoted patterns, and `-` for a
video that is piped in, on this machine or remote (s3://...). What is named twice is classified once. A video that
cannot be read is reported on the error output, the others are answered, and the exit status is 1.

The answer for a video is the evaluation's: frames over all of its length. --timeline adds what it says step by step:
the answer of --window seconds around each step of --step seconds, as if they were a video of their own. That takes the
flow of all frames and one run of the model a step, where the answer alone takes a few frames. A camera is answered at
the end of every step, for the last --window seconds, until Ctrl-C or --seconds, and then with the mean of all answers.
"""

from __future__ import annotations

import contextlib
import os
import sys
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from absl import app, flags

from tclsta_tf import flags as run_flags
from tclsta_tf.prediction import camera, exported, picture_files, progress, sources, windows
from tfrecords_tools import cli, storage, video
from tfrecords_tools.datasets import disk

if typing.TYPE_CHECKING:
    # What loads TensorFlow is imported where it is used: --help and errors shall not wait for it.
    from tclsta_tf.prediction import classifier, output

_MODEL = flags.DEFINE_string("model", None, "Folder of an exported model, e.g. run/export/1.")
_JSON = flags.DEFINE_bool("json", False, "One JSON object a line instead of text.")
_CSV = flags.DEFINE_bool("csv", False, "CSV instead of text: one row a video, or with --timeline one a step.")
_TOP = flags.DEFINE_integer("top", 5, "Classes shown per video.", lower_bound=1)
_OUTPUT = flags.DEFINE_string("output", None, "File for the answers, complete when it appears; default: stdout.")
_TIMELINE = flags.DEFINE_bool(
    "timeline", None, "Also answers step by step. A long video costs as much as it has frames. (default: false)"
)
_WINDOW = flags.DEFINE_float("window", windows.DEFAULT_SECONDS, "Seconds of video that answer one step.")
_STEP = flags.DEFINE_float("step", windows.DEFAULT_STEP, "Seconds from one step of the time line to the next.")
_OVERLAY = flags.DEFINE_string(
    "overlay",
    None,
    "Also writes the video with what the model saw: .mp4 or .avi, or a picture of its frames (.png); a folder for one "
    ".mp4 per video. A video longer than --window is drawn by the time line, unless --notimeline.",
)
_CAMERA = flags.DEFINE_string("camera", None, "Instead of files: number or device of a camera, or a file in its place.")
_SECONDS = flags.DEFINE_float("seconds", None, "Length after which a camera is left; default: never.", lower_bound=0)
_PROGRESS = flags.DEFINE_bool("progress", None, "Progress on the error output. (default: on a terminal only)")


def main(argv: Sequence[str]) -> int:
    """Classifies every operand; returns 1 where a video could not be read."""
    run_flags.require(_MODEL.name)
    if _JSON.value and _CSV.value:
        raise app.UsageError("--json and --csv exclude each other")
    for flag in (_WINDOW, _STEP):
        if not flag.value > 0:
            raise app.UsageError(f"--{flag.name} must be greater than 0, not {flag.value}")
    if _CAMERA.value is not None:
        if argv[1:] or _OVERLAY.value:
            raise app.UsageError("--camera takes no videos beside it, and no --overlay")
        return _watch(_model_folder())
    found = sources.find(argv[1:], lambda path: disk.is_video(path, frame_folders=False))
    if not argv[1:]:
        raise app.UsageError("no video given: python -m tclsta_tf.predict --model=... VIDEO...")
    pictures = _pictures(found.videos)
    folder = _model_folder()
    if not any(map(_may_exist, found.videos)):
        return _report_missing(found)
    with _loading(f"classifying {len(found.videos)} video(s) with {folder}"):
        from tclsta_tf.prediction import classifier
    model = classifier.Classifier(folder)
    failed = 0
    lines = _lines(model)
    with _answers() as answers, progress.Bars(len(found.videos), _PROGRESS.value) as bars:
        answers.write(lines.header())
        for line in found.errors:
            failed += 1
            _report(line, bars)
        for path, picture in zip(found.videos, pictures, strict=True):
            try:
                _classify(model, path, picture, lines, answers, bars)
            except video.VideoError as error:
                failed += 1
                _report(error, bars)
            bars.end_video()
    return _count_failed(failed, found)


def _classify(
    model: classifier.Classifier,
    path: str | storage.AnyPath,
    picture: storage.AnyPath | None,
    lines: output.Writer,
    answers: TextIO,
    bars: progress.Bars,
) -> None:
    is_drawn_by_step = picture is not None and picture.suffix in video.CODECS and _TIMELINE.value is None
    with sources.spooled(sys.stdin.buffer) if path == sources.PIPE else contextlib.nullcontext(path) as file:
        window = _WINDOW.value if _TIMELINE.value or is_drawn_by_step else None
        prediction = model.classify(file, window=window, step=_STEP.value, progress=bars.within, name=str(path))
        bars.end_part()
        with bars.aside():
            answers.write(lines.video(prediction, with_timeline=bool(_TIMELINE.value)))
            answers.flush()
        if picture is None:
            return
        from tclsta_tf.prediction import overlay
        from tclsta_tf.recipes import strip

        if picture.suffix in video.CODECS:
            crop = model.card["crop_size"]
            overlay.write_overlay(prediction, model.settings, crop, picture, file, bars.within)
        else:
            strip.write_strip(prediction, model.card["crop_size"], picture)


def _watch(folder: storage.AnyPath) -> int:
    window, step = _WINDOW.value, _STEP.value
    with camera.opened(_CAMERA.value, behind=window) as source:
        with _loading(f"watching {source.name} with {folder}"):
            from tclsta_tf.prediction import classifier, live
        model = classifier.Classifier(folder)
        lines = _lines(model)
        with _answers() as answers:
            answers.write(lines.header())
            live.watch(model, source, lines, answers, window, step, _SECONDS.value)
    return 0


def _lines(model: classifier.Classifier) -> output.Writer:
    from tclsta_tf.prediction import output

    return output.Writer("json" if _JSON.value else "csv" if _CSV.value else "text", model.labels, _TOP.value)


@contextlib.contextmanager
def _answers() -> Iterator[TextIO]:
    if not _OUTPUT.value:
        yield sys.stdout
        return
    with storage.created(storage.path(_OUTPUT.value)) as partial, partial.open("w", encoding="utf-8") as file:
        yield file


def _report(error: object, bars: progress.Bars) -> None:
    with bars.aside():
        cli.complain(error)


def _model_folder() -> storage.AnyPath:
    return exported.check(run_flags.require_folder(_MODEL.name))[0]


def _report_missing(found: sources.Found) -> int:
    """Says of videos that are all missing what is wrong with them; no model is needed for that."""
    for line in found.errors:
        cli.complain(line)
    for path in found.videos:
        try:
            video.read_video(typing.cast(Path, path))
        except video.VideoError as error:
            cli.complain(error)
    return _count_failed(len(found.videos) + len(found.errors), found)


def _count_failed(failed: int, found: sources.Found) -> int:
    if failed:
        print(f"{failed} of {len(found.videos) + len(found.errors)} videos could not be read", file=sys.stderr)
    return 1 if failed else 0


def _may_exist(path: str | storage.AnyPath) -> bool:
    """Whether a video may be there: whether one on remote storage is, opening it tells."""
    return not isinstance(path, Path) or os.path.exists(path)


def _loading(begins: str) -> contextlib.AbstractContextManager[None]:
    """Loads TensorFlow with a note for people, and with none for programs."""
    return cli.loading("" if _JSON.value or _CSV.value else begins)


def _pictures(videos: Sequence[str | storage.AnyPath]) -> Sequence[storage.AnyPath | None]:
    """The overlay of each video."""
    if not _OVERLAY.value:
        return [None] * len(videos)
    try:
        return picture_files.targets(_OVERLAY.value, videos)
    except ValueError as error:
        raise app.UsageError(f"--overlay {error}") from None


if __name__ == "__main__":
    cli.run(main, needs=("model",))
