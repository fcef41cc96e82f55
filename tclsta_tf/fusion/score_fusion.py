"""Late fusion: the weighted mean of two streams' scores."""

from collections.abc import Sequence

import numpy as np


def check_scores(static_scores: np.ndarray, motion_scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns both streams' scores as float64, checked to be one pair.

    Args:
        static_scores: float [n, C], finite; row i belongs to video i.
        motion_scores: float [n, C], finite; the same videos and classes in the same order.

    Returns:
        Two float64 arrays [n, C].

    Raises:
        ValueError: Where an array is not [n, C] with C >= 1, the shapes differ, or a score is not a finite number.
    """
    checked = []
    for name, value in (("static_scores", static_scores), ("motion_scores", motion_scores)):
        scores = np.asarray(value)
        if scores.dtype.kind not in "fiu":
            raise ValueError(f"`{name}` must hold real numbers. Received: {name}.dtype={scores.dtype}")
        if scores.ndim != 2 or scores.shape[1] < 1:
            raise ValueError(f"`{name}` must have the shape [videos, classes]. Received: {name}.shape={scores.shape}")
        bad = np.argwhere(~np.isfinite(scores))
        if bad.size:
            row, column = (int(index) for index in bad[0])
            raise ValueError(
                f"`{name}` must be finite. Received: {name}[{row}, {column}]={scores[row, column]} "
                f"and {len(bad) - 1} more such values. Find out why the stream gave them; they cannot be fused."
            )
        checked.append(scores.astype(np.float64))
    static, motion = checked
    if static.shape != motion.shape:
        raise ValueError(
            "`static_scores` and `motion_scores` must cover the same videos and classes. "
            f"Received: static_scores.shape={static.shape}, motion_scores.shape={motion.shape}"
        )
    return static, motion


def late_fusion(
    static_scores: np.ndarray, motion_scores: np.ndarray, weights: Sequence[float] = (1.0, 1.0)
) -> np.ndarray:
    """Returns the weighted mean of the streams' scores, with the same two weights for every class.

    The weights are divided by their sum, so that two softmax outputs give a softmax output. Equal weights are the
    two-stream and "late" rows of the paper; `(1.0, 1.5)` is the ratio of many two-stream networks.

    Args:
        static_scores: float [n, C], finite.
        motion_scores: float [n, C], finite.
        weights: Static and motion weight, finite, >= 0, not both 0.

    Returns:
        float64 [n, C].

    Raises:
        ValueError: For scores that do not match (see `check_scores`) or weights out of range.
    """
    static, motion = check_scores(static_scores, motion_scores)
    pair = np.asarray(weights, np.float64)
    if pair.shape != (2,) or not np.isfinite(pair).all() or (pair < 0).any() or pair.sum() == 0:
        raise ValueError(
            "`weights` must be two finite numbers >= 0, static then motion, and not both 0. "
            f"Received: weights={tuple(np.ravel(weights).tolist())}"
        )
    static_weight, motion_weight = pair / pair.sum()
    return static_weight * static + motion_weight * motion
