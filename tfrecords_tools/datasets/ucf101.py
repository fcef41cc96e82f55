"""UCF101's layout: `<class>/v_<class>_g<group>_c<clip>.avi` and the official lists (ucfTrainTestlist), three splits.

The folder of the lists holds `classInd.txt` ("1 ApplyEyeMakeup") and, for each split k, `trainlist0k.txt` ("path
index") and `testlist0k.txt` ("path"). Class and file names are compared without regard to case: the class
`HandstandPushups` has files named `v_HandStandPushups_*`, and its folder is spelled either way in copies of the set.
"""

import re
from pathlib import PurePosixPath

from tfrecords_tools import config, storage
from tfrecords_tools.datasets import disk, listing

NAME = re.compile(r"v_(?P<label>.+)_g(?P<group>\d+)_c\d+", re.IGNORECASE)
"""Name of a video without suffix, in UCF50 as in UCF101."""


def list_videos(settings: config.ListingSettings) -> listing.Listing:
    """Lists `videos_dir`/<class>/* with the roles of the official lists in `splits_dir`.

    Args:
        settings: `videos_dir`, `splits_dir`, `classes` and `allow_missing` are used.

    Returns:
        The videos with as many splits as there are lists; labels in the official order.

    Raises:
        ValueError: A folder or a list is missing, a line cannot be read, a video is on both lists of a split, or one
            on a list is not on disk.
    """
    videos_dir, splits_dir = storage.path(settings.videos_dir), storage.path(settings.splits_dir)
    if not settings.splits_dir or not splits_dir.is_dir():
        raise ValueError(
            "`splits_dir` must be the folder of the official lists, classInd.txt, trainlist01.txt, testlist01.txt ... "
            f"Received: splits_dir={settings.splits_dir!r}"
        )
    official = read_class_index(splits_dir / "classInd.txt")
    labels = listing.choose_classes(official, settings.classes, splits_dir / "classInd.txt")
    roles = _read_roles(splits_dir, official)
    splits = tuple(sorted(roles, key=int))
    label_of = {label.lower(): label for label in labels}
    on_disk, ignored = disk.find(settings, lambda name: label_of.get(class_in(name).lower())).by_name(labels)

    wanted: dict[str, PurePosixPath] = {}  # Lower-case path to the path as the lists spell it.
    for members in roles.values():
        for path in members:
            if path.parent.name.lower() in label_of:
                wanted.setdefault(_key(path), path)
    missing = [path for key, path in wanted.items() if key not in on_disk]
    lowered = {split: {_key(path): role for path, role in members.items()} for split, members in roles.items()}
    videos = tuple(
        listing.Video(
            example_id=entry.example_id,
            path=entry.path,
            labels=(label_of[entry.label.lower()],),
            group=group_of(disk.without_suffix(entry.path.name)),
            roles=tuple(lowered[split].get(key, "unused") for split in splits),
        )
        for key, entry in on_disk.items()
    )
    missing_videos = tuple(
        listing.Missing(path, (label_of[path.parent.name.lower()],), "it is on the official lists") for path in missing
    )
    return listing.Listing("ucf101", videos_dir, labels, splits, videos, tuple(ignored), missing_videos).check_missing(
        settings.allow_missing
    )


def read_class_index(path: storage.AnyPath) -> tuple[str, ...]:
    """Reads classInd.txt.

    Args:
        path: Lines of a number, counted from 1, and a class name.

    Returns:
        The names, by number.

    Raises:
        ValueError: The file is missing, or a line or its number is wrong.
    """
    names: list[str] = []
    for number, line in listing.read_lines(path):
        match = re.fullmatch(r"([1-9]\d*)\s+(\S.*)", line)
        if not match or int(match[1]) != len(names) + 1 or match[2] in names:
            raise ValueError(
                f"{path}, line {number}: expected the class number {len(names) + 1} and a name that is new. "
                f"Received: {line!r}"
            )
        names.append(match[2])
    if not names:
        raise ValueError(f"{path} holds no classes")
    return tuple(names)


def read_list(path: storage.AnyPath, labels: tuple[str, ...]) -> list[PurePosixPath]:
    """Reads a trainlist or testlist.

    Args:
        path: Lines of `<class>/<file>`, in trainlists followed by the number of the class.
        labels: All classes, by number.

    Returns:
        The paths.

    Raises:
        ValueError: A line has another form, names another class or number, or stands there twice.
    """
    known = {label.lower(): number for number, label in enumerate(labels, start=1)}
    paths: dict[PurePosixPath, None] = {}
    for number, line in listing.read_lines(path):
        match = re.fullmatch(r"([^/]+)/([^/\s]+)(?:\s+(\d+))?", line)
        if not match or match[2] in (".", ".."):
            raise ValueError(f"{path}, line {number}: expected <class>/<file> and perhaps a number. Received: {line!r}")
        label = known.get(match[1].lower())
        if label is None or (match[3] and int(match[3]) != label):
            raise ValueError(
                f"{path}, line {number}: the class must be one of classInd.txt, with its number. Received: {line!r}"
            )
        file = PurePosixPath(match[1], match[2])
        if file in paths:
            raise ValueError(f"{path}, line {number}: {file} is on the list twice. Remove one of its lines")
        paths[file] = None
    return list(paths)


def group_of(name: str) -> str:
    """Gives the source of a clip, `v_Archery_g01` of `v_Archery_g01_c03`; a name of another form is its own."""
    match = re.fullmatch(config.UCF_GROUP_PATTERN, name)
    return match[1] if match else name


def class_in(name: str) -> str:
    """Gives the class in a name like `v_Archery_g01_c03`, as it is spelled there; "" where there is none."""
    match = NAME.fullmatch(name)
    return match["label"] if match else ""


def _key(path: PurePosixPath) -> str:
    """What two spellings of a video have in common: capitals and the suffix may differ."""
    return f"{path.parent.name}/{disk.without_suffix(path.name)}".lower()


def _read_roles(splits_dir: storage.AnyPath, labels: tuple[str, ...]) -> dict[str, dict[PurePosixPath, str]]:
    """Gives, for each split that has lists, the role of each path on them."""
    matches = (re.fullmatch(r"(?:train|test)list0*(\d+)\.txt", path.name) for path in splits_dir.iterdir())
    numbers = sorted({match[1] for match in matches if match}, key=int)
    if not numbers:
        raise ValueError(f"{splits_dir} holds no lists. They must be named trainlist01.txt, testlist01.txt and so on")
    roles: dict[str, dict[PurePosixPath, str]] = {}
    for split in numbers:
        members: dict[PurePosixPath, str] = {}
        for role in ("train", "test"):
            path = splits_dir / f"{role}list{int(split):02d}.txt"
            for file in read_list(path, labels):
                if file in members:
                    raise ValueError(f"{path}: {file} is on the training list of split {split} as well")
                members[file] = role
        roles[split] = members
    return roles
