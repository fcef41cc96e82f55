"""Figures of merit of one set of scores, as `metrics.json` stores them.

A prediction is the class of the highest score; of equal scores the lower class index wins, in every function here.
"""

import dataclasses

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

    * `overall_accuracy`: videos whose highest score is their class.
    * `mean_class_accuracy`: the mean of each class's own accuracy, over the classes that occur in `labels`.
    * `top5_accuracy`: videos whose class is among the 5 highest scores; 1 where there are 5 classes or fewer.
    * `mean_average_precision`: the mean of each class's average precision, one class against the rest, over the
      classes that occur.
    * `num_videos`: n.

    Args:
        scores: float [n, C], finite, any scale, n >= 1.
        labels: int [n], true classes in [0, C).

    Returns:
        The five entries named above.

    Raises:
        ValueError: For arrays that do not match, values out of range or no videos.
    """
    scores, labels = _check(scores, labels)
    predictions = scores.argmax(axis=1)
    occurring = np.unique(labels)
    ranking = np.argsort(-scores, axis=1, kind="stable")  # stable: ties as in argmax
    precisions = [metrics.average_precision_score(labels == j, scores[:, j]) for j in occurring]
    return {
        "overall_accuracy": float(metrics.accuracy_score(labels, predictions)),
        "mean_class_accuracy": float(
            metrics.recall_score(labels, predictions, labels=occurring, average="macro", zero_division=0.0)
        ),
        "top5_accuracy": float((ranking[:, :TOP_K] == labels[:, np.newaxis]).any(axis=1).mean()),
        "mean_average_precision": float(np.mean(precisions)),
        "num_videos": len(labels),
    }


def confusion_matrix(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts predictions per true class.

    Args:
        scores: float [n, C], finite.
        labels: int [n], true classes in [0, C).

    Returns:
        int64 [C, C]; row = true class, column = predicted class; rows of classes that do not occur are 0.

    Raises:
        ValueError: As `summarise`.
    """
    scores, labels = _check(scores, labels)
    counts = metrics.confusion_matrix(labels, scores.argmax(axis=1), labels=np.arange(scores.shape[1]))
    return counts.astype(np.int64)


def per_class_accuracy(scores: np.ndarray, labels: np.ndarray) -> dict[int, float]:
    """Returns class index -> accuracy on its own videos, for the classes that occur, in index order.

    Args:
        scores: float [n, C], finite.
        labels: int [n], true classes in [0, C).

    Raises:
        ValueError: As `summarise`.
    """
    confusion = confusion_matrix(scores, labels)
    totals = confusion.sum(axis=1)
    return {int(j): float(confusion[j, j] / totals[j]) for j in np.flatnonzero(totals)}


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


def _check(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns scores and labels as arrays, checked to fit each other."""
    scores, labels = np.asarray(scores), np.asarray(labels)
    if scores.ndim != 2 or 0 in scores.shape or scores.dtype.kind not in "fiu":
        raise ValueError(
            "`scores` must be numbers of shape [videos, classes], at least one of each. "
            f"Received: scores.shape={scores.shape}, scores.dtype={scores.dtype}"
        )
    if not np.isfinite(scores).all():
        row, column = (int(index) for index in np.argwhere(~np.isfinite(scores))[0])
        raise ValueError(f"`scores` must be finite. Received: scores[{row}, {column}]={scores[row, column]}")
    if labels.shape != scores.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"`labels` must be one integer per video, shape {scores.shape[:1]}. "
            f"Received: labels.shape={labels.shape}, labels.dtype={labels.dtype}"
        )
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(
            f"`labels` must lie in [0, {scores.shape[1]}), the number of score columns. "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    return scores, labels
