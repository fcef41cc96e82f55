"""Video files as a stream of RGB frames, read and written, and the size frames are stored in."""

import dataclasses
import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from tfrecords_tools import container, storage

DEFAULT_FRAME_RATE = 25.0
SMALLEST_SIDE = 16
"""Pixels; below it DIS has no pyramid level to start from."""

CODECS = {".mp4": "mp4v", ".avi": "MJPG"}
"""Suffix of the files that `write_video` writes -> codec."""


class VideoError(ValueError):
    """A video that cannot be used.

    Attributes:
        path: The file, as it shall be named.
        reason: Why, in one line.
    """

    def __init__(self, path: str | storage.AnyPath, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple:
        # Exceptions are pickled by their message alone, which is not what `__init__` takes.
        return type(self), (self.path, self.reason)


@dataclasses.dataclass(frozen=True)
class VideoFile:
    """A video file that has been opened once; iterating decodes it from the start, every time anew.

    Frames are uint8 [H, W, 3], RGB, and are counted by decoding: the number in a header is often wrong.

    Attributes:
        path: The file.
        frame_rate: Frames per second; 25 where the file does not say.
        height: Pixels of a frame as the header has it, 0 where it does not say; frames may turn out otherwise.
        width: Likewise.
    """

    path: Path
    frame_rate: float
    height: int = 0
    width: int = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        capture = _open(self.path)
        try:
            decoded = 0
            while True:
                done, frame = capture.read()
                if not done:
                    break
                decoded += 1
                yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            if not decoded:
                raise VideoError(self.path, "no frame of it decodes")
        finally:
            capture.release()


def read_video(path: str | Path) -> VideoFile:
    """Opens a video file.

    Args:
        path: The file.

    Returns:
        An iterable of its frames, which may be iterated again and again.

    Raises:
        VideoError: The file does not exist, is truncated, or is not a video. A video of which no frame decodes is found
            when it is iterated.
    """
    path = Path(path)
    capture = _open(path)
    rate, height, width = (
        capture.get(key) for key in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH)
    )
    capture.release()
    frame_rate = rate if math.isfinite(rate) and rate > 0 else DEFAULT_FRAME_RATE
    return VideoFile(path, frame_rate, max(0, int(height)), max(0, int(width)))


def write_video(
    path: str | os.PathLike[str] | storage.RemotePath, frames: Iterable[np.ndarray], frame_rate: float
) -> None:
    """Writes a video file; it appears only when it is whole.

    Args:
        path: The file, with one of the suffixes of `CODECS`; one that is there is replaced.
        frames: uint8 [H, W, 3], RGB, all of one size with even sides.
        frame_rate: Frames per second.

    Raises:
        ValueError: The suffix is another one.
        OSError: The file cannot be written.
    """
    path = storage.path(path)
    if path.suffix not in CODECS:
        raise ValueError(f"`path` must end in {' or '.join(CODECS)}. Received: path={path}")
    codec = cv2.VideoWriter_fourcc(*CODECS[path.suffix])
    sink = cv2.VideoWriter()
    with storage.created(path) as partial:
        try:
            for frame in frames:
                size = frame.shape[1::-1]
                if not sink.isOpened() and not sink.open(str(partial), cv2.CAP_FFMPEG, codec, frame_rate, size):
                    raise OSError(f"{path} cannot be written")
                sink.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        except BaseException:
            sink.release()
            partial.unlink(missing_ok=True)
            raise
        sink.release()


def _open(path: Path) -> cv2.VideoCapture:
    try:
        missing = container.missing_bytes(path)
        if path.stat().st_size == 0:
            raise VideoError(path, "the file is empty")
    except FileNotFoundError as error:
        raise VideoError(path, "the file does not exist") from error
    except OSError as error:
        raise VideoError(path, f"the file cannot be read ({error.strerror})") from error
    if missing:
        raise VideoError(path, f"the file is truncated, {missing} bytes are missing at its end")
    # FFmpeg only: with what it cannot open OpenCV would go on to other readers, one of them for numbered images. An
    # absolute path: FFmpeg takes what stands before a colon for a protocol. One thread: workers share the cores.
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise VideoError(path, "it is not a video that OpenCV can decode")
    return capture


@dataclasses.dataclass(frozen=True)
class Resize:
    """The size frames are stored in.

    Attributes:
        sides: (width, height) in pixels, or (short side,), which keeps the aspect ratio.
    """

    sides: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> "Resize":
        """Reads "340x256" (width x height) or "short_side=256".

        Raises:
            ValueError: It is neither, or a side is too short for optical flow.
        """
        match = re.fullmatch(r"(\d+)x(\d+)|short_side=(\d+)", text)
        if match is None:
            raise ValueError(f'`resize` must look like "340x256" or "short_side=256". Received: resize={text!r}')
        sides = tuple(int(number) for number in match.groups() if number is not None)
        if min(sides) < SMALLEST_SIDE:
            raise ValueError(f"`resize` must give sides of at least {SMALLEST_SIDE} pixels. Received: resize={text!r}")
        return cls(sides)

    @property
    def is_fixed(self) -> bool:
        """Whether all videos get one size."""
        return len(self.sides) == 2

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Gives the stored (height, width) of a frame of `height` x `width` pixels."""
        if self.is_fixed:
            return self.sides[1], self.sides[0]
        scale = self.sides[0] / min(height, width)
        return round(height * scale), round(width * scale)

    def apply(self, frame: np.ndarray) -> np.ndarray:
        """Resizes a frame to the stored size, see `resize`.

        Args:
            frame: uint8 [H, W, 3].

        Returns:
            uint8 [height, width, 3].
        """
        return resize(frame, *self.size(*frame.shape[:2]))


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes an image [H, W] or [H, W, C]: by area where it shrinks, which does not alias, else bilinearly."""
    if (height, width) == image.shape[:2]:
        return image
    shrinks = height < image.shape[0] and width < image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
