"""A video to be classified, wherever it is: on this machine, on remote storage, or as an array."""

import contextlib
import dataclasses
import math
import os
from collections.abc import Iterable, Iterator

import numpy as np

from tfrecords_tools import storage, video

Video = str | os.PathLike[str] | storage.RemotePath | np.ndarray


@dataclasses.dataclass(frozen=True)
class Source:
    """A video that can be read from its start again and again.

    Attributes:
        path: its name.
        frames: uint8 [H, W, 3] each, RGB.
        frame_rate: frames per second.
        height: pixels of a frame as the header has it, 0 where it does not say.
        width: likewise.
    """

    path: storage.AnyPath
    frames: Iterable[np.ndarray]
    frame_rate: float
    height: int
    width: int


@contextlib.contextmanager
def opened(what: Video, frame_rate: float | None = None, name: str | None = None) -> Iterator[Source]:
    """Opens a video; whatever is wrong with it while it is open is said with its name.

    Args:
        what: a file, or frames uint8 [T, H, W, 3], RGB.
        frame_rate: frames per second of an array; needed for one, and for nothing else.
        name: what it is called in answers and errors; None for its path.

    Raises:
        tfrecords_tools.video.VideoError: it cannot be read.
        ValueError: the array is no video, or its frame rate is missing.
    """
    if isinstance(what, np.ndarray):
        yield _array(what, frame_rate, name or "array")
        return
    if frame_rate is not None:
        raise ValueError(f"`frame_rate` is for arrays; a file has its own. Received: frame_rate={frame_rate}")
    place = storage.path(what)
    called = place if name is None else storage.path(name)
    try:
        with storage.staged(place) as file:
            read = video.read_video(file)
            yield Source(called, read, read.frame_rate, read.height, read.width)
    except video.VideoError as error:
        raise video.VideoError(called, error.reason) from error  # by the name it was given
    except OSError as error:
        raise video.VideoError(called, f"the file cannot be read ({error.strerror or error})") from error


def _array(frames: np.ndarray, frame_rate: float | None, name: str) -> Source:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
        raise ValueError(f"`video` must be a path or uint8 [T, H, W, 3]. Received: {frames.dtype} {list(frames.shape)}")
    if frame_rate is None or not (math.isfinite(frame_rate) and frame_rate > 0):
        raise ValueError(f"`frame_rate` must be greater than 0 for an array. Received: frame_rate={frame_rate}")
    if not len(frames):
        raise video.VideoError(name, "it has no frames")
    return Source(storage.path(name), frames, frame_rate, *frames.shape[1:3])
