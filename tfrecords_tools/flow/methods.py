"""The seam behind which all methods of optical flow stand."""

import functools
from collections.abc import Callable

import numpy as np

from tfrecords_tools.flow import opencv

FlowMethod = Callable[[np.ndarray], np.ndarray]
"""From grey frames, uint8 [n, H, W], n >= 1, to flow, float32 [n - 1, H, W, 2], pixels per frame."""


COMPILED_MULTIPLE = 32
"""Sides in pixels to which frames are padded where each video has a size of its own: few sizes, few compilations."""


def _tvl1(frames: np.ndarray) -> np.ndarray:
    from tfrecords_tools.flow import tvl1  # here, because Keras takes seconds that --help and errors need not wait for

    opencv.check(frames)
    return tvl1.tvl1_flow(frames[:-1], frames[1:])


def _tvl1_fast(frames: np.ndarray) -> np.ndarray:
    from tfrecords_tools.flow import tvl1

    opencv.check(frames)
    return tvl1.tvl1_flow(frames[:-1], frames[1:], tvl1.FAST)


def _padded(method: FlowMethod, frames: np.ndarray) -> np.ndarray:
    opencv.check(frames)
    height, width = frames.shape[1:]
    margins = [(0, -side % COMPILED_MULTIPLE) for side in (height, width)]
    return np.ascontiguousarray(method(np.pad(frames, [(0, 0), *margins], mode="edge"))[:, :height, :width])


_METHODS: dict[str, FlowMethod] = {
    "tvl1": _tvl1,
    "tvl1_fast": _tvl1_fast,
    "tvl1_opencv": opencv.tvl1,
    "dis": opencv.dis,
    "farneback": opencv.farneback,
}

METHODS = tuple(_METHODS)
_COMPILED = ("tvl1", "tvl1_fast")  # Anew for each size of frames, in ten seconds or more.


def make_flow(method: str, *, sizes_vary: bool = False) -> FlowMethod:
    """Gives a method by its name.

    A method is deterministic, and the flow of a pair does not depend on the other pairs it is given with, so that a
    video may be cut into batches anywhere.

    Args:
        method: One of `METHODS`.
        sizes_vary: Whether each video has a size of its own. A method that is compiled for a size is then given frames
            with their last column and row repeated up to a multiple of 32 pixels, which changes the flow a little.

    Returns:
        The method.

    Raises:
        ValueError: No such method.
    """
    if method not in _METHODS:
        raise ValueError(f"`flow` must be one of {list(METHODS)}. Received: flow={method!r}")
    if sizes_vary and method in _COMPILED:
        return functools.partial(_padded, _METHODS[method])
    return _METHODS[method]
