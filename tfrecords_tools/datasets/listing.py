"""What every dataset layout gives: its videos with their labels, groups and roles."""

import collections
import dataclasses
import hashlib
from pathlib import Path, PurePosixPath

from tfrecords_tools import manifest

VIDEO_SUFFIXES = frozenset(
    ".3gp .asf .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .vob .webm .wmv".split()
)


@dataclasses.dataclass(frozen=True)
class Video:
    """One video file.

    Attributes:
        example_id: Unique name, the path without its suffix.
        path: The file, relative to the dataset's folder, with forward slashes.
        labels: Its classes; several in a multi-label dataset.
        group: Clips of one group must not be split over training and test.
        roles: For each split "train", "test" or "unused".
    """

    example_id: str
    path: PurePosixPath
    labels: tuple[str, ...]
    group: str
    roles: tuple[str, ...]


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
    """

    name: str
    videos_dir: Path
    labels: tuple[str, ...]
    splits: tuple[str, ...]
    videos: tuple[Video, ...]
    ignored: tuple[PurePosixPath, ...] = ()

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
            if not known.issuperset(video.labels) or not video.labels:
                raise ValueError(f"{video.path}: labels must be among {sorted(known)}. Received: {list(video.labels)}")
            if len(video.roles) != len(self.splits) or not set(manifest.ROLES).issuperset(video.roles):
                raise ValueError(
                    f"{video.path}: it must have one of the roles {list(manifest.ROLES)} in each of the splits "
                    f"{list(self.splits)}. Received: {list(video.roles)}"
                )

    def location(self, video: Video) -> Path:
        """Gives the file of a video."""
        return self.videos_dir / video.path

    def partition(self, video: Video) -> str:
        """Names the partition of a video: "train" where there is one split, "1train_2test_3unused" where several."""
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


def seeded_order(seed: int, name: str) -> bytes:
    """A sort key that mixes names in an order fixed by the seed, on every machine and with any version of NumPy."""
    return hashlib.sha256(f"{seed}\n{name}".encode()).digest()


def list_classes(videos_dir: Path, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Gives the class folders, sorted.

    Args:
        videos_dir: Folder of the class folders.
        classes: Only these; empty for all.

    Returns:
        Their names; those with a leading dot are passed over.

    Raises:
        ValueError: The folder or a class is missing, or there are no classes.
    """
    if not videos_dir.is_dir():
        raise ValueError(
            f"`videos_dir` must be a folder. Received: videos_dir={str(videos_dir)!r}, which does not exist"
        )
    found = {path.name for path in videos_dir.iterdir() if path.is_dir() and not path.name.startswith(".")}
    if not found:
        raise ValueError(f"{videos_dir} holds no class folders. It must hold one folder of video files per class")
    if missing := sorted(set(classes) - found):
        raise ValueError(f"`classes` must be folders of {videos_dir}, which has {sorted(found)}. Received: {missing}")
    return tuple(sorted(set(classes) or found))


def list_files(videos_dir: Path, label: str) -> tuple[list[PurePosixPath], list[PurePosixPath]]:
    """Gives the video files of a class folder, and what else lies in it.

    Args:
        videos_dir: Folder of the class folders.
        label: The class.

    Returns:
        Relative paths of the video files, by their suffix; relative paths of everything else but hidden files. Sorted.

    Raises:
        ValueError: There are no video files.
    """
    videos: list[PurePosixPath] = []
    others: list[PurePosixPath] = []
    for path in sorted((videos_dir / label).iterdir()):
        if not path.name.startswith("."):
            is_video = path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()
            (videos if is_video else others).append(PurePosixPath(label, path.name))
    if not videos:
        raise ValueError(
            f"{videos_dir / label} holds no video files (known suffixes: {' '.join(sorted(VIDEO_SUFFIXES))}). "
            "Add some, or leave the class out"
        )
    return videos, others


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # Bytes of a file name that are not UTF-8 arrive as lone surrogates.
        return False
    return True
