"""Chooses the settings of a fusion from candidates, by cross-validation on the videos that it is fitted on."""

import dataclasses
import itertools
import warnings
from collections.abc import Sequence

import numpy as np
from scipy import optimize
from sklearn import model_selection

from tclsta_tf.fusion import adaptive_weights, score_fusion

FOLDS = 5

TRADE_OFFS = (0.0, 1e-3, 5e-3, 0.02, 0.1)
FLOORS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
STRENGTHS = (0.2, 0.5, 1.0, 2.0, 5.0, 20.0)
"""Candidates that leave a choice from nearly one stream per class to late fusion; 5 folds take seconds on 2 cores."""

MOTION_SHARES = tuple(round(0.05 * step, 2) for step in range(21))
"""Candidates of `choose_late_weights`: the motion stream's part of the weight, in [0, 1]."""

_SMALLEST_SCORE = 1e-6  # a score of 0 on the true class costs -log(1e-6) = 14 nats, not infinitely many
_EXPONENTS = (0.1, 20.0)
_TIE = 1e-9


@dataclasses.dataclass(frozen=True)
class AdaptiveSettings:
    """Settings of `adaptive_weights.fit_adaptive_weights`, and how they were found.

    Attributes:
        method: "lp" or "regularised".
        trade_off: lambda.
        floor: Smallest weight; matters to "lp" only.
        strength: Weight of the entropy term; matters to "regularised" only.
        folds: Folds that the candidates were compared on; 0 where there was nothing to compare, or no way to.
        loss: Mean of `calibrated_loss` over the held-out videos, in nats; None where `folds` is 0.
    """

    method: str
    trade_off: float
    floor: float
    strength: float
    folds: int = 0
    loss: float | None = None

    def fit(self, static_scores: np.ndarray, motion_scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Returns `adaptive_weights.fit_adaptive_weights` with these settings: float64 [C, 2]."""
        return adaptive_weights.fit_adaptive_weights(
            static_scores, motion_scores, labels, self.method, self.trade_off, self.floor, self.strength
        )


def choose_adaptive(
    static_scores: np.ndarray,
    motion_scores: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    method: str = "lp",
    trade_offs: Sequence[float] = (adaptive_weights.TRADE_OFF,),
    floors: Sequence[float] = (adaptive_weights.FLOOR,),
    strengths: Sequence[float] = (adaptive_weights.STRENGTH,),
    folds: int = FOLDS,
    seed: int = 0,
) -> AdaptiveSettings:
    """Chooses lambda and the floor ("lp") or the strength ("regularised") of adaptively weighted learning.

    Weights are fitted on all folds but one, Eq. (13), and judged on that one by what Eq. (14) makes of it; a group
    is never on both sides. What is judged is `calibrated_loss`. Accuracy on a few hundred videos moves in steps too
    coarse to tell candidates apart, while the plain log loss or Brier score of the fused scores prefers whatever
    makes them sharper, which is not what the argmax of Eq. (14) needs; a single exponent, fitted anew for each
    candidate, takes that preference away. Of all candidates whose loss exceeds the smallest by less than one
    standard error of the difference (clustered by group), the one nearest to late fusion is taken: the largest floor
    or strength, then the smaller loss, then the lambda nearest to the paper's. So a tie goes to late fusion, and few
    videos move little. On simulated scores of 10 to 101 classes this found better weights than the smallest log loss
    (by 0.7 % of the test videos), Brier score (0.6 %) or error (0.1 %), and was at most 0.3 % below the best candidate.

    One candidate per setting is no choice, and nothing is compared. With fewer than two groups nothing can be held
    out: then the candidate nearest to late fusion is taken, with the lambda nearest to the paper's. A class whose
    only group is held out gets equal weights in that fold, as `fit_adaptive_weights` has it.

    Args:
        static_scores: float [n, C], softmax scores in [0, 1], n >= 1, of videos that the stream was not trained on.
        motion_scores: float [n, C], softmax scores in [0, 1], of the same videos.
        labels: int [n], true classes in [0, C).
        groups: [n], videos of one value stay together (one film, one actor); None: each video for itself.
        method: "lp" or "regularised".
        trade_offs: Candidates of lambda, finite and >= 0.
        floors: Candidates of the floor, in [0, 0.5]; only the first counts unless `method` is "lp".
        strengths: Candidates of the strength, finite and > 0; only the first counts unless it is "regularised".
        folds: At least 2; fewer are made where there are fewer groups.
        seed: Of the division into folds.

    Returns:
        The chosen settings.

    Raises:
        ValueError: For arrays that do not match, values out of range or an empty list of candidates.
    """
    for name, values in (("trade_offs", trade_offs), ("floors", floors), ("strengths", strengths)):
        if not len(values):
            raise ValueError(f"`{name}` must hold at least one candidate. Received: {name}={values!r}")
    if folds < 2:
        raise ValueError(f"`folds` must be at least 2. Received: folds={folds}")
    floors = floors if method == "lp" else floors[:1]
    strengths = strengths if method == "regularised" else strengths[:1]
    candidates = [
        AdaptiveSettings(method, float(trade_off), float(floor), float(strength))
        for trade_off, floor, strength in itertools.product(trade_offs, floors, strengths)
    ]
    positive, negative = adaptive_weights.objective_sums(static_scores, motion_scores, labels)  # checks the arrays
    everywhere = np.ones(len(positive), bool)
    for candidate in candidates:  # and this the settings, of which none shall fail only where it is looked at
        _solve(candidate, positive, negative, everywhere)
    static, motion = score_fusion.check_scores(static_scores, motion_scores)
    clusters = _check_groups(groups, len(labels))
    parts = assign_folds(labels, clusters, folds, seed)
    num_parts = int(parts.max()) + 1
    if len(candidates) == 1:
        return candidates[0]
    if num_parts < 2:
        return min(candidates, key=_distance_from_late)

    weights = np.empty((len(candidates), num_parts, *positive.shape))  # [candidates, folds, C, 2]
    for part in range(num_parts):
        rest = parts != part
        sums = adaptive_weights.objective_sums(static[rest], motion[rest], labels[rest])
        occurring = np.isin(np.arange(len(positive)), labels[rest])
        for index, candidate in enumerate(candidates):
            weights[index, part] = _solve(candidate, *sums, occurring)
    losses = np.empty((len(candidates), len(labels)))
    for index, by_part in enumerate(weights):
        fused = np.empty_like(static)
        for part, fold_weights in enumerate(by_part):
            held_out = parts == part
            fused[held_out] = adaptive_weights.fuse_adaptive(static[held_out], motion[held_out], fold_weights)
        losses[index] = calibrated_loss(fused, labels)
    means = losses.mean(axis=1)
    errors = _standard_errors(losses - losses[means.argmin()], clusters)
    good = np.flatnonzero(means - means.min() <= np.maximum(errors, _TIE))
    best = min(good, key=lambda i: (_evenness(candidates[i]), round(means[i], 9), _distance_from_late(candidates[i])))
    return dataclasses.replace(candidates[best], folds=num_parts, loss=float(means[best]))


def choose_late_weights(
    static_scores: np.ndarray,
    motion_scores: np.ndarray,
    labels: np.ndarray,
    grid: Sequence[float] = MOTION_SHARES,
) -> tuple[float, float]:
    """Searches one ratio of the streams for all classes: that with the smallest mean `calibrated_loss`.

    A tie goes to the weights nearest to equal ones. One number, chosen on hundreds of videos or more, needs no
    held-out part; the videos must only be such that the streams were not trained on.

    Args:
        static_scores: float [n, C], scores in [0, 1], n >= 1.
        motion_scores: float [n, C], scores in [0, 1], of the same videos.
        labels: int [n], true classes in [0, C).
        grid: Candidates of the motion stream's part of the weight, in [0, 1].

    Returns:
        Static and motion weight, whose sum is 1.

    Raises:
        ValueError: For arrays that do not match, values out of range, no videos or no candidates.
    """
    adaptive_weights.check_samples(static_scores, motion_scores, labels)
    shares = np.asarray(grid, np.float64)
    if shares.ndim != 1 or not shares.size or not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"`grid` must hold parts of the weight, each in [0, 1]. Received: grid={grid!r}")
    means = [
        calibrated_loss(score_fusion.late_fusion(static_scores, motion_scores, (1 - share, share)), labels).mean()
        for share in shares
    ]
    good = np.flatnonzero(np.array(means) <= min(means) + _TIE)
    share = float(min(shares[good], key=lambda share: (abs(share - 0.5), share)))
    return 1 - share, share


def calibrated_loss(fused: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the log loss of each video after the sharpness of the scores has been put right.

    With `p = fused ** b`, divided by the sum of its row, the loss is `-log p[label]`; the exponent `b` in [0.1, 20],
    one for all videos, is that which makes the mean smallest. The order of a row's scores does not depend on it.

    Args:
        fused: float [n, C], scores >= 0; those below 1e-6 count as 1e-6.
        labels: int [n], true classes in [0, C).

    Returns:
        float64 [n], nats.
    """
    logits = np.log(np.maximum(fused, _SMALLEST_SCORE))
    logits -= logits.max(axis=1, keepdims=True)
    own = np.take_along_axis(logits, np.asarray(labels)[:, np.newaxis], axis=1)[:, 0]

    def loss(log_exponent: float) -> np.ndarray:
        exponent = np.exp(log_exponent)
        return np.log(np.exp(exponent * logits).sum(axis=1)) - exponent * own

    found = optimize.minimize_scalar(
        lambda value: loss(value).mean(), bounds=np.log(_EXPONENTS), method="bounded", options={"xatol": 1e-3}
    )
    return loss(found.x)


def assign_folds(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Divides videos into folds: whole groups, and each class spread over all folds as far as that allows.

    Args:
        labels: int [n], n >= 1.
        groups: int [n].
        folds: At most so many, at least 2.
        seed: Of the shuffling.

    Returns:
        int64 [n], folds numbered from 0; all 0 where there is one group only.
    """
    labels, groups = np.asarray(labels), np.asarray(groups)
    num_groups = len(np.unique(groups))
    folds = min(folds, num_groups)
    parts = np.zeros(len(labels), np.int64)
    if folds < 2:
        return parts
    options = {"n_splits": folds, "shuffle": True, "random_state": seed}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")  # a class of one video is no news here
        if np.bincount(labels).max() < folds:  # too few videos of every class to be spread
            divided = model_selection.GroupKFold(**options).split(labels, labels, groups)
        elif num_groups == len(labels):
            divided = model_selection.StratifiedKFold(**options).split(labels, labels)
        else:
            divided = model_selection.StratifiedGroupKFold(**options).split(labels, labels, groups)
        for part, (_, held_out) in enumerate(divided):
            parts[held_out] = part
    return np.unique(parts, return_inverse=True)[1]  # StratifiedGroupKFold may leave a fold empty


def _solve(settings: AdaptiveSettings, positive: np.ndarray, negative: np.ndarray, occurring: np.ndarray) -> np.ndarray:
    coefficients = adaptive_weights.combine_sums(positive, negative, settings.trade_off)
    return adaptive_weights.solve_weights(coefficients, occurring, settings.method, settings.floor, settings.strength)


def _evenness(settings: AdaptiveSettings) -> float:
    """Ranks settings from late fusion, the smallest value, to one stream per class."""
    return -(settings.floor if settings.method == "lp" else settings.strength)


def _distance_from_late(settings: AdaptiveSettings) -> tuple[float, float, float]:
    return _evenness(settings), abs(settings.trade_off - adaptive_weights.TRADE_OFF), settings.trade_off


def _standard_errors(differences: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Returns the standard error of each row's mean [candidates], where videos of a cluster are not independent."""
    centred = differences - differences.mean(axis=1, keepdims=True)
    sums = np.stack([np.bincount(clusters, row) for row in centred])  # [candidates, clusters]
    return np.sqrt((sums**2).sum(axis=1)) / differences.shape[1]


def _check_groups(groups: np.ndarray | None, num_videos: int) -> np.ndarray:
    """Returns groups as int64 [n], numbered from 0 as they appear, so that their names do not matter."""
    if groups is None:
        return np.arange(num_videos)
    groups = np.asarray(groups)
    if groups.shape != (num_videos,):
        raise ValueError(
            f"`groups` must name one group per video, shape {(num_videos,)}. Received: groups.shape={groups.shape}"
        )
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]
