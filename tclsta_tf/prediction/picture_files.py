"""Where the pictures of videos go: one file for each, and none over a video."""

import collections
import os
from collections.abc import Sequence
from pathlib import Path

from tfrecords_tools import storage, video


def targets(text: str, videos: Sequence[str | storage.AnyPath]) -> list[storage.AnyPath]:
    """Says where the picture of each video goes.

    Args:
        text: what a user names: a file for one video, or a folder, which is made where it is missing.
        videos: files, `-` for one that is piped in.

    Returns:
        As many files.

    Raises:
        ValueError: the suffix is no picture's, one file is named for several videos, or a video would be overwritten.
    """
    target = storage.path(text)
    if target.is_dir() or not target.suffix:
        target.mkdir(parents=True, exist_ok=True)
        found = [target / name for name in names(videos)]
    elif target.suffix not in (".png", *video.CODECS):
        raise ValueError(f"must end in .png, {' or '.join(video.CODECS)}, or be a folder, not {target}")
    elif len(videos) > 1:
        raise ValueError(f"takes a folder for {len(videos)} videos, not {target}")
    else:
        found = [target] * len(videos)
    originals = {_identity(path) for path in videos}
    for path in found:
        if _identity(path) in originals:
            raise ValueError(f"would replace the video {path} by its picture: name another place")
    return found


def _identity(path: str | storage.AnyPath) -> str:
    return os.path.realpath(path) if isinstance(path, Path) else str(path)


def names(videos: Sequence[str | storage.AnyPath], suffix: str = ".mp4") -> list[str]:
    """Gives each video a file name of its own: its own name, with its folder's or a number where that is not enough."""
    stems = [storage.path(str(path)).stem if str(path) != "-" else "piped" for path in videos]
    doubled = {stem for stem, count in collections.Counter(stem.lower() for stem in stems).items() if count > 1}
    taken: set[str] = set()
    found = []
    for path, stem in zip(videos, stems, strict=True):
        first = f"{storage.path(str(path)).parent.name}_{stem}" if stem.lower() in doubled else stem
        name, number = first, 1
        while name.lower() in taken:  # some file systems do not tell capitals apart
            number += 1
            name = f"{first}_{number}"
        taken.add(name.lower())
        found.append(name + suffix)
    return found
