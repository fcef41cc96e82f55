"""Looks through a video file in a process of its own, before the server itself decodes it.

A file from outside can make a decoder take any amount of memory or time, or crash it. Here that hits a process with
limits on both, and the server lives on:

python -m tclsta_tf.serving.video_check FILE MAX_FRAMES MAX_PIXELS MAX_SECONDS CPU_SECONDS
"""

import dataclasses
import json
import math
import os
import resource
import subprocess
import sys
from pathlib import Path

import cv2

from tclsta_tf.serving import refusals, settings
from tfrecords_tools import video

_MEMORY = 2**30  # bytes for the decoder itself, with its libraries
_FRAMES_HELD = 40  # frames that a decoder may hold at a time, H.264's 16 references included


@dataclasses.dataclass(frozen=True)
class Facts:
    """What was found by decoding every frame.

    Attributes:
        frames: that decode.
        height: of a frame, pixels.
        width: of a frame, pixels.
    """

    frames: int
    height: int
    width: int


def check(path: Path, limits: settings.Limits, timeout_s: float) -> Facts:
    """Checks a file.

    Args:
        path: of the file.
        limits: it must keep.
        timeout_s: until the check must be done, seconds.

    Raises:
        refusals.Refusal: it is no video (400), or beyond a limit (413).
    """
    numbers = (limits.max_frames, limits.max_pixels, limits.max_seconds, math.ceil(timeout_s))
    command = [sys.executable, "-m", __name__, str(path), *map(str, numbers)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), environment.get("PYTHONPATH", "")])
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise refusals.Refusal(413, f"the video takes more than {timeout_s:g} s to decode") from error
    try:
        answer = json.loads(done.stdout)
    except ValueError as error:  # it did not live to say anything
        line = "the video makes its decoder fail, or takes more memory or time than is allowed"
        raise refusals.Refusal(400, line) from error
    if "status" in answer:
        raise refusals.Refusal(answer["status"], answer["line"])
    return Facts(**answer)


def examine(path: Path, limits: settings.Limits) -> Facts:
    """Does the work of `check` in this process."""
    try:
        _check_header(path, limits)
        source = video.read_video(path)
        frames, height, width = 0, 0, 0
        for frame in source:
            frames += 1
            height, width = frame.shape[:2]
            if frames > limits.max_frames:
                raise refusals.Refusal(413, f"the video must have at most {limits.max_frames} frames. It has more")
            _check_pixels(height, width, limits)
    except video.VideoError as error:
        raise refusals.Refusal(400, f"the video cannot be used: {error.reason}") from error
    if frames / source.frame_rate > limits.max_seconds:
        raise _too_long(frames / source.frame_rate, limits)
    return Facts(frames, height, width)


def _check_header(path: Path, limits: settings.Limits) -> None:
    video.read_video(path)  # its errors say more than those below
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        names = (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FPS)
        height, width, count, rate = (capture.get(name) for name in names)
    finally:
        capture.release()
    _check_pixels(int(height), int(width), limits)
    if math.isfinite(count) and math.isfinite(rate) and rate > 0 and count / rate > limits.max_seconds:
        raise _too_long(count / rate, limits)


def _check_pixels(height: int, width: int, limits: settings.Limits) -> None:
    if height * width > limits.max_pixels:
        line = f"a frame must have at most {limits.max_pixels} pixels. Received: {width}x{height}"
        raise refusals.Refusal(413, line)


def _too_long(seconds: float, limits: settings.Limits) -> refusals.Refusal:
    return refusals.Refusal(413, f"the video must last at most {limits.max_seconds:g} s. Received: {seconds:.0f} s")


def _main(file: str, max_frames: str, max_pixels: str, max_seconds: str, cpu_seconds: str) -> None:
    limits = settings.Limits(int(max_frames), int(max_pixels), float(max_seconds))
    memory = _MEMORY + _FRAMES_HELD * 3 * limits.max_pixels
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds), int(cpu_seconds) + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        answer = dataclasses.asdict(examine(Path(file), limits))
    except refusals.Refusal as refusal:
        answer = {"status": int(refusal.status), "line": refusal.line}
    except (cv2.error, MemoryError) as error:
        answer = {"status": 400, "line": f"the video cannot be decoded ({type(error).__name__})"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    _main(*sys.argv[1:])
