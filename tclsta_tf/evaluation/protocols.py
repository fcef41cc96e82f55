"""Protocols that report a mean over several splits: HMDB51's and UCF101's three, UCF50's left-out groups."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

COUNT_KEY = "num_videos"


@dataclasses.dataclass(frozen=True)
class SplitSummary:
    """Figures of merit over several splits.

    Attributes:
        mean: Mean of each metric, every split counting once; under `num_videos` the total of all splits, so that
            this reads like the metrics of one split.
        deviation: Sample standard deviation (divisor k - 1) of each metric; 0 for a single split.
        num_splits: k.
    """

    mean: dict[str, float | int]
    deviation: dict[str, float]
    num_splits: int


def summarise_splits(splits: Sequence[Mapping[str, float | int]]) -> SplitSummary:
    """Returns mean and deviation over splits of one variant's metrics.

    Args:
        splits: `metrics.summarise` of each split, with the same keys.

    Raises:
        ValueError: Where there is no split, or the splits hold different metrics.
    """
    if not splits:
        raise ValueError("`splits` must hold the metrics of at least one split. Received: splits=[]")
    keys = list(splits[0])
    for index, split in enumerate(splits):
        if set(split) != set(keys):
            raise ValueError(
                f"`splits` must hold the same metrics in every entry, here {sorted(keys)}. "
                f"Received: splits[{index}] with {sorted(split)}"
            )
    mean: dict[str, float | int] = {}
    deviation: dict[str, float] = {}
    for key in keys:
        values = [split[key] for split in splits]
        if key == COUNT_KEY:
            mean[key] = int(sum(values))
            continue
        mean[key] = statistics.fmean(values)
        deviation[key] = statistics.stdev(values) if len(values) > 1 else 0.0
    return SplitSummary(mean=mean, deviation=deviation, num_splits=len(splits))
