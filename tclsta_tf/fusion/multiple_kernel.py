"""Multiple kernel learning on the two streams' scores, with an Lp-norm on the weights of the kernels."""

import concurrent.futures
import dataclasses

import numpy as np
from sklearn import svm
from sklearn.metrics import pairwise

from tclsta_tf.fusion import adaptive_weights, score_fusion, subset

KINDS = ("linear", "rbf", "chi2")
KERNEL_NAMES = tuple(f"{stream}/{kind}" for stream in ("static", "motion") for kind in KINDS)

NORM = 2.0
COST = 1.0
TOLERANCE = 1e-2
MAX_VIDEOS = 2000

_THREADS = 2
_CHUNK = 512  # videos whose kernels are computed at a time


@dataclasses.dataclass(frozen=True)
class MultipleKernelSVM:
    """One SVM per class on a weighted sum of six kernels, whose weights each class has for itself.

    Attributes:
        kernel_weights: float64 [C, 6], >= 0, the p-norm of each row is 1; columns as in `kernel_names`. Classes
            without videos have equal weights.
        kernel_names: `KERNEL_NAMES`.
        gaps: float64 [C], relative duality gap at which the class was left.
        iterations: int64 [C], SVMs that were solved for the class.
        rows: int64 [m], rows of the videos given that it was fitted on.
        present: bool [C], classes with videos among those.
        coefficients: float64 [m, C], signed dual variables.
        biases: float64 [C].
        kernels: The kernels of both streams, static and motion.
    """

    kernel_weights: np.ndarray
    kernel_names: tuple[str, ...]
    gaps: np.ndarray
    iterations: np.ndarray
    rows: np.ndarray
    present: np.ndarray
    coefficients: np.ndarray
    biases: np.ndarray
    kernels: "tuple[StreamKernels, StreamKernels]"

    def scores(self, static_scores: np.ndarray, motion_scores: np.ndarray) -> np.ndarray:
        """Returns the decision values of videos.

        Args:
            static_scores: float [n, C], softmax scores in [0, 1].
            motion_scores: float [n, C], softmax scores in [0, 1], of the same videos.

        Returns:
            float64 [n, C], in units of the margin, not in [0, 1]. A class without videos in the fit gets, in each
            row, 1 less than the smallest of the others.

        Raises:
            ValueError: For scores that do not match each other or the classes of the fit.
        """
        streams = score_fusion.check_scores(static_scores, motion_scores)
        num_videos, num_classes = streams[0].shape
        if num_classes != len(self.present):
            raise ValueError(
                f"`static_scores` must have {len(self.present)} columns, one per class of the fit. "
                f"Received: static_scores.shape={streams[0].shape}"
            )
        values = np.tile(self.biases, (num_videos, 1))

        def add_chunk(start: int) -> None:
            part = slice(start, start + _CHUNK)
            pairs = zip(self.kernels, streams, strict=True)
            matrices = (matrix for kernels, stream in pairs for matrix in kernels.compute(stream[part]))
            for weights, matrix in zip(self.kernel_weights.T, matrices, strict=True):
                values[part] += matrix @ (self.coefficients * weights)

        with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(add_chunk, range(0, num_videos, _CHUNK)))
        if not self.present.all():
            values[:, ~self.present] = values[:, self.present].min(axis=1, keepdims=True) - 1
        return values


@dataclasses.dataclass(frozen=True)
class StreamKernels:
    """The kernels between one stream's scores of any video and those of the videos of the fit.

    * linear: `x . y`
    * rbf: `exp(-|x - y|^2 / d)`
    * chi2: `exp(-sum_j (x_j - y_j)^2 / (x_j + y_j) / d)`

    `d` is the mean of the distance over all pairs of videos of the fit. Each kernel is then divided by the variance of
    the videos of the fit in its feature space, `mean_i K_ii - mean_ij K_ij`, the "multiplicative normalisation" of
    the reference: otherwise a kernel with larger values would need less weight to do the same. Centring is not needed
    beside it, since the bias of the SVM makes it a matter of indifference.

    Attributes:
        support: float64 [m, C], scores of the videos of the fit.
        widths: `d` of rbf and chi2.
        scales: float64 [3], factors of the kernels, linear, rbf, chi2.
    """

    support: np.ndarray
    widths: tuple[float, float]
    scales: np.ndarray

    def compute(self, scores: np.ndarray) -> list[np.ndarray]:
        """Returns the kernels of `KINDS`, float64 [n, m] each, of float64 [n, C] scores >= 0."""
        if scores.size and scores.min() < 0:
            raise ValueError(
                f"Scores must be >= 0 for the chi-square kernel: softmax scores, not logits. Received: {scores.min():g}"
            )
        return [scale * matrix for scale, matrix in zip(self.scales, self._plain(scores), strict=True)]

    @classmethod
    def fit(cls, support: np.ndarray) -> "tuple[StreamKernels, list[np.ndarray]]":
        """Returns the kernels of videos and their values [m, m] among these, from float64 [m, C] scores >= 0."""
        euclidean = float(pairwise.euclidean_distances(support, squared=True).mean())
        chi2 = float(-pairwise.additive_chi2_kernel(support).mean())
        widths = (euclidean if euclidean > 0 else 1.0, chi2 if chi2 > 0 else 1.0)
        kernels = cls(support, widths, np.ones(len(KINDS)))
        plain = kernels._plain(support)
        variances = np.array([matrix.trace() / len(matrix) - matrix.mean() for matrix in plain])
        # Where all videos have the same scores, the kernel tells nothing, and no factor makes it tell more.
        scales = 1 / np.where(variances > 1e-12, variances, 1.0)
        kernels = dataclasses.replace(kernels, scales=scales)
        return kernels, [scale * matrix for scale, matrix in zip(scales, plain, strict=True)]

    def _plain(self, scores: np.ndarray) -> list[np.ndarray]:
        return [
            scores @ self.support.T,
            np.exp(-pairwise.euclidean_distances(scores, self.support, squared=True) / self.widths[0]),
            np.exp(pairwise.additive_chi2_kernel(scores, self.support) / self.widths[1]),
        ]


def fit_multiple_kernels(
    static_scores: np.ndarray,
    motion_scores: np.ndarray,
    labels: np.ndarray,
    norm: float = NORM,
    cost: float = COST,
    tolerance: float = TOLERANCE,
    max_iterations: int = 50,
    max_videos: int = MAX_VIDEOS,
    seed: int = 0,
) -> MultipleKernelSVM:
    """Learns one SVM per class, against the rest, together with the weights of six kernels.

    Linear, RBF and chi-square kernels on the static and on the motion scores (`StreamKernels`). For each class, with
    y = +1 on its videos and -1 on the others,

        min over theta >= 0 with |theta|_p <= 1, w, b:
            1/2 sum_m |w_m|^2 / theta_m + cost * sum_i max(0, 1 - y_i (sum_m w_m . phi_m(x_i) + b))

    is solved by turns: an SVM on `sum_m theta_m K_m`, by scikit-learn, and the best weights for it,

        theta_m = |w_m|^(2 / (p + 1)) / (sum_k |w_k|^(2 p / (p + 1)))^(1 / p).

    A class is done when the duality gap, relative to the objective, is below `tolerance`. p = 1 prefers few kernels, a
    large p tends to equal weights. p = 2 takes about 4 turns, p = 1.1 takes 10 and p = 1 takes 30, since there the
    closed form drives weights to 0 by ever smaller steps.

    Cost: with 101 classes, 9,537 videos given to fit and 3,783 to score, about 12 s and 0.6 GB on 2 cores
    (`benchmarks/fusion.py`; p = 1.1: 27 s). Time and memory grow with the square of the number of videos, so that at
    most `max_videos` are used, drawn by class.

    Args:
        static_scores: float [n, C], softmax scores in [0, 1], n >= 1, of videos that the stream was not trained on.
        motion_scores: float [n, C], softmax scores in [0, 1], of the same videos.
        labels: int [n], true classes in [0, C).
        norm: p, finite and >= 1.
        cost: The C of the SVM, finite and > 0.
        tolerance: Relative duality gap, > 0.
        max_iterations: At most so many SVMs per class, >= 1.
        max_videos: At most so many videos of the fit, >= 1.
        seed: Of the draw of those videos.

    Returns:
        The fitted SVMs.

    Raises:
        ValueError: For arrays that do not match or values out of range.

    Reference:
        Kloft, Brefeld, Sonnenburg, Zien, "Lp-Norm Multiple Kernel Learning", JMLR 2011, Algorithm 1.
    """
    if not (np.isfinite(norm) and norm >= 1):
        raise ValueError(f"`norm` must be finite and >= 1. Received: norm={norm}")
    for name, value in (("cost", cost), ("tolerance", tolerance)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"`{name}` must be finite and > 0. Received: {name}={value}")
    for name, count in (("max_iterations", max_iterations), ("max_videos", max_videos)):
        if count < 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {name}={count}")
    scores, labels = adaptive_weights.check_samples(static_scores, motion_scores, labels)
    rows = subset.draw_by_class(labels, max_videos, seed)
    labels = labels[rows]
    static, static_matrices = StreamKernels.fit(np.ascontiguousarray(scores[rows, :, 0]))
    motion, motion_matrices = StreamKernels.fit(np.ascontiguousarray(scores[rows, :, 1]))
    matrices = np.stack(static_matrices + motion_matrices)  # [6, m, m]
    del static_matrices, motion_matrices

    num_classes, num_kernels = scores.shape[1], len(KERNEL_NAMES)
    fitted = MultipleKernelSVM(
        kernel_weights=np.full((num_classes, num_kernels), num_kernels ** (-1 / norm)),
        kernel_names=KERNEL_NAMES,
        gaps=np.zeros(num_classes),
        iterations=np.zeros(num_classes, np.int64),
        rows=rows,
        present=np.isin(np.arange(num_classes), labels),
        coefficients=np.zeros((len(rows), num_classes)),
        biases=np.zeros(num_classes),
        kernels=(static, motion),
    )
    occurring = np.flatnonzero(fitted.present)
    if len(occurring) == 1:  # nothing to tell it from
        fitted.biases[occurring] = 1.0
        return fitted

    def fit_class(label: int) -> None:
        solution = solve(matrices, np.where(labels == label, 1, -1), norm, cost, tolerance, max_iterations)
        fitted.kernel_weights[label], fitted.coefficients[:, label], fitted.biases[label] = solution[:3]
        fitted.gaps[label], fitted.iterations[label] = solution[3:]

    # libsvm leaves the interpreter alone while it works and draws no random numbers here: threads are enough.
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(fit_class, occurring))
    return fitted


def solve(
    matrices: np.ndarray, targets: np.ndarray, norm: float, cost: float, tolerance: float, max_iterations: int
) -> tuple[np.ndarray, np.ndarray, float, float, int]:
    """Solves the problem of `fit_multiple_kernels` for one class.

    Args:
        matrices: float64 [kernels, m, m], symmetric and positive semi-definite.
        targets: int [m], +1 and -1, both of which occur.
        norm: p, finite and >= 1.
        cost: The C of the SVM.
        tolerance: Relative duality gap at which to stop.
        max_iterations: At most so many SVMs, >= 1.

    Returns:
        Weights of the kernels float64 [kernels], signed dual variables float64 [m], bias, relative duality gap and
        the number of SVMs solved. The dual variables belong to the weights returned.
    """
    num_kernels, num_videos, _ = matrices.shape
    flat = matrices.reshape(num_kernels, -1)
    weights = np.full(num_kernels, num_kernels ** (-1 / norm))
    machine = svm.SVC(C=cost, kernel="precomputed", tol=min(1e-3, tolerance))
    for iteration in range(1, max_iterations + 1):
        machine.fit((weights @ flat).reshape(num_videos, num_videos), targets)
        support, dual = machine.support_, machine.dual_coef_[0]
        block = np.ix_(support, support)
        forms = np.maximum([dual @ matrix[block] @ dual for matrix in matrices], 0.0)  # dual' K_m dual
        linear = np.abs(dual).sum()
        # At the SVM's optimum the objective is linear - weights . forms / 2; the dual problem over all weights has
        # the dual norm of the forms in place of the product.
        bound = forms.max() if norm == 1 else np.linalg.norm(forms, norm / (norm - 1))
        objective = linear - weights @ forms / 2
        gap = (bound - weights @ forms) / 2 / objective
        if gap <= tolerance or iteration == max_iterations:
            break
        lengths = weights * np.sqrt(forms)  # |w_m|
        weights = lengths ** (2 / (norm + 1))
        weights /= (weights**norm).sum() ** (1 / norm)
    coefficients = np.zeros(num_videos)
    coefficients[support] = dual
    return weights, coefficients, float(machine.intercept_[0]), float(max(gap, 0.0)), iteration
