"""The videos of a dataset on disk, by class: video files, or folders of frames that were extracted from them.

Videos lie in `<class>/`. Folders of frames may lie side by side without class folders, as some tools leave them; the
dataset then has to know the class by the video's name.
"""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from tfrecords_tools import config, storage, suggestions

VIDEO_SUFFIXES = frozenset(
    ".3gp .asf .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .vob .webm .wmv".split()
)
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


@dataclasses.dataclass(frozen=True)
class Entry:
    """One video on disk.

    Attributes:
        path: The file, or the folder of its frames, relative to the dataset's folder, with forward slashes.
        label: Its class.
    """

    path: PurePosixPath
    label: str

    @property
    def example_id(self) -> str:
        """The unique name of the video: the same whether it lies there as a file or as a folder of frames."""
        return f"{self.label}/{without_suffix(self.path.name)}"


@dataclasses.dataclass(frozen=True)
class Found:
    """What lies in a dataset's folder.

    Attributes:
        root: The folder.
        videos: Class to its videos, sorted by path; a class folder without any has none.
        others: Class to what else lies in its folder, but hidden files; "" has what is of no class.
    """

    root: storage.AnyPath
    videos: dict[str, tuple[Entry, ...]]
    others: dict[str, tuple[PurePosixPath, ...]]

    def choose_classes(self, chosen: tuple[str, ...]) -> tuple[str, ...]:
        """Gives the chosen classes, or all, sorted.

        Raises:
            ValueError: There is no such class.
        """
        if missing := sorted(set(chosen) - set(self.videos)):
            raise ValueError(
                f"`classes` must be folders of {self.root}, which has {sorted(self.videos)}. Received: {missing}."
                + suggestions.among(missing, self.videos)
            )
        return tuple(sorted(set(chosen) or self.videos))

    def of_class(self, label: str) -> tuple[Entry, ...]:
        """Gives the videos of a class.

        Raises:
            ValueError: There are none.
        """
        if not self.videos[label]:
            raise ValueError(
                f"{self.root / label} holds no videos. A video is a file with one of the suffixes "
                f"{' '.join(sorted(VIDEO_SUFFIXES))}, or for import_frames a folder. Add some, or leave the class out"
            )
        return self.videos[label]

    def by_name(self, labels: tuple[str, ...]) -> tuple[dict[str, Entry], list[PurePosixPath]]:
        """Finds videos of classes by name whatever the capitals, which some copies of datasets spell differently.

        Args:
            labels: The classes. One without a folder has no videos.

        Returns:
            Videos by their id in lower case, and what else lies in the class folders.

        Raises:
            ValueError: Two videos have the same name, but for capitals and the file's suffix.
        """
        lowered = {label.lower() for label in labels}
        found: dict[str, Entry] = {}
        ignored = list(self.others.get("", ()))
        for folder in sorted(self.videos):
            if folder.lower() not in lowered:
                continue
            ignored.extend(self.others.get(folder, ()))
            for entry in self.of_class(folder):
                if (same := found.setdefault(entry.example_id.lower(), entry)) != entry:
                    raise ValueError(
                        f"{self.root}: {str(same.path)!r} and {str(entry.path)!r} have the same name. Remove one"
                    )
        return found, ignored


def find(settings: config.ListingSettings, class_of: Callable[[str], str | None] = lambda name: None) -> Found:
    """Looks into a dataset's folder.

    Args:
        settings: `videos_dir` and `frame_folders` are used.
        class_of: Gives the class of a folder of frames that lies in no class folder by its name; None for a video that
            is not wanted.

    Returns:
        The videos. Folders and files with a leading dot are passed over.

    Raises:
        ValueError: The folder is missing or holds nothing.
    """
    root = check_folder(settings)
    videos: dict[str, list[Entry]] = {}
    others: dict[str, list[PurePosixPath]] = {}
    for folder in _visible(root):
        if not folder.is_dir():
            continue
        if settings.frame_folders and isinstance(folder, Path) and holds_images(folder):
            path = PurePosixPath(folder.name)
            if (label := class_of(without_suffix(folder.name))) is None:
                others.setdefault("", []).append(path)
            else:
                videos.setdefault(label, []).append(Entry(path, label))
            continue
        videos.setdefault(folder.name, [])
        for item in _visible(folder):
            path = PurePosixPath(folder.name, item.name)
            if is_video(item, settings.frame_folders):
                videos[folder.name].append(Entry(path, folder.name))
            else:
                others.setdefault(folder.name, []).append(path)
    if not videos:
        remedy = "It must hold one folder of videos per class"
        if others:
            remedy = f"{len(others[''])} folders of frames lie in it, and dataset={settings.dataset} cannot tell their "
            remedy += "classes by their names. Put them into class folders, or name them in a file for dataset=csv"
        raise ValueError(f"{root} holds no class folders. {remedy}")
    return Found(
        root,
        {label: tuple(entries) for label, entries in videos.items()},
        {label: tuple(paths) for label, paths in others.items()},
    )


def check_folder(settings: config.ListingSettings) -> storage.AnyPath:
    """Gives the dataset's folder.

    Raises:
        ValueError: It does not exist, or folders of frames are not on this machine.
    """
    name = "frames_dir" if settings.frame_folders else "videos_dir"
    root = storage.local(settings.videos_dir, name) if settings.frame_folders else storage.path(settings.videos_dir)
    if not root.is_dir():
        raise ValueError(f"`{name}` must be a folder. Received: {name}={str(root)!r}, which does not exist")
    return root


def is_video(path: storage.AnyPath, frame_folders: bool) -> bool:
    """Whether something on disk is a video: by the suffix of a file, or because it is a folder of images."""
    if frame_folders:
        return isinstance(path, Path) and path.is_dir() and holds_images(path)
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()


def holds_images(folder: Path) -> bool:
    """Whether image files lie directly in a folder."""
    with os.scandir(folder) as entries:
        return any(os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES for entry in entries)


def without_suffix(name: str) -> str:
    """Gives the name of a video without the suffix of a video file; a folder's name may hold dots of its own."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in VIDEO_SUFFIXES else name


def _visible(folder: storage.AnyPath) -> list[storage.AnyPath]:
    return [path for path in storage.entries(folder) if not path.name.startswith(".")]
