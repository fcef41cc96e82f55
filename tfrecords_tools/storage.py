"""Paths on this machine and on remote storage: `s3://`, `gs://`, `hdfs://`, `az://`.

`path` gives a `pathlib.Path` for a local path and a `RemotePath` for one with a scheme. What needs a real file (a
decoder, a writer that seeks) gets a local one: `staged` to read, `created` to write.
"""

import concurrent.futures
import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeAlias, TypeVar

from tfrecords_tools import remote_path

RemotePath = remote_path.RemotePath
AnyPath: TypeAlias = Path | remote_path.RemotePath
Answer = TypeVar("Answer")


def path(text: str | os.PathLike[str] | RemotePath) -> AnyPath:
    """Gives the path object of a path as a user writes it.

    Args:
        text: A local path, or one with a scheme.

    Returns:
        A `pathlib.Path` for a local path.

    Raises:
        ValueError: The scheme is not known, its slashes are wrong, or tensorflow-io is needed and missing.
    """
    if isinstance(text, RemotePath):
        return text
    text = os.fspath(text)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        return RemotePath(text).check()
    scheme, colon, _ = text.partition(":/")
    if colon and scheme in remote_path.SCHEMES:
        raise ValueError(f"{text!r} lacks a slash: expected {scheme}://BUCKET/PATH (or ./{text} for a local folder)")
    return Path(text)


def entries(folder: AnyPath, pattern: str = "") -> list[AnyPath]:
    """Gives what lies in a folder, sorted; with a pattern, what matches it, nothing where the folder is missing.

    Raises:
        OSError: There is no such folder, or it cannot be reached.
    """
    # One branch a kind, so that neither is sorted with the other.
    if isinstance(folder, RemotePath):
        return list(sorted(folder.glob(pattern)) if pattern else folder.children())
    return list(sorted(folder.glob(pattern) if pattern else folder.iterdir()))


def ask(question: Callable[[AnyPath], Answer], paths: Sequence[AnyPath]) -> list[Answer]:
    """Asks the same of many paths; where they are remote, of many at a time, since an answer takes its time.

    Args:
        question: About one path.
        paths: All local or all remote.

    Returns:
        The answers, in order.
    """
    if not any(isinstance(path, RemotePath) for path in paths):
        return [question(path) for path in paths]
    with concurrent.futures.ThreadPoolExecutor(remote_path.REQUESTS) as pool:
        return list(pool.map(question, paths))


def local(text: str | os.PathLike[str] | RemotePath, name: str) -> Path:
    """Gives a path that must be on this machine.

    Args:
        text: The path.
        name: Of the argument, for the error.

    Raises:
        ValueError: It is remote, or not a path.
    """
    found = path(text)
    if isinstance(found, RemotePath):
        raise ValueError(f"`{name}` must be a path on this machine, not on remote storage. Received: {name}={found}")
    return found


def local_folder(folder: AnyPath) -> Path:
    """Gives a local folder for temporary files: `folder` itself, or that of `TMPDIR` where it is remote."""
    return Path(tempfile.gettempdir()) if isinstance(folder, RemotePath) else folder


def read_places(source: AnyPath, places: Sequence[tuple[int, int]]) -> list[bytes]:
    """Reads pieces of a file.

    Args:
        source: The file.
        places: First byte and length of each piece.

    Returns:
        The pieces; one that reaches beyond the end of the file is shorter.

    Raises:
        OSError: There is no such file, or it cannot be reached.
    """
    if isinstance(source, RemotePath):
        return source.read_places(places)
    with source.open("rb", buffering=0) as file:
        return [os.pread(file.fileno(), length, start) for start, length in places]


@contextlib.contextmanager
def staged(source: AnyPath) -> Iterator[Path]:
    """Gives a file as one on this machine: itself, or a copy with the same name that is removed afterwards.

    Raises:
        OSError: A remote file is not there or cannot be reached.
    """
    if isinstance(source, Path):
        yield source
        return
    with _temporary_folder() as folder:
        copy = folder / source.name
        source.download(copy)
        yield copy


@contextlib.contextmanager
def created(target: AnyPath, partial: Path | None = None) -> Iterator[Path]:
    """Gives the local name under which to write a file or a folder; it takes its place when the block ends well.

    Otherwise it is removed.

    Args:
        target: Where it goes. A remote folder's files appear one by one, the topmost last.
        partial: The name where `target` is local; None is "partial-NAME" beside it.

    Raises:
        OSError: It cannot be put in its place.
    """
    if isinstance(target, Path):
        partial = partial or target.with_name(f"partial-{target.name}")
        try:
            yield partial
            os.replace(partial, target)
        except BaseException:
            _remove(partial)
            raise
        return
    with _temporary_folder() as folder:
        partial = folder / target.name
        yield partial
        if partial.is_dir():
            files = (file for file in partial.rglob("*") if file.is_file())
            for file in sorted(files, key=lambda file: (-len(file.parts), file.name)):
                (target / PurePosixPath(file.relative_to(partial))).upload(file)
        else:
            target.upload(partial)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=remote_path.TEMPORARY_PREFIX))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
