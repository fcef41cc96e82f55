"""`<class>/*` video files and nothing else: the split into training and test is made here.

The split is seeded, keeps groups together and holds the same share of every class out.
"""

import collections
import re
from collections.abc import Callable, Mapping

from tfrecords_tools import config
from tfrecords_tools.datasets import disk, listing

SPLIT = "1"


def list_videos(settings: config.ListingSettings) -> listing.Listing:
    """Lists `videos_dir`/<class>/* and splits it.

    Args:
        settings: `videos_dir`, `classes`, `seed`, `test_fraction` and `group_pattern` are used.

    Returns:
        The videos with one split, "1".

    Raises:
        ValueError: A folder is missing or empty, the pattern is not a regular expression, or a class has a single
            group, which cannot lie on both sides of a split.
    """
    if settings.splits_dir:
        raise ValueError(
            f"`splits_dir` must be empty for dataset=folder, which makes its own split. "
            f"Received: splits_dir={settings.splits_dir!r}"
        )
    try:
        pattern = re.compile(settings.group_pattern)
    except re.error as error:
        raise ValueError(
            f"`group_pattern` must be a regular expression ({error}). "
            f"Received: group_pattern={settings.group_pattern!r}"
        ) from error
    found = disk.find(settings)
    labels = found.choose_classes(settings.classes)
    groups = {entry: _group(entry, pattern) for label in labels for entry in found.of_class(label)}
    counts = {label: collections.Counter(groups[entry] for entry in found.of_class(label)) for label in labels}
    test_groups = choose_test_groups(counts, settings.test_fraction, settings.seed)
    videos = tuple(
        listing.Video(
            example_id=entry.example_id,
            path=entry.path,
            labels=(entry.label,),
            group=group,
            roles=("test" if group in test_groups else "train",),
        )
        for entry, group in groups.items()
    )
    ignored = tuple(path for label in ("", *labels) for path in found.others.get(label, ()))
    return listing.Listing("folder", found.root, labels, (SPLIT,), videos, ignored)


def choose_test_groups(counts: Mapping[str, Mapping[str, int]], test_fraction: float, seed: int) -> set[str]:
    """Chooses the groups to test on, whole groups only.

    Going through the groups in seeded order, a group is taken where that brings its classes closer to their share and
    leaves each of them something to train on. A class that is then still without a test group is given its smallest.

    Args:
        counts: Label to group to number of videos. A group may occur in several classes.
        test_fraction: Share of each class to hold out, in (0, 1).
        seed: Fixes the order.

    Returns:
        Names of the groups; every class has videos inside and outside of them.

    Raises:
        ValueError: A class has fewer than two groups, or groups that span classes leave no such choice.
    """
    for label, own in counts.items():
        if len(own) < 2:
            raise ValueError(
                f"Class {label!r} must have videos of at least two groups, one to train and one to test on. Received: "
                f"{sum(own.values())} video(s) of the group {next(iter(own))!r}. Add videos, leave the class out with "
                "--classes, or see whether --group_pattern fits the file names"
            )
    sizes: dict[str, dict[str, int]] = collections.defaultdict(dict)
    for label, own in counts.items():
        for group, count in own.items():
            sizes[group][label] = count
    left = {label: float(sum(own.values())) for label, own in counts.items()}  # Videos left to train on.
    wanted = {label: test_fraction * total for label, total in left.items()}  # Videos still wanted for testing.
    chosen: set[str] = set()

    def take_if(group: str, accepts: Callable[[Mapping[str, int]], bool]) -> bool:
        own = sizes[group]
        if group in chosen or any(left[label] <= count for label, count in own.items()) or not accepts(own):
            return False
        chosen.add(group)
        for label, count in own.items():
            left[label] -= count
            wanted[label] -= count
        return True

    def brings_closer(own: Mapping[str, int]) -> bool:
        return sum(abs(wanted[label] - count) - abs(wanted[label]) for label, count in own.items()) < 0

    for group in sorted(sizes, key=lambda name: listing.seeded_order(seed, name)):
        take_if(group, brings_closer)
    for label, own in counts.items():
        if chosen.isdisjoint(own):
            smallest_first = sorted(own, key=lambda name: (own[name], listing.seeded_order(seed, name)))
            if not any(take_if(group, lambda _: True) for group in smallest_first):
                raise ValueError(
                    f"Class {label!r} cannot be split: each of its {len(own)} groups holds all that is left of another "
                    "class to train on. See whether --group_pattern makes the groups too large"
                )
    return chosen


def _group(entry: disk.Entry, pattern: re.Pattern) -> str:
    match = pattern.search(disk.without_suffix(entry.path.name))
    if match is None:
        return entry.example_id
    return next((text for text in match.groups() if text is not None), match[0])
