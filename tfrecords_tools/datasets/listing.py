"""What every dataset layout gives: its videos with their labels, groups and roles."""

import collections
import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from tfrecords_tools import manifest, storage, suggestions


@dataclasses.dataclass(frozen=True)
class Segment:
    """When a class is to be seen in a video.

    Attributes:
        label: The class.
        start: Seconds from the start of the video, >= 0.
        end: Seconds, > start.
    """

    label: str
    start: float
    end: float


@dataclasses.dataclass(frozen=True)
class Video:
    """One video file.

    Attributes:
        example_id: Unique name, the path without its suffix.
        path: The file, relative to the dataset's folder, with forward slashes.
        labels: Its classes, the main one first; several in a multi-label dataset, none for a background video.
        group: Clips of one group must not be split over training and test.
        roles: For each split "train", "test" or "unused".
        segments: When its classes are to be seen, where that is known.
        partition: Name of its partition; "" for the one that follows from the roles.
    """

    example_id: str
    path: PurePosixPath
    labels: tuple[str, ...]
    group: str
    roles: tuple[str, ...]
    segments: tuple[Segment, ...] = ()
    partition: str = ""


@dataclasses.dataclass(frozen=True)
class Missing:
    """A video that a list names and that is not on disk.

    Attributes:
        path: As the list has it.
        labels: Its classes.
        reason: Which list that is.
    """

    path: PurePosixPath
    labels: tuple[str, ...]
    reason: str


@dataclasses.dataclass(frozen=True)
class Listing:
    """The videos of a dataset.

    Attributes:
        name: Name of the layout.
        videos_dir: Folder that the videos' paths start from.
        labels: Classes in the order of their indices.
        splits: Names of the splits.
        videos: The videos, sorted by `example_id`.
        ignored: Files and folders found among the videos that are taken for something else, relative paths.
        missing: Videos on a list that are not on disk.
        notes: What a reader of the summary should know, a line each.
    """

    name: str
    videos_dir: storage.AnyPath
    labels: tuple[str, ...]
    splits: tuple[str, ...]
    videos: tuple[Video, ...]
    ignored: tuple[PurePosixPath, ...] = ()
    missing: tuple[Missing, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "videos", tuple(sorted(self.videos, key=lambda video: video.example_id)))
        for label in self.labels:
            if not label.strip() or len(label.splitlines()) != 1:
                raise ValueError(
                    f"A class name must be one line of text, which labels.txt has for it. Received: {label!r} in "
                    f"{self.videos_dir}. Rename its folder"
                )
        if not self.videos:
            raise ValueError(f"{self.videos_dir} holds no videos of the classes {list(self.labels)}")
        ids = collections.Counter(video.example_id for video in self.videos)
        known = set(self.labels)
        for video in self.videos:
            if ids[video.example_id] > 1:
                paths = [str(other.path) for other in self.videos if other.example_id == video.example_id]
                raise ValueError(
                    f"Two videos in {self.videos_dir} would have the same id {video.example_id!r}: {paths}. "
                    "Rename or remove one of them"
                )
            if not _is_text(str(video.path)):
                raise ValueError(f"{self.videos_dir}: the file name {str(video.path)!r} is not UTF-8. Rename it")
            if not known.issuperset(video.labels):
                raise ValueError(f"{video.path}: labels must be among {sorted(known)}. Received: {list(video.labels)}")
            if not video.labels and "train" in video.roles:
                raise ValueError(f"{video.path}: a video to train on must have a label. Received: none")
            if len(video.roles) != len(self.splits) or not set(manifest.ROLES).issuperset(video.roles):
                raise ValueError(
                    f"{video.path}: it must have one of the roles {list(manifest.ROLES)} in each of the splits "
                    f"{list(self.splits)}. Received: {list(video.roles)}"
                )

    def location(self, video: Video) -> storage.AnyPath:
        """Gives the file of a video."""
        return self.videos_dir / video.path

    def partition(self, video: Video) -> str:
        """Names the partition of a video: "train" where there is one split, "1train_2test_3unused" where several."""
        if video.partition:
            return video.partition
        if len(self.splits) == 1:
            return video.roles[0]
        return "_".join(split + role for split, role in zip(self.splits, video.roles, strict=True))

    def partitions(self) -> dict[str, tuple[Video, ...]]:
        """Gives the videos of each partition, both sorted."""
        members = collections.defaultdict(list)
        for video in self.videos:
            members[self.partition(video)].append(video)
        return {name: tuple(members[name]) for name in sorted(members)}

    def roles(self) -> dict[str, dict[str, str]]:
        """Gives the role of each partition in each split."""
        return {
            name: dict(zip(self.splits, videos[0].roles, strict=True)) for name, videos in self.partitions().items()
        }

    def check_missing(self, allowed: bool) -> "Listing":
        """Gives the listing back where nothing is missing, or what is missing may be.

        Raises:
            ValueError: Something is missing that must not be; the message names the first.
        """
        if self.missing and not allowed:
            shown = ", ".join(repr(str(missing.path)) for missing in self.missing[:3])
            more = f" and {len(self.missing) - 3} more" if len(self.missing) > 3 else ""
            raise ValueError(
                f"{len(self.missing)} video(s) are not in {self.videos_dir}, though {self.missing[0].reason}: {shown}"
                f"{more}. Add them, or go on without them with --allow_missing, which lists them all"
            )
        return self


def seeded_order(seed: int, name: str) -> bytes:
    """A sort key that mixes names in an order fixed by the seed, on every machine and with any version of NumPy."""
    return hashlib.sha256(f"{seed}\n{name}".encode()).digest()


def choose_classes(official: tuple[str, ...], chosen: tuple[str, ...], source: storage.AnyPath) -> tuple[str, ...]:
    """Gives the chosen ones of the classes that a file names, all where none is chosen, in the file's order.

    Raises:
        ValueError: The file does not name one of them.
    """
    if unknown := sorted(set(chosen) - set(official)):
        hint = suggestions.among(unknown, official)
        raise ValueError(f"`classes` must be among those of {source}. Received: {unknown}.{hint}")
    return tuple(label for label in official if not chosen or label in chosen)


def read_lines(path: storage.AnyPath) -> Iterator[tuple[int, str]]:
    """Gives the lines of a list that are not empty, without white space around them, each with its number.

    Raises:
        ValueError: The file is missing or not UTF-8 text.
    """
    try:
        # Not `splitlines`, for which rarer characters end a line as well, that are allowed in a name.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be UTF-8 text ({error.reason} at byte {error.start})") from error
    except OSError as error:
        raise ValueError(f"{path} must be a list of the dataset ({error.strerror})") from error
    return ((number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip())


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # Bytes of a file name that are not UTF-8 arrive as lone surrogates.
        return False
    return True
