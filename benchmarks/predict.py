r"""Time and memory of `predict` for clips and for long videos made of them.

python -m benchmarks.predict --model=run/export/1 --clips=UCF-101 --scratch=/tmp/predict

Each row is a process of its own, with its start, the loading of the model and the compilation of the flow.
"""

import itertools
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import numpy as np
from absl import app, flags

from tfrecords_tools import video

_MODEL = flags.DEFINE_string("model", None, "Folder of an exported model.", required=True)
_CLIPS = flags.DEFINE_string("clips", None, "Folder with clips, searched to the bottom.", required=True)
_SCRATCH = flags.DEFINE_string("scratch", None, "Folder for the long videos; they are made once.", required=True)
_MINUTES = flags.DEFINE_list("minutes", ["1", "10"], "Lengths of the long videos.")
_RATE = 25.0
_SIZE = (240, 320)


def main(argv: Sequence[str]) -> None:
    """Prints a table in Markdown."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    scratch = pathlib.Path(_SCRATCH.value)
    scratch.mkdir(parents=True, exist_ok=True)
    print("| what | videos | minutes of video | answered | seconds | seconds of video a second | peak memory, MB |")
    print("|---|---|---|---|---|---|---|")
    _measure("clips", [_CLIPS.value])
    for minutes in _MINUTES.value:
        path = scratch / f"{minutes}_minutes.mp4"
        if not path.exists():
            video.write_video(path, _frames(round(float(minutes) * 60 * _RATE)), _RATE)
        _measure(f"{minutes} min", [str(path)])
        _measure(f"{minutes} min, `--timeline`", ["--timeline", str(path)])
    shortest = scratch / f"{min(_MINUTES.value, key=float)}_minutes.mp4"
    _measure(f"{shortest.stem}, `--overlay`", [f"--overlay={scratch / 'overlay.mp4'}", str(shortest)])


def _frames(count: int) -> Iterator[np.ndarray]:
    paths = sorted(pathlib.Path(_CLIPS.value).rglob("*.avi"))
    every = (frame for path in itertools.cycle(paths) for frame in video.read_video(path))
    return (video.resize(frame, *_SIZE) for frame in itertools.islice(every, count))


def _measure(name: str, arguments: list[str]) -> None:
    line = [sys.executable, "-m", "tclsta_tf.predict", f"--model={_MODEL.value}", "--json", *arguments]
    started = time.monotonic()
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None  # noqa: S101 - for mypy
        answers = [json.loads(text) for text in running.stdout]
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    shown = sum(answer["seconds_of_video"] for answer in answers)
    steps = sum(len(answer.get("timeline", [])) for answer in answers)
    said = f"{len(answers)}" + (f" and {steps} steps" if steps else "")
    print(
        f"| {name} | {len(answers)} | {shown / 60:.1f} | {said}, status {running.returncode} | {seconds:.1f} | "
        f"{shown / seconds:.1f} | {usage.ru_maxrss / 1024:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    app.run(main)
