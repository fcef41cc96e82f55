"""What the model says about one video."""

import dataclasses

import numpy as np

from tclsta_tf.prediction import time_line
from tfrecords_tools import storage


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the model says about one video.

    Attributes:
        path: the file, or the name that was given to it.
        labels: class names in index order.
        scores: float32 [C], of the whole video.
        positions: int64 [N], the frames it looked at, counted in the frames the record holds.
        timestamps: float64 [N], their times in seconds.
        outputs: the model's other outputs by name, without the batch axis: `static_scores`, `motion_scores` [C],
            `<stream>_spatial_attention` [N, h, w], `<stream>_temporal_attention` and `<stream>_collaborative_weights`
            [N]. A model without a motion stream has none of `motion_*` and no collaborative weights.
        frames: uint8 [N, H, W, 3], those frames as stored.
        flow: uint8 [N, H, W, 2], the first flow field of each frame's stack, stored bytes; [0, H, W, 2] where the model
            has no motion stream.
        num_frames: frames of the video.
        frame_rate: frames per second.
        timeline: the answers step by step, where they were asked for.
    """

    path: storage.AnyPath
    labels: tuple[str, ...]
    scores: np.ndarray
    positions: np.ndarray
    timestamps: np.ndarray
    outputs: dict[str, np.ndarray]
    frames: np.ndarray
    flow: np.ndarray
    num_frames: int
    frame_rate: float
    timeline: time_line.TimeLine | None = None

    @property
    def seconds(self) -> float:
        """Length of the video."""
        return self.num_frames / self.frame_rate

    def top(self, count: int = 5, step: int | None = None) -> list[tuple[str, float]]:
        """The best classes with their scores, best first.

        Args:
            count: how many.
            step: index in the time line; None for the whole video.
        """
        if step is None:
            return best(self.labels, self.scores, count)
        if self.timeline is None:
            raise ValueError("`step` needs a time line: give `window` to `classify`")
        return best(self.labels, self.timeline.scores[step], count)

    def cropped(self, size: int) -> "Prediction":
        """The same with frames and flow cut to the centre square of `size` pixels that the networks saw."""
        top, left = ((side - size) // 2 for side in self.frames.shape[1:3])
        window = np.s_[:, top : top + size, left : left + size]
        return dataclasses.replace(self, frames=self.frames[window], flow=self.flow[window])


def best(labels: tuple[str, ...], scores: np.ndarray, count: int) -> list[tuple[str, float]]:
    """The `count` best of all classes with their scores, best first; of equal ones the first."""
    order = np.argsort(-scores, kind="stable")[:count]
    return [(labels[index], float(scores[index])) for index in order]
