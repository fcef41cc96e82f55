"""HMDB51's layout: `<class>/*.avi` and split files `<class>_test_split<k>.txt`, as many splits as there are lists.

A line of a split file is a file name and a tag: 0 unused, 1 train, 2 test. Names hold '#', '&', brackets and the like,
and begin with the name of the source film: `<film>_<class>_<five properties of the clip>_<number>.avi`. Clips of one
film are one group, whichever class they show.
"""

import re
from pathlib import Path, PurePosixPath

from tfrecords_tools import config, storage
from tfrecords_tools.datasets import disk, listing

ROLES = {"0": "unused", "1": "train", "2": "test"}


def list_videos(settings: config.ListingSettings) -> listing.Listing:
    """Lists `videos_dir`/<class>/* with the roles of the split files in `splits_dir`.

    Args:
        settings: `videos_dir`, `splits_dir`, `classes` and `allow_missing` are used.

    Returns:
        The videos with one split for each number of split files. A video that a split's files do not name is "unused"
        there.

    Raises:
        ValueError: A folder or a split file is missing, a line cannot be read, a video on a list is not on disk.
    """
    videos_dir, splits_dir = storage.path(settings.videos_dir), storage.path(settings.splits_dir)
    split_files = find_split_files(splits_dir)
    chosen = settings.classes or {label for label, _ in split_files}
    files = {key: read_split_file(path) for key, path in split_files.items() if key[0] in chosen}
    # By the names of the videos without suffix: copies of the set are often encoded anew, as .mp4.
    lists = {key: {disk.without_suffix(name): role for name, role in roles.items()} for key, roles in files.items()}
    class_of = {name: label for (label, _), roles in lists.items() for name in roles}
    found = disk.find(settings, class_of.get)
    labels = found.choose_classes(settings.classes)
    if not settings.classes and (without := sorted({label for label, _ in split_files} - set(labels))):
        raise ValueError(
            f"{splits_dir} has split files of classes without a folder in {videos_dir}: {_shorten(without)}. "
            "Add their videos, or name the classes to take with --classes"
        )
    splits = sorted({split for label, split in split_files if label in labels}, key=int)
    videos, missing = [], []
    ignored = list(found.others.get("", ()))
    for label in labels:
        ignored.extend(found.others.get(label, ()))
        for split in splits or ["1"]:
            if (label, split) not in split_files:
                raise ValueError(
                    f"{splits_dir / f'{label}_test_split{split}.txt'} is missing: every class needs a file for every "
                    "split. Add it, or leave the class out with --classes"
                )
        entries = {disk.without_suffix(entry.path.name): entry for entry in found.of_class(label)}
        if len(entries) != len(found.of_class(label)):
            raise ValueError(f"{videos_dir / label}: two videos have the same name, but for their suffix. Remove one")
        listed = {name: split for split in reversed(splits) for name in files[label, split]}
        missing += [
            listing.Missing(PurePosixPath(label, name), (label,), f"{split_files[label, split]} names it")
            for name, split in sorted(listed.items())
            if disk.without_suffix(name) not in entries
        ]
        for name, entry in entries.items():
            videos.append(
                listing.Video(
                    example_id=entry.example_id,
                    path=entry.path,
                    labels=(label,),
                    group=source_film(name, label),
                    roles=tuple(lists[label, split].get(name, "unused") for split in splits),
                )
            )
    return listing.Listing(
        "hmdb51", videos_dir, labels, tuple(splits), tuple(videos), tuple(ignored), tuple(missing)
    ).check_missing(settings.allow_missing)


def find_split_files(splits_dir: storage.AnyPath) -> dict[tuple[str, str], storage.AnyPath]:
    """Finds the split files.

    Args:
        splits_dir: Their folder; other files in it are passed over.

    Returns:
        Class and split to file.

    Raises:
        ValueError: The folder does not exist or holds no split files.
    """
    if not splits_dir.is_dir() or splits_dir == Path():
        raise ValueError(
            "`splits_dir` must be the folder of the split files <class>_test_split<k>.txt. "
            f"Received: splits_dir={str(splits_dir)!r}"
        )
    matches = (re.fullmatch(r"(.+)_test_split([1-9]\d*)\.txt", path.name) for path in storage.entries(splits_dir, "*"))
    found = {(match[1], match[2]): splits_dir / match[0] for match in matches if match}
    if not found:
        raise ValueError(f"{splits_dir} holds no split files. They must be named <class>_test_split<k>.txt")
    return found


def read_split_file(path: storage.AnyPath) -> dict[str, str]:
    """Reads the roles in one split file.

    Args:
        path: Lines of a file name, white space and a tag.

    Returns:
        File name to "train", "test" or "unused".

    Raises:
        ValueError: A line has another form, or a video has two lines; the message names file and line.
    """
    try:
        # Not `splitlines`, for which rarer characters end a line as well, that are allowed in a name.
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be UTF-8 text ({error.reason} at byte {error.start})") from error
    roles = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        match = re.fullmatch(r"\s*(\S|\S.*\S)\s+([012])\s*", line)
        if not match:
            raise ValueError(
                f"{path}, line {number}: expected a file name and a tag 0 (unused), 1 (train) or 2 (test). "
                f"Received: {line!r}"
            )
        if match[1] in roles:
            raise ValueError(f"{path}, line {number}: {match[1]!r} is on the list twice. Remove one of its lines")
        roles[match[1]] = ROLES[match[2]]
    return roles


def source_film(name: str, label: str) -> str:
    """Gives the film a clip was taken from: what stands before `_<class>_` in its name, or else the whole name."""
    film, separator, _ = name.rpartition(f"_{label}_")
    return film if separator else name


def _shorten(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
