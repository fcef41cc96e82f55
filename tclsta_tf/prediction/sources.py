"""From what a user names to video files: files, folders, patterns, and what is piped in."""

import contextlib
import dataclasses
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from tfrecords_tools import storage, video

PIPE = "-"
_WILDCARDS = frozenset("*?[")


@dataclasses.dataclass(frozen=True)
class Found:
    """What the operands name.

    Attributes:
        videos: files in the order they are named, each once; `PIPE` for the standard input.
        errors: one line for each operand that names none.
    """

    videos: tuple[str | storage.AnyPath, ...]
    errors: tuple[str, ...]


def find(operands: Sequence[str], is_video: Callable[[storage.AnyPath], bool]) -> Found:
    """Finds the videos.

    Args:
        operands: files; folders, which are searched down to the bottom; patterns with `*`, `?`, `[...]`, and `**` for
            any folders, which stand for the video files and folders that match; `-` for the standard input. A file
            that is named is taken whatever its suffix, and whether or not it is there: opening it will tell.
        is_video: whether something that lies in a folder is a video.

    Returns:
        The videos.

    Raises:
        ValueError: a path has a scheme that is not known.
    """
    videos: dict[str, str | storage.AnyPath] = {}
    errors = []
    for operand in operands:
        if operand == PIPE:
            videos[PIPE] = PIPE
            continue
        path = storage.path(operand)
        if path.is_dir():
            found, missing = _inside(path, is_video), f"{operand}: the folder holds no video file"
        elif _WILDCARDS & set(operand) and not path.exists():
            found, missing = _matching(path, is_video), f"{operand}: no video file matches"
        else:
            found, missing = [path], ""
        if not found:
            errors.append(missing)
        for file in found:
            videos.setdefault(os.path.abspath(file) if isinstance(file, Path) else str(file), file)
    return Found(tuple(videos.values()), tuple(errors))


def _inside(folder: storage.AnyPath, is_video: Callable[[storage.AnyPath], bool]) -> list[storage.AnyPath]:
    files: Iterator[storage.AnyPath] = iter(folder.rglob("*"))
    visible = (file for file in files if not _is_hidden(file, folder))
    return sorted((file for file in visible if is_video(file)), key=str)


def _is_hidden(file: storage.AnyPath, folder: storage.AnyPath) -> bool:
    inner = PurePosixPath(str(file)[len(str(folder)) :])
    return any(part.startswith(".") for part in inner.parts)


def _matching(pattern: storage.AnyPath, is_video: Callable[[storage.AnyPath], bool]) -> list[storage.AnyPath]:
    matches: list[storage.AnyPath]
    if isinstance(pattern, Path):
        matches = [Path(name) for name in glob.glob(str(pattern), recursive=True)]
    else:
        folder: storage.AnyPath = pattern
        while _WILDCARDS & set(str(folder)):
            folder = folder.parent
        inner = str(pattern)[len(str(folder)) :].lstrip("/")
        asks_for_hidden = any(part.startswith(".") for part in inner.split("/"))
        matches = [match for match in folder.glob(inner) if asks_for_hidden or not _is_hidden(match, folder)]
    found: dict[str, storage.AnyPath] = {}
    for match in sorted(matches, key=str):
        for file in _inside(match, is_video) if match.is_dir() else [match] if is_video(match) else []:
            found.setdefault(str(file), file)
    return list(found.values())


@contextlib.contextmanager
def spooled(pipe: BinaryIO) -> Iterator[Path]:
    """Writes what is piped in to a temporary file, since a decoder reads a video more than once.

    Args:
        pipe: the bytes of a video file.

    Raises:
        tfrecords_tools.video.VideoError: there is no pipe, but a person at a keyboard.
    """
    if pipe.isatty():
        raise video.VideoError(PIPE, "nothing is piped in; expected `... < clip.mp4`")
    with tempfile.TemporaryDirectory(prefix="tclsta-") as folder:
        file = Path(folder) / "piped"
        with file.open("wb") as copy:
            shutil.copyfileobj(pipe, copy)
        yield file
