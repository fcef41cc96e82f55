"""UCF50's layout: `<class>/v_<class>_g<group>_c<clip>.avi`, no lists: one of the 25 groups is left out at a time.

Group k is a partition of its own, and split k tests on it and trains on all others, so that any group can be left out
without converting anything twice.
"""

import collections

from tfrecords_tools import config, storage
from tfrecords_tools.datasets import disk, listing, ucf101

PUBLISHED = {"videos": 6618, "classes": 50, "groups": 25}


def list_videos(settings: config.ListingSettings) -> listing.Listing:
    """Lists `videos_dir`/<class>/*, with one split per group.

    Args:
        settings: `videos_dir` and `classes` are used.

    Returns:
        The videos; partitions are named by group, "g01". `notes` says where the counts differ from the published ones.

    Raises:
        ValueError: A folder is missing, a file name does not tell its group, or there is one group only.
    """
    if settings.splits_dir:
        raise ValueError(
            "`splits_dir` must be empty for dataset=ucf50, whose splits are its groups. "
            f"Received: splits_dir={settings.splits_dir!r}"
        )
    videos_dir = storage.path(settings.videos_dir)
    found = disk.find(settings, lambda name: ucf101.class_in(name) or None)
    labels = found.choose_classes(settings.classes)
    on_disk, ignored = found.by_name(labels)
    groups = {}
    for entry in on_disk.values():
        match = ucf101.NAME.fullmatch(disk.without_suffix(entry.path.name))
        if not match:
            raise ValueError(
                f"{videos_dir / entry.path}: its name must tell the group, like v_Basketball_g01_c02. Rename it"
            )
        groups[entry] = int(match["group"])
    numbers = sorted(set(groups.values()))
    if len(numbers) < 2:
        raise ValueError(f"{videos_dir} must hold at least two groups, one to leave out. Received: {numbers}")
    videos = tuple(
        listing.Video(
            example_id=entry.example_id,
            path=entry.path,
            labels=(entry.label,),
            group=f"g{groups[entry]:02d}",
            roles=tuple("test" if groups[entry] == number else "train" for number in numbers),
            partition=f"g{groups[entry]:02d}",
        )
        for entry in on_disk.values()
    )
    notes = []
    if not settings.classes:
        counts = {"videos": len(videos), "classes": len(labels), "groups": len(numbers)}
        differences = [
            f"{counts[name]} {name} ({PUBLISHED[name]})" for name in counts if counts[name] != PUBLISHED[name]
        ]
        if differences:
            notes.append(f"counts that differ from the published UCF50 (in brackets): {', '.join(differences)}")
        per_class = collections.defaultdict(set)
        for video in videos:
            per_class[video.labels[0]].add(video.group)
        if few := [label for label in labels if len(per_class[label]) < len(numbers)]:
            more = " ..." if len(few) > 5 else ""
            notes.append(f"{len(few)} classes have no video of some group: {', '.join(few[:5])}{more}")
    return listing.Listing(
        "ucf50", videos_dir, labels, tuple(map(str, numbers)), videos, tuple(ignored), notes=tuple(notes)
    )
