"""Where windows lie over a video: each is a stretch of frames that is classified like a video of its own."""

import dataclasses
import itertools
import math
from collections.abc import Iterator

DEFAULT_SECONDS = 4.0
DEFAULT_STEP = 1.0


@dataclasses.dataclass(frozen=True)
class Window:
    """A stretch of a video.

    Attributes:
        first: index of its first frame.
        num_frames: its frames.
        steps: start and end in seconds of the steps of the time line whose answer it gives.
    """

    first: int
    num_frames: int
    steps: tuple[tuple[float, float], ...] = ()


def whole(num_frames: int, frame_rate: float) -> Window:
    """Gives all of a video as one window."""
    return Window(0, num_frames, ((0.0, num_frames / frame_rate),))


def centred(num_frames: int, frame_rate: float, seconds: float, step: float) -> Iterator[Window]:
    """Gives the windows of a video whose length is known, in order.

    The video is cut into steps, of which the last may be shorter. The window of a step is centred on its middle, and
    moved inwards where it would reach over an end of the video; steps that share a window so come with it at once.

    Args:
        num_frames: frames of the video, at least 1.
        frame_rate: frames per second.
        seconds: length of a window, > 0. A video that is no longer is one window and one step.
        step: length of a step in seconds, > 0; at least one frame is taken.

    Returns:
        Windows, ascending.

    Raises:
        ValueError: a length is not positive.
    """
    size = _size(seconds, frame_rate, step)
    return _centred(num_frames, frame_rate, size, step) if size < num_frames else iter([whole(num_frames, frame_rate)])


def _centred(num_frames: int, frame_rate: float, size: int, step: float) -> Iterator[Window]:
    duration = num_frames / frame_rate
    step = max(step, 1 / frame_rate)
    count = max(1, math.ceil(duration / step - 1e-6))  # a rest of rounding is no step

    def first_frame(index: int) -> int:
        return min(max(round((index + 0.5) * step * frame_rate - size / 2), 0), num_frames - size)

    for first, indices in itertools.groupby(range(count), first_frame):
        yield Window(first, size, tuple((index * step, min((index + 1) * step, duration)) for index in indices))


def trailing(frame_rate: float, seconds: float, step: float) -> Iterator[Window]:
    """Gives the windows of a video that goes on: the last `seconds` at the end of each step, for ever.

    Args:
        frame_rate: frames per second.
        seconds: length of a window, > 0; the first ones are shorter, since nothing is before them.
        step: length of a step in seconds, > 0; at least one frame is taken.

    Returns:
        Windows, ascending, without an end.

    Raises:
        ValueError: a length is not positive.
    """
    size = _size(seconds, frame_rate, step)
    step = max(step, 1 / frame_rate)
    ends = (max(1, round(index * step * frame_rate)) for index in itertools.count(1))
    return (
        Window(max(0, end - size), min(end, size), (((index * step), (index + 1) * step),))
        for index, end in enumerate(ends)
    )


def _size(seconds: float, frame_rate: float, step: float) -> int:
    for name, value in (("window", seconds), ("step", step)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"`{name}` must be a number of seconds greater than 0. Received: {name}={value}")
    return max(1, round(seconds * frame_rate))
