"""THUMOS14's layout: UCF101 and untrimmed validation videos to train on, untrimmed test videos, several labels a video.

`videos_dir` holds, in folders of any name and depth, UCF101's `<class>/v_*.avi`, `video_validation_*` and
`video_test_*`, and perhaps the background set, `video_background_*`, which no split uses. `splits_dir` holds the
official metadata, `validation_set.mat` and `test_set_meta.mat`, and, where they are wanted in the records, the temporal
annotations, `temporal_annotations_validation/<class>_val.txt` and `temporal_annotations_test/<class>_test.txt`.

The primary action is a video's first label, secondary actions follow. A test video that is marked as background has
the scenery of its primary action and not the action: it has no label.
"""

import collections
import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import scipy.io

from tfrecords_tools import config, storage
from tfrecords_tools.datasets import disk, listing, ucf101

SPLIT = "1"
NUM_UCF101_VIDEOS = 13320
_META_FILES = {
    "validation": ("validation_set.mat", "validation_videos"),
    "test": ("test_set_meta.mat", "test_videos"),
}
_SEGMENT_FILES = {"validation": "_val.txt", "test": "_test.txt"}
_NAMES = r"v_|video_(validation|test|background)_"
_AMBIGUOUS = "Ambiguous"  # Stretches that annotators were not sure about; no class.


@dataclasses.dataclass(frozen=True)
class Entry:
    """One video of the official metadata.

    Attributes:
        name: Without folder and suffix.
        labels: The primary action and the secondary ones; none for a background video.
    """

    name: str
    labels: tuple[str, ...]


def list_videos(settings: config.ListingSettings) -> listing.Listing:
    """Lists UCF101, validation and test videos below `videos_dir`.

    Args:
        settings: `videos_dir`, `splits_dir`, `classes` and `allow_missing` are used. With `classes`, videos of which no
            label is among them are left out, but for background ones.

    Returns:
        The videos with one split, "1".

    Raises:
        ValueError: A folder or a metadata file is missing or not readable, two files have one name, or a video of the
            metadata is not on disk.
    """
    videos_dir, splits_dir = storage.path(settings.videos_dir), storage.path(settings.splits_dir)
    if not settings.splits_dir or not splits_dir.is_dir():
        raise ValueError(
            f"`splits_dir` must be the folder of {' and '.join(name for name, _ in _META_FILES.values())}. "
            f"Received: splits_dir={settings.splits_dir!r}"
        )
    entries = {}
    official: dict[int, str] = {}
    for part in _META_FILES:
        entries[part], numbered = read_metadata(splits_dir, part)
        official |= numbered
    all_labels = tuple(official[number] for number in sorted(official))
    labels = listing.choose_classes(all_labels, settings.classes, splits_dir)
    segments = read_segments(splits_dir, all_labels)
    on_disk, ignored = _find(settings)

    videos, missing = [], []
    for part, role in (("validation", "train"), ("test", "test")):
        for entry in entries[part]:
            own = tuple(label for label in entry.labels if label in labels)
            if entry.labels and not own:
                continue
            if (path := on_disk.pop(entry.name, None)) is None:
                file = _META_FILES[part][0]
                missing.append(listing.Missing(PurePosixPath(entry.name), own, f"{file} names it"))
                continue
            seen = tuple(segment for segment in segments.get(entry.name, ()) if segment.label in labels)
            videos.append(_video(path, own, entry.name, role, seen))
    label_of = {label.lower(): label for label in labels}
    num_trimmed = 0
    for name, path in sorted(on_disk.items()):
        if name.startswith("v_"):
            num_trimmed += 1
            # Folders of frames may lie without class folders.
            if label := label_of.get(path.parent.name.lower()) or label_of.get(ucf101.class_in(name).lower()):
                videos.append(_video(path, (label,), ucf101.group_of(name), "train"))
        elif name.startswith("video_background_"):
            videos.append(_video(path, (), name, "unused"))
    notes = []
    if not settings.classes and num_trimmed != NUM_UCF101_VIDEOS:
        notes.append(f"{num_trimmed} videos of UCF101 to train on; the official set has {NUM_UCF101_VIDEOS}")
    return listing.Listing(
        "thumos14", videos_dir, labels, (SPLIT,), tuple(videos), tuple(ignored), tuple(missing), tuple(notes)
    ).check_missing(settings.allow_missing)


def read_metadata(splits_dir: storage.AnyPath, part: str) -> tuple[list[Entry], dict[int, str]]:
    """Reads the official metadata of the validation or the test videos.

    Args:
        splits_dir: Its folder.
        part: "validation" or "test".

    Returns:
        The videos in the file's order, and the classes by their official number.

    Raises:
        ValueError: The file is missing or not what it should be.
    """
    file, key = _META_FILES[part]
    path = splits_dir / file
    if not path.is_file():
        raise ValueError(f"{path} is missing: it is part of THUMOS14's official metadata")
    try:
        with path.open("rb") as stream:
            rows = np.atleast_1d(scipy.io.loadmat(stream, squeeze_me=True)[key])
        names = [str(row["video_name"]) for row in rows]
        labels = [_strings(row["primary_action"]) + _strings(row["secondary_actions"]) for row in rows]
        numbers = [
            np.concatenate([np.atleast_1d(row[f]) for f in ("primary_action_index", "secondary_actions_indices")])
            for row in rows
        ]
        background = [part == "test" and str(row["background_video"]).upper() == "YES" for row in rows]
    except Exception as error:  # SciPy raises whatever a broken file happens to cause.
        raise ValueError(f"{path} is not THUMOS14's metadata: {type(error).__name__}: {error}") from error
    classes: dict[int, str] = {}
    for name, own, own_numbers in zip(names, labels, numbers, strict=True):
        if not re.fullmatch(rf"video_{part}_\d+", name) or len(own) != len(own_numbers) or not own:
            raise ValueError(f"{path}: {name!r} must be a {part} video with a number for each of its actions {own}")
        for label, number in zip(own, own_numbers, strict=True):
            if classes.setdefault(int(number), label) != label:
                raise ValueError(f"{path}: number {number} is {classes[int(number)]!r} and, for {name}, {label!r}")
    if len(set(names)) != len(names):
        raise ValueError(f"{path} names a video twice")
    entries = [
        Entry(name, () if none else tuple(dict.fromkeys(own)))
        for name, own, none in zip(names, labels, background, strict=True)
    ]
    return entries, classes


def read_segments(splits_dir: storage.AnyPath, labels: tuple[str, ...]) -> dict[str, tuple[listing.Segment, ...]]:
    """Reads the temporal annotations, which exist for 20 of the classes.

    Args:
        splits_dir: Folder of `temporal_annotations_validation` and `temporal_annotations_test`; either may be missing.
        labels: All classes.

    Returns:
        Video name to its segments in the order of their starts.

    Raises:
        ValueError: A file is of no class, or a line of it cannot be read.
    """
    known = {label.lower(): label for label in labels}
    found: dict[str, list[listing.Segment]] = collections.defaultdict(list)
    for part, ending in _SEGMENT_FILES.items():
        for path in storage.entries(splits_dir / f"temporal_annotations_{part}", f"*{ending}"):
            name = path.name.removesuffix(ending)
            if name == _AMBIGUOUS:
                continue
            if name.lower() not in known:
                raise ValueError(f"{path}: {name!r} is no class of the metadata")
            for number, line in listing.read_lines(path):
                match = re.fullmatch(rf"(video_{part}_\d+)\s+(\d+(?:\.\d*)?)\s+(\d+(?:\.\d*)?)", line)
                if not match or float(match[2]) >= float(match[3]):
                    raise ValueError(f"{path}, line {number}: expected a video, start and end in s. Received: {line!r}")
                found[match[1]].append(listing.Segment(known[name.lower()], float(match[2]), float(match[3])))
    return {name: tuple(sorted(own, key=lambda s: (s.start, s.end, s.label))) for name, own in found.items()}


def _strings(value: Any) -> list[str]:
    return [str(item) for item in np.atleast_1d(value)]


def _find(settings: config.ListingSettings) -> tuple[dict[str, PurePosixPath], list[PurePosixPath]]:
    """Finds the videos at any depth: relative paths by name without suffix, and what else is there."""
    videos_dir = disk.check_folder(settings)
    found: dict[str, PurePosixPath] = {}
    ignored = []
    for path, item in _walk(videos_dir, settings.frame_folders):
        name = disk.without_suffix(path.name)
        if not re.match(_NAMES, name) or not (settings.frame_folders or disk.is_video(item, frame_folders=False)):
            if not settings.frame_folders:
                ignored.append(path)
        elif name in found:
            raise ValueError(f"{videos_dir}: two videos are {name!r}: {found[name]} and {path}. Remove one")
        else:
            found[name] = path
    return found, ignored


def _walk(videos_dir: storage.AnyPath, frame_folders: bool) -> Iterator[tuple[PurePosixPath, storage.AnyPath]]:
    """Gives the files at any depth, or the folders of frames, each also relative; what is hidden is passed over."""
    if isinstance(videos_dir, storage.RemotePath):
        for file in videos_dir.rglob("*"):
            path = file.relative_to(videos_dir)
            if not any(part.startswith(".") for part in path.parts) and not file.is_dir():
                yield path, file
        return
    visited = set()
    for folder, folders, files in os.walk(videos_dir, followlinks=True):
        if (real := os.path.realpath(folder)) in visited:  # A link that leads back would be followed for ever.
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        items = sorted(name for name in files if not name.startswith("."))
        if frame_folders:
            items = [name for name in folders if disk.is_video(Path(folder, name), frame_folders=True)]
            folders[:] = [name for name in folders if name not in items]
        for name in items:
            item = Path(folder, name)
            yield PurePosixPath(item.relative_to(videos_dir)), item


def _video(
    path: PurePosixPath, labels: tuple[str, ...], group: str, role: str, segments: tuple[listing.Segment, ...] = ()
) -> listing.Video:
    example_id = str(path.with_name(disk.without_suffix(path.name)))
    return listing.Video(example_id, path, labels, group, (role,), segments)
