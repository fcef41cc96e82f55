"""Early fusion: both streams' features of a video side by side, classified by a linear SVM."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from sklearn import svm
from sklearn.utils import parallel

from tclsta_tf.fusion import subset

TOLERANCE = 1e-2
"""Of liblinear's stopping rule; scikit-learn's 1e-4 moves weights by less than a hundredth of the largest."""

SELECTION_VIDEOS = 3000
_PARTS = 2
_LARGE = 1e8  # numbers times classes above which starting a second process, 2 s, pays


@dataclasses.dataclass(frozen=True)
class EarlySVM:
    """One linear decision function per class on both streams' features.

    Attributes:
        weights: float32 [C, D_static + D_motion]; rows of classes without training videos are 0.
        biases: float32 [C].
        present: bool [C], classes with training videos.
        dimensions: D_static and D_motion.
        cost: The C of the SVM.
    """

    weights: np.ndarray
    biases: np.ndarray
    present: np.ndarray
    dimensions: tuple[int, int]
    cost: float

    def scores(self, static_features: np.ndarray, motion_features: np.ndarray) -> np.ndarray:
        """Returns the decision values of videos.

        Args:
            static_features: float [n, D_static], finite.
            motion_features: float [n, D_motion], finite.

        Returns:
            float64 [n, C], signed distances in units of the margin. A class without training videos gets, in each
            row, 1 less than the smallest of the others.

        Raises:
            ValueError: For features that do not match, or have other dimensions than those of the training.
        """
        features = join_features(static_features, motion_features)
        if (np.shape(static_features)[1], np.shape(motion_features)[1]) != self.dimensions:
            raise ValueError(
                f"`static_features` and `motion_features` must have {self.dimensions} columns, as in training. "
                f"Received: shapes {np.shape(static_features)} and {np.shape(motion_features)}"
            )
        values = (features @ self.weights.T + self.biases).astype(np.float64)
        if not self.present.all():
            values[:, ~self.present] = values[:, self.present].min(axis=1, keepdims=True) - 1
        return values


def fit_early(
    static_features: np.ndarray,
    motion_features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    costs: Sequence[float] = (1.0,),
    held_out: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    seed: int = 0,
) -> EarlySVM:
    """Fits scikit-learn's `LinearSVC` (squared hinge loss, L2 penalty), one class against the rest.

    Each stream's features are scaled to length 1 per video before they are put side by side (`join_features`). Among
    several values of C that with the best accuracy on the held-out videos is taken, of equal ones the smallest;
    they are compared on at most 3,000 training videos, drawn by class, and the SVM is then fitted to all.

    Cost: with 9,537 videos of 2 x 2,048 features and 101 classes one C takes about 35 s and 1.8 GB on 2 cores, a choice
    among five 80 s (`benchmarks/fusion.py`). Two processes have half of the classes each and hand them to `LinearSVC`
    in one call, which copies the features each time; always halves, so that the result is the same on every machine.
    (Threads would not do: liblinear has one generator of random numbers for all of them.)

    Args:
        static_features: float [n, D_static], finite, n >= 1.
        motion_features: float [n, D_motion], finite, of the same videos.
        labels: int [n], true classes in [0, C).
        num_classes: C. Classes may lack videos.
        costs: Candidates of the C of the SVM, finite and > 0.
        held_out: Static features, motion features and labels of other videos to choose among several `costs` by.
        seed: Of the solver's order of videos and of the draw.

    Returns:
        The fitted SVM.

    Raises:
        ValueError: For arrays that do not match, values out of range, or several `costs` without `held_out`.

    Reference:
        Fan, Chang, Hsieh, Wang, Lin, "LIBLINEAR: A Library for Large Linear Classification", JMLR 2008.
    """
    features = join_features(static_features, motion_features)
    labels = _check_labels("labels", labels, len(features), num_classes)
    if not len(labels):
        raise ValueError("At least one video is needed to fit an SVM. Received: static_features with 0 rows")
    if not len(costs) or not all(np.isfinite(cost) and cost > 0 for cost in costs):
        raise ValueError(f"`costs` must hold finite numbers > 0, at least one. Received: costs={costs!r}")
    dimensions = (np.shape(static_features)[1], np.shape(motion_features)[1])

    def fit(rows: np.ndarray, cost: float) -> EarlySVM:
        weights, biases, present = _fit(features[rows], labels[rows], num_classes, cost, seed)
        return EarlySVM(weights, biases, present, dimensions, cost)

    best = float(costs[0])
    if len(costs) > 1:
        if held_out is None or not len(held_out[2]):
            raise ValueError(
                "Several `costs` need `held_out` videos to be compared on; give those, or one cost. "
                f"Received: costs={costs!r}, held_out=None or empty"
            )
        truth = _check_labels("held_out labels", held_out[2], len(held_out[0]), num_classes)
        rows = subset.draw_by_class(labels, SELECTION_VIDEOS, seed)
        accuracies = {
            cost: float((fit(rows, cost).scores(*held_out[:2]).argmax(axis=1) == truth).mean())
            for cost in sorted(map(float, costs))
        }
        best = max(accuracies, key=accuracies.__getitem__)  # the first, and so the smallest, of equal ones
    return fit(np.arange(len(labels)), best)


def join_features(static_features: np.ndarray, motion_features: np.ndarray) -> np.ndarray:
    """Returns both streams' features side by side, each scaled to length 1 per video.

    So neither stream outweighs the other by the units of its features, a long video counts no more than a short
    one, nothing has to be learned from the training videos, and the products of two videos, and with them C, have
    the same size whatever the network. A feature vector of 0 stays 0.

    Args:
        static_features: float [n, D_static], finite.
        motion_features: float [n, D_motion], finite.

    Returns:
        float32 [n, D_static + D_motion].

    Raises:
        ValueError: Where an array is not [n, D] with D >= 1, holds a value that is not a finite number, or the
            numbers of videos differ.
    """
    halves = []
    for name, value in (("static_features", static_features), ("motion_features", motion_features)):
        array = np.asarray(value)
        if array.ndim != 2 or array.shape[1] < 1 or array.dtype.kind not in "fiu":
            raise ValueError(
                f"`{name}` must hold real numbers of shape [videos, features]. "
                f"Received: {name}.shape={array.shape}, {name}.dtype={array.dtype}"
            )
        if not np.isfinite(array).all():
            row, column = (int(index) for index in np.argwhere(~np.isfinite(array))[0])
            raise ValueError(f"`{name}` must be finite. Received: {name}[{row}, {column}]={array[row, column]}")
        largest = np.abs(array).max(axis=1, keepdims=True, initial=0).astype(np.float64)  # squares must not overflow
        array = (array / np.where(largest > 0, largest, 1)).astype(np.float32)
        length = np.linalg.norm(array, axis=1, keepdims=True)
        halves.append(array / np.where(length > 0, length, 1))
    if len(halves[0]) != len(halves[1]):
        raise ValueError(
            "`static_features` and `motion_features` must cover the same videos. "
            f"Received: shapes {np.shape(static_features)} and {np.shape(motion_features)}"
        )
    return np.concatenate(halves, axis=1)


def _fit(
    features: np.ndarray, labels: np.ndarray, num_classes: int, cost: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns weights float32 [C, D], biases float32 [C] and which classes occur, bool [C]."""
    weights = np.zeros((num_classes, features.shape[1]), np.float32)
    biases = np.zeros(num_classes, np.float32)
    present = np.isin(np.arange(num_classes), labels)
    occurring = np.flatnonzero(present)
    if len(occurring) == 1:  # nothing to tell it from
        biases[occurring] = 1.0
        return weights, biases, present
    features = np.ascontiguousarray(features, np.float64)  # what LinearSVC computes in; one copy for both processes
    run = parallel.Parallel(n_jobs=_PARTS if features.size * len(occurring) > _LARGE else 1)
    parts = np.array_split(occurring, _PARTS)
    fitted = run(parallel.delayed(_fit_part)(features, labels, classes, cost, seed) for classes in parts)
    for classes, (part_weights, part_biases) in zip(parts, fitted, strict=True):
        weights[classes], biases[classes] = part_weights, part_biases
    return weights, biases, present


def _fit_part(
    features: np.ndarray, labels: np.ndarray, classes: np.ndarray, cost: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns weights float64 [classes, D] and biases [classes] of some of the classes, each against all the rest."""
    machine = svm.LinearSVC(C=cost, tol=TOLERANCE, dual=True, random_state=seed)
    machine.fit(features, np.where(np.isin(labels, classes), labels, -1))
    if len(machine.classes_) == 2:  # the rest, -1, and the one class, for which the one row of coefficients speaks
        return machine.coef_, machine.intercept_
    wanted = machine.classes_ >= 0
    return machine.coef_[wanted], machine.intercept_[wanted]


def _check_labels(name: str, labels: np.ndarray, num_videos: int, num_classes: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != (num_videos,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"`{name}` must be one integer per video, shape {(num_videos,)}. "
            f"Received: shape {labels.shape}, dtype {labels.dtype}"
        )
    if labels.size and (labels.min() < 0 or labels.max() >= num_classes):
        raise ValueError(
            f"`{name}` must lie in [0, {num_classes}), the number of classes. "
            f"Received: from {labels.min()} to {labels.max()}"
        )
    return labels.astype(np.int64)
