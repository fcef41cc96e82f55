"""How fast a video becomes what the networks see: decoding and optical flow, in frames per second."""

import time
from collections.abc import Callable

import numpy as np

from tclsta_tf.data import pipeline
from tfrecords_tools.flow import methods


def decode_rate(subset: pipeline.Subset, seconds: float = 2.0) -> float:
    """Frames per second that are read from the records and decoded at their full size, one video at a time.

    Args:
        subset: the videos, at least one.
        seconds: how long it is tried at least.
    """
    videos = len(subset)

    def decode_one(number: int) -> int:
        return len(pipeline.stored_frames(subset, number % videos))

    return rate(decode_one, seconds)


def flow_rate(subset: pipeline.Subset, method: str, seconds: float = 2.0) -> float:
    """Flow fields per second of decoded frames, one video at a time.

    Args:
        subset: the videos, at least one.
        method: one of `tfrecords_tools.flow.methods.METHODS`.
        seconds: how long it is tried at least.
    """
    # Any grey will do: the rate does not depend on it.
    grey = [
        (pipeline.stored_frames(subset, number) @ (0.299, 0.587, 0.114)).astype(np.uint8)
        for number in range(len(subset))
    ]
    moving = [frames for frames in grey if len(frames) > 1]
    if not moving:
        raise ValueError("flow can be timed on a video of two frames at least")
    flow_of = methods.make_flow(method)

    def compute_one(number: int) -> int:
        return len(flow_of(moving[number % len(moving)]))

    return rate(compute_one, seconds)


def rate(work: Callable[[int], int], seconds: float) -> float:
    """Frames per second of `work`, which gets 0, 1, 2, ... and says how many frames it did; the first call is free."""
    work(0)
    start, frames, number = time.perf_counter(), 0, 0
    while time.perf_counter() - start < seconds:
        frames += work(number)
        number += 1
    return frames / (time.perf_counter() - start)
