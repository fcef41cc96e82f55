"""Figures of merit of one set of scores, as `metrics.json` stores them.

A prediction is the class of the highest score; of equal scores the lower class index wins, in every function here.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from sklearn import metrics

TOP_K = 5


@dataclasses.dataclass(frozen=True)
class ConfusedPair:
    """Videos of one class that were taken for another.

    Attributes:
        true_class: Class index of the videos.
        predicted_class: Class index that was predicted for them.
        count: Number of such videos.
        share: `count` as a fraction in (0, 1] of all videos of the true class.
    """

    true_class: int
    predicted_class: int
    count: int
    share: float


def summarise(scores: np.ndarray, labels: np.ndarray) -> dict[str, float | int]:
    """Returns the figures of merit of one variant; all of them finite, fractions in [0, 1].

    * `overall_accuracy`: videos whose highest score is their class, or one of their classes.
    * `mean_class_accuracy`: the mean of each class's own accuracy, over the classes that occur in `labels`.
    * `top5_accuracy`: videos that have a class among the 5 highest scores; 1 where there are 5 classes or fewer.
    * `mean_average_precision`: the mean of each class's average precision, one class against the rest, over the
      classes that occur.
    * `num_videos`: n.

    A video without any class, as THUMOS14 has them, counts against the average precision of a class that ranks it
    high, and in `num_videos`; it has no part in the accuracies.

    Args:
        scores: float [n, C], finite, any scale, n >= 1.
        labels: int [n], true classes in [0, C); or bool [n, C], True for each class of a video.

    Returns:
        The five entries named above.

    Raises:
        ValueError: For arrays that do not match, values out of range, no videos, or no video with a class.
    """
    scores, truth = _check(scores, labels)
    labelled = truth.any(axis=1)
    right = _is_right(scores, truth)
    ranking = np.argsort(-scores, axis=1, kind="stable")[:, :TOP_K]  # stable: ties as in argmax
    among_best = np.take_along_axis(truth, ranking, axis=1).any(axis=1)
    return {
        "overall_accuracy": float(right[labelled].mean()),
        "mean_class_accuracy": float(np.mean(list(per_class_accuracy(scores, truth).values()))),
        "top5_accuracy": float(among_best[labelled].mean()),
        "mean_average_precision": float(np.mean(list(per_class_precision(scores, truth).values()))),
        "num_videos": len(scores),
    }


def confusion_matrix(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts predictions per true class.

    Args:
        scores: float [n, C], finite.
        labels: int [n] or bool [n, C], see `summarise`.

    Returns:
        int64 [C, C]; row = true class, column = predicted class; rows of classes that do not occur are 0. A video of
        several classes counts once in the row of each.

    Raises:
        ValueError: As `summarise`.
    """
    scores, truth = _check(scores, labels)
    counts = np.zeros(2 * scores.shape[1:], np.int64)
    videos, true_classes = np.nonzero(truth)
    np.add.at(counts, (true_classes, scores.argmax(axis=1)[videos]), 1)
    return counts


def per_class_accuracy(scores: np.ndarray, labels: np.ndarray) -> dict[int, float]:
    """Returns class index -> accuracy on its own videos, for the classes that occur, in index order.

    Args:
        scores: float [n, C], finite.
        labels: int [n] or bool [n, C], see `summarise`.

    Raises:
        ValueError: As `summarise`.
    """
    scores, truth = _check(scores, labels)
    right = _is_right(scores, truth)
    return _of_occurring(truth, lambda j: right[truth[:, j]].mean())


def per_class_precision(scores: np.ndarray, labels: np.ndarray) -> dict[int, float]:
    """Returns class index -> average precision, the class against the rest, for the classes that occur.

    Args:
        scores: float [n, C], finite.
        labels: int [n] or bool [n, C], see `summarise`.

    Raises:
        ValueError: As `summarise`.
    """
    scores, truth = _check(scores, labels)
    return _of_occurring(truth, lambda j: metrics.average_precision_score(truth[:, j], scores[:, j]))


def _of_occurring(truth: np.ndarray, value: Callable[[int], float]) -> dict[int, float]:
    return {int(j): float(value(j)) for j in np.flatnonzero(truth.any(axis=0))}


def most_confused_pairs(confusion: np.ndarray, limit: int = 10) -> list[ConfusedPair]:
    """Returns the largest off-diagonal entries of a confusion matrix, most videos first, then the larger share.

    Args:
        confusion: int [C, C] from `confusion_matrix`.
        limit: At most so many pairs; pairs that never happened are left out.

    Raises:
        ValueError: Where `confusion` is no square matrix of counts.
    """
    confusion = np.asarray(confusion)
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1] or (confusion < 0).any():
        raise ValueError(
            "`confusion` must be a square matrix of counts >= 0, true classes in rows. "
            f"Received: confusion.shape={confusion.shape}"
        )
    totals = confusion.sum(axis=1)
    pairs = [
        ConfusedPair(int(i), int(j), int(confusion[i, j]), float(confusion[i, j] / totals[i]))
        for i, j in np.argwhere(confusion)
        if i != j
    ]
    return sorted(pairs, key=lambda pair: (-pair.count, -pair.share, pair.true_class, pair.predicted_class))[:limit]


def truth_of(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns which classes each video has: int [n] in [0, C) or bool [n, C] -> bool [n, C]."""
    labels = np.asarray(labels)
    return labels if labels.ndim == 2 else labels[:, np.newaxis] == np.arange(num_classes)


def is_right(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns bool [n]: whether the class of the highest score is one of the video's own; see `summarise`."""
    return _is_right(*_check(scores, labels))


def _is_right(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.take_along_axis(truth, scores.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]


def _check(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns scores and bool [n, C] truth as arrays, checked to fit each other."""
    scores, labels = np.asarray(scores), np.asarray(labels)
    if scores.ndim != 2 or 0 in scores.shape or scores.dtype.kind not in "fiu":
        raise ValueError(
            "`scores` must be numbers of shape [videos, classes], at least one of each. "
            f"Received: scores.shape={scores.shape}, scores.dtype={scores.dtype}"
        )
    if not np.isfinite(scores).all():
        row, column = (int(index) for index in np.argwhere(~np.isfinite(scores))[0])
        raise ValueError(f"`scores` must be finite. Received: scores[{row}, {column}]={scores[row, column]}")
    if labels.dtype == bool and labels.shape == scores.shape:
        if not labels.any():
            raise ValueError("`labels` must give a class to one video at least. Received: labels without any True")
        return scores, labels
    if labels.shape != scores.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"`labels` must be one integer per video, shape {scores.shape[:1]}, or bool of shape {scores.shape}. "
            f"Received: labels.shape={labels.shape}, labels.dtype={labels.dtype}"
        )
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(
            f"`labels` must lie in [0, {scores.shape[1]}), the number of score columns. "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    return scores, truth_of(labels, scores.shape[1])
