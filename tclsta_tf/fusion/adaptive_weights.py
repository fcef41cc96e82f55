"""Adaptively weighted learning: one pair of fusion weights per class, paper section III-B2, Eqs. (10)-(14)."""

import numpy as np
from scipy import optimize, sparse, special

from tclsta_tf.fusion import score_fusion

METHODS = ("lp", "regularised")

TRADE_OFF = 5e-3
"""The paper's lambda."""

FLOOR = 0.4
"""Smallest weight of a stream under "lp". The optimum is a corner, so 0.4 means 1.5:1 for the better stream of each
class: the ratio that two-stream networks fix once for all classes, here free to change sides from class to class.
A lower floor stakes more on what a few validation videos per class happen to say."""

STRENGTH = 1.0
"""Weight of the entropy term; no class gets a ratio above exp(1 / strength), here e:1."""

# Coefficients are sums of float32 softmax scores: a smaller relative difference is rounding, not preference. It
# also lies above the linear solver's own tolerance of 1e-7, below which either corner would count as optimal.
_TIE = 1e-6


def objective_coefficients(
    static_scores: np.ndarray, motion_scores: np.ndarray, labels: np.ndarray, trade_off: float = TRADE_OFF
) -> np.ndarray:
    """Returns what a unit of weight brings to each class's objective: Eq. (13) is `max_w w . coefficients[j]`.

    Args:
        static_scores: float [n, C], softmax scores in [0, 1].
        motion_scores: float [n, C], softmax scores in [0, 1].
        labels: int [n], true classes in [0, C).
        trade_off: lambda, finite and >= 0: how much a score given to another class's video counts against one given
            to a video of the class itself.

    Returns:
        float64 [C, 2], static then motion.

    Raises:
        ValueError: For arrays that do not match, values out of range or no videos at all.
    """
    positive, negative = objective_sums(static_scores, motion_scores, labels)
    return combine_sums(positive, negative, trade_off)


def objective_sums(
    static_scores: np.ndarray, motion_scores: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the two sums of the objective without the weights, Eqs. (11) and (12): they do not depend on lambda.

    Args:
        static_scores: float [n, C], softmax scores in [0, 1].
        motion_scores: float [n, C], softmax scores in [0, 1].
        labels: int [n], true classes in [0, C).

    Returns:
        The scores that each class gives to its own videos and to all others, float64 [C, 2] each, static then motion.

    Raises:
        ValueError: For arrays that do not match, values out of range or no videos at all.
    """
    scores, labels = check_samples(static_scores, motion_scores, labels)
    own = np.eye(scores.shape[1], dtype=bool)[labels, :, np.newaxis]  # [n, C, 1]: video i belongs to class j
    positive = np.where(own, scores, 0.0).sum(axis=0)  # Eq. (11), without W_j
    negative = np.where(own, 0.0, scores).sum(axis=0)  # Eq. (12), without W_j
    return positive, negative


def combine_sums(positive: np.ndarray, negative: np.ndarray, trade_off: float) -> np.ndarray:
    """Returns the coefficients float64 [C, 2] of Eq. (13) from `objective_sums` and lambda, finite and >= 0."""
    if not np.isfinite(trade_off) or trade_off < 0:
        raise ValueError(f"`trade_off` must be finite and >= 0. Received: trade_off={trade_off}")
    return positive - trade_off * negative  # Eqs. (10), (13)


def fit_adaptive_weights(
    static_scores: np.ndarray,
    motion_scores: np.ndarray,
    labels: np.ndarray,
    method: str = "lp",
    trade_off: float = TRADE_OFF,
    floor: float = FLOOR,
    strength: float = STRENGTH,
) -> np.ndarray:
    """Returns the fusion weights of each class.

    For class j, with `a` its row of `objective_coefficients` and subject to `w_1 + w_2 = 1`:

    * `"lp"` maximises `a . w` on `w >= floor`, Eq. (13), by linear programming. The objective is linear, so the
      optimum is a corner: the stream with the larger coefficient gets `1 - floor`, the other `floor`. The paper's
      `w > 0` is an open set on which that maximum does not exist, and `floor=0` silences one stream per class, which
      throws away what two streams are for. `floor=0.5` is late fusion.
    * `"regularised"` maximises `a . w / (|a_1| + |a_2|) + strength * H(w)`, H the entropy in nats, whose solution is
      `softmax(a / (|a_1| + |a_2|) / strength)`: every ratio is possible, and weights are positive without a floor.
      Dividing by the class's own coefficients frees `strength` from the number of videos and from the scale of the
      scores. A large strength tends to equal weights, a small one to `"lp"` with floor 0.

    A class without a video of its own, or with equal coefficients, says nothing about the streams: both get 0.5.

    Fit on videos that the streams were not trained on. The scores of training videos are near one-hot in both
    streams, and the weights would then reflect confidence, not correctness.

    Args:
        static_scores: float [n, C], softmax scores in [0, 1], n >= 1.
        motion_scores: float [n, C], softmax scores in [0, 1].
        labels: int [n], true classes in [0, C).
        method: "lp" or "regularised".
        trade_off: lambda, finite and >= 0.
        floor: Smallest weight, in [0, 0.5]; used by "lp" only.
        strength: Weight of the entropy term, finite and > 0; used by "regularised" only.

    Returns:
        float64 [C, 2], static then motion; each row sums to 1.

    Raises:
        ValueError: For arrays that do not match, values out of range or no videos at all.

    Reference:
        Peng, Zhao, Zhang, "Two-stream Collaborative Learning with Spatial-Temporal Attention for Video
        Classification", IEEE TCSVT 2018, Eqs. (10)-(13).
    """
    _check_settings(method, floor, strength)
    coefficients = objective_coefficients(static_scores, motion_scores, labels, trade_off)
    occurring = np.isin(np.arange(len(coefficients)), labels)
    return solve_weights(coefficients, occurring, method, floor, strength)


def solve_weights(
    coefficients: np.ndarray,
    occurring: np.ndarray,
    method: str = "lp",
    floor: float = FLOOR,
    strength: float = STRENGTH,
) -> np.ndarray:
    """Returns the weights that solve the problem of `fit_adaptive_weights`, from its coefficients.

    Args:
        coefficients: float64 [C, 2] from `objective_coefficients`.
        occurring: bool [C], whether the class has a video of its own.
        method: As in `fit_adaptive_weights`.
        floor: As in `fit_adaptive_weights`.
        strength: As in `fit_adaptive_weights`.

    Returns:
        float64 [C, 2], static then motion; each row sums to 1.

    Raises:
        ValueError: For settings out of range.
    """
    _check_settings(method, floor, strength)
    magnitudes = np.abs(coefficients).sum(axis=1, keepdims=True)  # [C, 1]
    informative = np.abs(coefficients[:, :1] - coefficients[:, 1:]) > _TIE * magnitudes
    chosen = np.flatnonzero(informative[:, 0] & occurring)
    weights = np.full_like(coefficients, 0.5)
    if chosen.size:
        normalised = coefficients[chosen] / magnitudes[chosen]
        if method == "lp":
            weights[chosen] = _solve_linear_programs(normalised, floor)
        else:
            weights[chosen] = special.softmax(normalised / strength, axis=1)
    return weights


def fuse_adaptive(static_scores: np.ndarray, motion_scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the scores of Eq. (14), whose argmax over classes is the prediction: W_j S J_j for each class j.

    Args:
        static_scores: float [n, C], finite.
        motion_scores: float [n, C], finite.
        weights: float [C, 2] from `fit_adaptive_weights`: rows >= 0 that sum to 1.

    Returns:
        float64 [n, C]. Rows do not sum to 1, since each class weighs the streams in its own way.

    Raises:
        ValueError: For scores that do not match (see `score_fusion.check_scores`) or weights that do not fit them.
    """
    static, motion = score_fusion.check_scores(static_scores, motion_scores)
    weights = np.asarray(weights, np.float64)
    if weights.shape != (static.shape[1], 2):
        raise ValueError(
            f"`weights` must have the shape [classes, 2], here {(static.shape[1], 2)}. "
            f"Received: weights.shape={weights.shape}. Were they fitted for other classes?"
        )
    if not (weights >= 0).all() or not np.allclose(weights.sum(axis=1), 1.0, rtol=0.0, atol=1e-6):
        raise ValueError(f"`weights` must be >= 0 and sum to 1 in each row. Received: weights={weights.tolist()}")
    return weights[:, 0] * static + weights[:, 1] * motion  # Eq. (14)


def check_samples(
    static_scores: np.ndarray, motion_scores: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns what fusion is fitted on, checked.

    Args:
        static_scores: float [n, C], softmax scores in [0, 1], n >= 1.
        motion_scores: float [n, C], softmax scores in [0, 1], of the same videos.
        labels: int [n], true classes in [0, C).

    Returns:
        Scores as float64 [n, C, 2], static then motion, and labels as int64 [n].

    Raises:
        ValueError: For arrays that do not match, values out of range or no videos at all.
    """
    pair = score_fusion.check_scores(static_scores, motion_scores)
    for name, scores in zip(("static_scores", "motion_scores"), pair, strict=True):
        if scores.size and not (scores.min() >= 0 and scores.max() <= 1 + 1e-6):
            raise ValueError(
                f"`{name}` must lie in [0, 1]: softmax scores, not logits. "
                f"Received: values from {scores.min():g} to {scores.max():g}"
            )
    num_videos, num_classes = pair[0].shape
    if num_videos == 0:
        raise ValueError(
            "At least one video is needed to fit fusion weights. Received: static_scores.shape="
            f"{pair[0].shape}. Is the validation part empty?"
        )
    labels = np.asarray(labels)
    if labels.shape != (num_videos,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"`labels` must be one integer per video, shape {(num_videos,)}. "
            f"Received: labels.shape={labels.shape}, labels.dtype={labels.dtype}"
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"`labels` must lie in [0, {num_classes}), the number of score columns. "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    return np.stack(pair, axis=-1), labels.astype(np.int64)


def _solve_linear_programs(coefficients: np.ndarray, floor: float) -> np.ndarray:
    """Returns float64 [C, 2]: rows that maximise `coefficients[j] . w` on `w_1 + w_2 = 1`, `w >= floor`, Eq. (13).

    The classes share neither variables nor constraints, so that one program with a block for each of them has the
    same solution as a program per class, and costs as much as one of those.
    """
    num_classes = len(coefficients)
    blocks = sparse.kron(sparse.eye_array(num_classes), np.ones((1, 2)), format="csr")
    solution = optimize.linprog(
        -coefficients.ravel(), A_eq=blocks, b_eq=np.ones(num_classes), bounds=(floor, 1.0), method="highs"
    )
    if not solution.success:
        raise RuntimeError(f"The linear program of Eq. (13) was not solved: {solution.message}")
    return solution.x.reshape(num_classes, 2)


def _check_settings(method: str, floor: float, strength: float) -> None:
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {METHODS}. Received: method={method!r}")
    if not 0 <= floor <= 0.5:
        raise ValueError(f"`floor` must lie in [0, 0.5], since two weights share 1. Received: floor={floor}")
    if not (np.isfinite(strength) and strength > 0):
        raise ValueError(
            f"`strength` must be finite and > 0; for no entropy term use method='lp'. Received: strength={strength}"
        )
