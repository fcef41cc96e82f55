"""The seam behind which all methods of optical flow stand."""

from collections.abc import Callable

import numpy as np

from tfrecords_tools.flow import opencv

FlowMethod = Callable[[np.ndarray], np.ndarray]
"""From grey frames, uint8 [n, H, W], n >= 1, to flow, float32 [n - 1, H, W, 2], pixels per frame."""


def _tvl1(frames: np.ndarray) -> np.ndarray:
    from tfrecords_tools.flow import tvl1  # here, because Keras takes seconds that --help and errors need not wait for

    opencv.check(frames)
    return tvl1.tvl1_flow(frames[:-1], frames[1:])


def _tvl1_fast(frames: np.ndarray) -> np.ndarray:
    from tfrecords_tools.flow import tvl1

    opencv.check(frames)
    return tvl1.tvl1_flow(frames[:-1], frames[1:], tvl1.FAST)


_METHODS: dict[str, FlowMethod] = {
    "tvl1": _tvl1,
    "tvl1_fast": _tvl1_fast,
    "tvl1_opencv": opencv.tvl1,
    "dis": opencv.dis,
    "farneback": opencv.farneback,
}

METHODS = tuple(_METHODS)


def make_flow(method: str) -> FlowMethod:
    """Gives a method by its name.

    A method is deterministic, and the flow of a pair does not depend on the other pairs it is given with, so that a
    video may be cut into batches anywhere.

    Args:
        method: One of `METHODS`.

    Returns:
        The method.

    Raises:
        ValueError: No such method.
    """
    if method not in _METHODS:
        raise ValueError(f"`flow` must be one of {list(METHODS)}. Received: flow={method!r}")
    return _METHODS[method]
