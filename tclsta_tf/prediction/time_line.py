"""What the model says about a video step by step."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from tclsta_tf import config
from tclsta_tf.prediction import clips
from tfrecords_tools.flow import quantise

_FASTEST = 99  # per cent of a field that are slower than what its colours must reach to


@dataclasses.dataclass(frozen=True)
class TimeLine:
    """The answers of the steps of a video, and where the model looked in each.

    Attributes:
        starts: float64 [S], seconds.
        ends: float64 [S], seconds.
        scores: float32 [S, C].
        frames: int64 [S], the frame nearest to the middle of each step of those that its window looked at.
        fields: int64 [S], the first flow field of that frame's stack, counted in the video; -1 where it has no flow.
        speeds: float32 [S], how fast the fastest parts move in that field, pixels per frame at stored resolution.
        attention: by stream float32 [S, h, w], the spatial attention in that frame; its mean is 1.
    """

    starts: np.ndarray
    ends: np.ndarray
    scores: np.ndarray
    frames: np.ndarray
    fields: np.ndarray
    speeds: np.ndarray
    attention: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.starts)

    def at(self, seconds: float) -> int:
        """The step that a time lies in."""
        return int(np.clip(np.searchsorted(self.starts, seconds, side="right") - 1, 0, len(self) - 1))


class Collector:
    """Puts a time line together from the answers of its windows."""

    def __init__(self, frame_rate: float) -> None:
        self._frame_rate = frame_rate
        self._steps: list[dict[str, np.ndarray | float]] = []
        self._attention: dict[str, list[np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, clip: clips.Clip, scores: np.ndarray, outputs: Mapping[str, np.ndarray], flow: np.ndarray) -> None:
        """Takes the answer of a window.

        Args:
            clip: the window's.
            scores: float32 [C].
            outputs: the model's other outputs, see `Prediction`.
            flow: uint8 [N, H, W, 2], first fields, or empty.
        """
        times = clip.frames / self._frame_rate
        for start, end in clip.window.steps:
            index = int(np.argmin(np.abs(times - (start + end) / 2)))
            has_flow = len(flow) > 0 and len(clip.fields) > 0
            self._steps.append(
                {
                    "starts": start,
                    "ends": end,
                    "scores": scores,
                    "frames": clip.frames[index],
                    "fields": clip.fields[clip.stack_starts[index]] if has_flow else -1,
                    "speeds": speed(flow[index]) if has_flow else 0.0,
                }
            )
            for stream in config.STREAMS:
                maps = outputs.get(f"{stream}_spatial_attention")
                if maps is not None:
                    self._attention.setdefault(stream, []).append(np.array(maps[index]))  # not a view of all N

    def finish(self) -> TimeLine:
        """Gives the time line."""
        columns = {name: np.asarray([step[name] for step in self._steps]) for name in self._steps[0]}
        columns["speeds"] = columns["speeds"].astype(np.float32)
        attention = {stream: np.stack(maps) for stream, maps in self._attention.items()}
        return TimeLine(**columns, attention=attention)


def speed(field: np.ndarray) -> float:
    """How fast the fastest parts of a field move, but for a few pixels: uint8 [H, W, 2] -> pixels per frame."""
    moving = quantise.dequantise(field)
    return float(np.percentile(np.hypot(moving[..., 0], moving[..., 1]), _FASTEST))
