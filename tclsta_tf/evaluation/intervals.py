"""How sure a figure is: bootstrap intervals over videos, paired differences and McNemar's test between two variants."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import stats

from tclsta_tf.evaluation import metrics

LEVEL = 0.95
RESAMPLES = 2000


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two variants on the same videos.

    Attributes:
        difference: accuracy of the second minus that of the first, a fraction in [-1, 1].
        interval: bootstrap interval of `difference`.
        only_first: videos that only the first has right (or more often).
        only_second: videos that only the second has right (or more often).
        p_value: of McNemar's exact test that both are right equally often; 1 where they never disagree; None where
            values are means over several trainings, or videos come in clusters, for which that test is not made.
    """

    difference: float
    interval: tuple[float, float]
    only_first: int
    only_second: int
    p_value: float | None

    @property
    def verdict(self) -> str:
        """`better` or `worse`, of the second, where the interval excludes 0; else `undecided`."""
        low, high = self.interval
        return "better" if low > 0 else "worse" if high < 0 else "undecided"


def bootstrap(
    values: np.ndarray,
    clusters: Sequence[object] | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> tuple[float, float]:
    """Returns a percentile bootstrap interval of a mean over videos.

    Where all values are the same, resampling them tells nothing: of n videos that are all right it would say that the
    accuracy is 1 for certain. The interval then is the exact one for n trials of an event that never failed.

    Args:
        values: float [n] within `bounds`, n >= 1, one for each video, such as 1 where it is right.
        clusters: the group of each video, where whole groups shall be drawn since videos of one group are alike; None
            draws videos.
        level: probability that the interval covers the true mean, in (0, 1).
        resamples: how often n videos are drawn with replacement.
        bounds: smallest and largest value that there can be; (-1, 1) for differences.

    Returns:
        Lower and upper end. Equal arguments give equal ends.

    Raises:
        ValueError: there is no value, or a value is out of range.
    """
    values = np.asarray(values, np.float64)
    lowest, highest = bounds
    if values.ndim != 1 or not values.size or not ((values >= lowest) & (values <= highest)).all():
        raise ValueError(
            f"`values` must be at least one number in [{lowest:g}, {highest:g}], shape [n]. "
            f"Received: values.shape={values.shape}"
        )
    if not 0 < level < 1:
        raise ValueError(f"`level` must lie in (0, 1). Received: level={level}")
    # Drawing how often each unit is taken, of units with equal sums in one go: sums and sizes of units are all that
    # the mean depends on.
    index = np.arange(len(values)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    units = np.stack([np.bincount(index, values), np.bincount(index)], axis=-1)  # [units, (sum, size)]
    kinds, counts = np.unique(units, axis=0, return_counts=True)
    if len(np.unique(values)) == 1:
        reach = 1 - ((1 - level) / 2) ** (1 / len(units))
        return float(max(values[0] - reach, lowest)), float(min(values[0] + reach, highest))
    rng = np.random.default_rng(0)
    drawn = _draw(rng, counts, resamples) @ kinds  # [resamples, (sum, size)]
    return _quantiles(drawn[:, 0] / drawn[:, 1], level)


def bootstrap_metrics(
    scores: np.ndarray, labels: np.ndarray, level: float = LEVEL, resamples: int = RESAMPLES
) -> dict[str, tuple[float, float]]:
    """Returns bootstrap intervals over videos of the figures that tables show.

    Args:
        scores: float [n, C], see `metrics.summarise`.
        labels: int [n] or bool [n, C].
        level: see `bootstrap`.
        resamples: see `bootstrap`.

    Returns:
        `overall_accuracy` and `mean_class_accuracy`; of videos with several classes or none also
        `mean_average_precision`.
    """
    right = metrics.is_right(scores, labels)
    truth = metrics.truth_of(labels, scores.shape[1])
    labelled = truth.any(axis=1)
    result = {"overall_accuracy": bootstrap(right[labelled].astype(float), None, level, resamples)}
    rng = np.random.default_rng(0)
    if right[labelled].all() or not right[labelled].any():
        result["mean_class_accuracy"] = result["overall_accuracy"]
    else:
        cells = np.concatenate([truth, right[:, np.newaxis]], axis=1)[labelled]
        kinds, counts = np.unique(cells, axis=0, return_counts=True)
        drawn = _draw(rng, counts, resamples).astype(float)
        of_class = kinds[:, :-1].astype(float)
        videos, hits = drawn @ of_class, drawn @ (of_class * kinds[:, -1:])  # [resamples, C]
        shares = hits / np.maximum(videos, 1)
        means = shares.sum(axis=1) / (videos > 0).sum(axis=1)  # over the classes that were drawn
        result["mean_class_accuracy"] = _quantiles(means, level)
    if (truth.sum(axis=1) != 1).any():
        precisions = _resampled_precision(rng, scores, truth, min(resamples, 500))
        result["mean_average_precision"] = _quantiles(precisions, level)
    return result


def compare(
    first: np.ndarray, second: np.ndarray, clusters: Sequence[object] | None = None, level: float = LEVEL
) -> Comparison:
    """Compares two variants by which videos they have right.

    Args:
        first: bool [n], or float [n] in [0, 1], the share of several trainings that have a video right.
        second: the same of the second variant, the same videos in the same order.
        clusters: see `bootstrap`.
        level: of the interval.

    Raises:
        ValueError: the arrays differ in shape or are empty.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape or first.ndim != 1 or not first.size:
        raise ValueError(
            "`first` and `second` must be about the same videos, at least one. "
            f"Received: first.shape={first.shape}, second.shape={second.shape}"
        )
    differences = second - first
    only_first, only_second = int((differences < 0).sum()), int((differences > 0).sum())
    is_single = bool(np.isin([first, second], (0.0, 1.0)).all())
    are_clustered = clusters is not None and len(np.unique(np.asarray(clusters))) < len(first)
    return Comparison(
        difference=float(differences.mean()),
        interval=bootstrap(differences, clusters, level, bounds=(-1.0, 1.0)),
        only_first=only_first,
        only_second=only_second,
        p_value=mcnemar(only_first, only_second) if is_single and not are_clustered else None,
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Returns the two-sided p-value of McNemar's exact test.

    Args:
        only_first: videos that only the first variant has right, >= 0.
        only_second: videos that only the second has right, >= 0.
    """
    disagreements = only_first + only_second
    if not disagreements:
        return 1.0
    return float(stats.binomtest(only_first, disagreements, 0.5).pvalue)


def _quantiles(values: np.ndarray, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _draw(rng: np.random.Generator, counts: np.ndarray, resamples: int) -> np.ndarray:
    """How often units of each kind are drawn: int [kinds] -> int [resamples, kinds]."""
    return rng.multinomial(counts.sum(), counts / counts.sum(), resamples)


def _resampled_precision(rng: np.random.Generator, scores: np.ndarray, truth: np.ndarray, resamples: int) -> np.ndarray:
    """The mean average precision of resampled videos, float [resamples] or a little shorter."""
    taken = _draw(rng, np.ones(len(scores)), resamples).astype(np.float32)
    occurring = np.flatnonzero(truth.any(axis=0))
    by_class = np.stack([_weighted_precision(scores[:, j], truth[:, j], taken) for j in occurring])
    # A class of which no video was drawn says nothing about this resample, nor does one without any class.
    drawn = np.isfinite(by_class)
    sums = np.where(drawn, by_class, 0.0).sum(axis=0)
    return (sums / np.maximum(drawn.sum(axis=0), 1))[drawn.any(axis=0)]


def _weighted_precision(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average precision where each video counts `weights` times.

    Args:
        scores: float [n].
        truth: bool [n], k of them True.
        weights: float32 [resamples, n], >= 0.

    Returns:
        float32 [resamples]; not a number where no true video has weight.
    """
    own = weights[:, truth]  # [resamples, k]
    # Column i: which videos rank at least as high as true video i. Equal scores come in together, as in scikit-learn.
    above = (scores[:, np.newaxis] >= scores[truth]).astype(np.float32)  # [n, k]
    precision = (own @ above[truth]) / np.maximum(weights @ above, 1e-12)
    total = own.sum(axis=1)
    return np.where(total > 0, (own * precision).sum(axis=1) / np.maximum(total, 1e-12), np.nan)
