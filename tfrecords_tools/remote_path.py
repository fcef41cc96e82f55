"""Files and folders on remote storage, with the methods of `pathlib.Path` that this project uses, over `tf.io.gfile`.

TensorFlow has `gs://` itself; `import tensorflow_io` registers `s3://`, `hdfs://` and `az://`. Both are loaded when a
file is first touched, not before, and once in every process: a path that was pickled works in a worker.
"""

import concurrent.futures
import contextlib
import ctypes
import errno
import fnmatch
import functools
import importlib.util
import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

_TENSORFLOW = ("gs", "ram")
_TENSORFLOW_IO = ("s3", "hdfs", "viewfs", "har", "az")
SCHEMES = (*_TENSORFLOW, *_TENSORFLOW_IO)
"""What stands before "://". "ram" is memory of this process, for tests."""

_OBJECT_STORES = ("s3", "gs", "az")
"""Here an object appears when it is whole, and a folder is there while something is in it. Others are file systems."""

_CHUNK = 2**20

TEMPORARY_PREFIX = "tfrecords-tools-"
"""Of temporary files and folders: what a killed process leaves behind can be told by it."""

REQUESTS = 32
"""Made at a time where many are to be made."""


class Status(NamedTuple):
    """What `RemotePath.stat` tells, by the names of `os.stat_result`.

    Attributes:
        st_size: Bytes.
        st_mtime: Time of the last change, seconds.
        st_mtime_ns: The same in nanoseconds; whole seconds where the storage keeps no more.
    """

    st_size: int
    st_mtime: float
    st_mtime_ns: int


@functools.total_ordering
class RemotePath:
    """A file or folder on remote storage.

    It is no `os.PathLike`, so that handing it to `open` or `os` is an error and no local folder named "s3:".

    Args:
        text: "scheme://authority/path"; the authority is the bucket, the account or the host.

    Raises:
        ValueError: The scheme is not known, or there is no bucket.
    """

    def __init__(self, text: str) -> None:
        scheme, _, rest = text.partition("://")
        authority, _, inner = rest.partition("/")
        if scheme not in SCHEMES:
            known = ", ".join(f"{name}://" for name in ("s3", "gs", "hdfs", "az"))
            raise ValueError(f"{text!r}: {scheme}:// is not known. A path is local, without a scheme, or {known}")
        if not authority and scheme in _OBJECT_STORES:
            raise ValueError(f"{text!r} names no bucket: expected {scheme}://BUCKET/PATH")
        self.scheme = scheme
        self._authority = authority
        self._inner = PurePosixPath("/", inner.lstrip("/"))
        self._is_dir: bool | None = None

    def __str__(self) -> str:
        return f"{self.scheme}://{self._authority}{self._inner}"

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __reduce__(self) -> tuple:
        return RemotePath, (str(self),)

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, RemotePath) else NotImplemented

    def __lt__(self, other: object) -> bool:
        return str(self) < str(other) if isinstance(other, RemotePath) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    def __truediv__(self, other: str | PurePosixPath) -> "RemotePath":
        return self._with(self._inner / other)

    @property
    def name(self) -> str:
        """The last component, "" for a bucket."""
        return self._inner.name

    @property
    def stem(self) -> str:
        """The last component without its suffix."""
        return self._inner.stem

    @property
    def suffix(self) -> str:
        """The last component's suffix with its dot."""
        return self._inner.suffix

    @property
    def parent(self) -> "RemotePath":
        """The folder it lies in; a bucket's parent is the bucket."""
        return self._with(self._inner.parent)

    def relative_to(self, folder: "RemotePath") -> PurePosixPath:
        """Gives the path from a folder above it."""
        return self._inner.relative_to(folder._inner)

    def with_name(self, name: str) -> "RemotePath":
        """Gives the path of a neighbour."""
        return self._with(self._inner.with_name(name))

    def absolute(self) -> "RemotePath":
        """Gives itself: no remote path starts from the working folder."""
        return self

    def check(self) -> "RemotePath":
        """Gives itself where its storage can be used, which is found out without loading TensorFlow.

        Raises:
            ValueError: tensorflow-io is needed and not installed.
        """
        if self.scheme in _TENSORFLOW_IO and importlib.util.find_spec("tensorflow_io") is None:
            raise ValueError(_missing(str(self)))
        return self

    def exists(self) -> bool:
        """Whether there is such a file or folder."""
        return self._status() is not None

    def is_file(self) -> bool:
        """Whether there is such a file."""
        found = self._status()
        return found is not None and not found.is_directory

    def is_dir(self) -> bool:
        """Whether there is such a folder; in an object store, whether an object lies below it."""
        if self._is_dir is not None:
            return self._is_dir
        found = self._status()
        return found is not None and found.is_directory

    def stat(self) -> Status:
        """Gives size and time.

        Raises:
            OSError: There is no such file, or it cannot be reached.
        """
        with _system_errors(self):
            found = self._gfile.stat(str(self))
        return Status(found.length, found.mtime_nsec / 1e9, found.mtime_nsec)

    def iterdir(self) -> Iterator["RemotePath"]:
        """Gives what lies in a folder, in no order.

        Raises:
            OSError: There is no such folder, or it cannot be reached.
        """
        with _system_errors(self):
            names = self._gfile.listdir(str(self))
        return (self / name.rstrip("/") for name in names if name.strip("/"))

    def children(self) -> list["RemotePath"]:
        """Gives what lies in a folder, sorted; each knows whether it is a folder, which is asked for all at once.

        Raises:
            OSError: There is no such folder, or it cannot be reached.
        """
        found = sorted(self.iterdir())
        with concurrent.futures.ThreadPoolExecutor(REQUESTS) as pool:
            for child, is_dir in zip(found, pool.map(RemotePath.is_dir, found), strict=True):
                child._is_dir = is_dir
        return found

    def glob(self, pattern: str) -> Iterator["RemotePath"]:
        """Gives what matches a pattern, component by component; nothing where the folder is missing."""
        head, _, rest = pattern.partition("/")
        if not rest or any(letter in head for letter in "*?["):
            children = [child for child in self._names() if fnmatch.fnmatchcase(child.name, head)]
        else:
            children = [self / head]  # Nothing to list.
        for child in children:
            if rest:
                yield from child.glob(rest)
            else:
                yield child

    def rglob(self, pattern: str) -> Iterator["RemotePath"]:
        """Gives what matches at any depth.

        Raises:
            OSError: There is no such folder, or it cannot be reached.
        """
        for child in self.children():
            if fnmatch.fnmatchcase(child.name, pattern):
                yield child
            if child.is_dir():
                yield from child.rglob(pattern)

    def mkdir(self, parents: bool = False, exist_ok: bool = False) -> None:
        """Makes a folder and those above it, where the storage has folders of their own."""
        if self.scheme not in _OBJECT_STORES:
            with _system_errors(self):
                self._gfile.makedirs(str(self))

    def open(self, mode: str = "r", encoding: str | None = None, newline: str | None = None) -> Any:
        """Opens a file to read, by way of a local copy without a name: any place of it can be read again and again.

        Raises:
            ValueError: The mode is for writing, see `write_text`.
            OSError: There is no such file, or it cannot be reached.
        """
        if mode not in ("r", "rb"):
            raise ValueError(f"`mode` must be 'r' or 'rb' for {self}. Received: mode={mode!r}")
        file = tempfile.TemporaryFile(prefix=TEMPORARY_PREFIX)
        try:
            self._read_into(file)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file if mode == "rb" else io.TextIOWrapper(file, encoding=encoding, newline=newline)

    def read_bytes(self) -> bytes:
        """Reads a whole file."""
        with self.open("rb") as file:
            return file.read()

    def read_text(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Reads a whole text file."""
        return self.read_bytes().decode(encoding, errors)

    def read_places(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Reads pieces of a file, and nothing else of it; see `storage.read_places`."""
        pieces = []
        with _system_errors(self), self._gfile.GFile(str(self), "rb") as file:
            for start, length in places:
                file.seek(start)
                pieces.append(file.read(length))
        return pieces

    def write_bytes(self, data: bytes) -> None:
        """Writes a whole file, which is there in full or not at all."""
        with tempfile.NamedTemporaryFile(prefix=TEMPORARY_PREFIX) as file:
            file.write(data)
            file.flush()
            self.upload(Path(file.name))

    def write_text(self, text: str, encoding: str = "utf-8") -> None:
        """Writes a whole text file, which is there in full or not at all."""
        self.write_bytes(text.encode(encoding))

    def upload(self, source: Path) -> None:
        """Copies a local file here, over what is there; it appears when it is whole.

        Raises:
            OSError: It cannot be written.
        """
        # A file system shows a file while it grows, and can rename it.
        partial = self if self.scheme in _OBJECT_STORES else self.with_name(f".{self.name}.tmp")
        with _system_errors(self):
            self._gfile.copy(str(source), str(partial), overwrite=True)
            if partial is not self:
                self._gfile.rename(str(partial), str(self), overwrite=True)

    def download(self, target: Path) -> None:
        """Copies the file to a local one.

        Raises:
            OSError: There is no such file, or it cannot be reached.
        """
        with target.open("wb") as file:
            self._read_into(file)

    def _read_into(self, file: IO[bytes]) -> None:
        with _system_errors(self), self._gfile.GFile(str(self), "rb") as source:
            while data := source.read(_CHUNK):
                file.write(data)

    def _status(self) -> Any:
        try:
            with _system_errors(self):
                return self._gfile.stat(str(self))
        except FileNotFoundError:
            return None

    def _names(self) -> list["RemotePath"]:
        try:
            return sorted(self.iterdir())
        except FileNotFoundError:
            return []

    def _with(self, inner: PurePosixPath) -> "RemotePath":
        return RemotePath(f"{self.scheme}://{self._authority}{inner}")

    @property
    def _gfile(self) -> Any:
        return _load(self.scheme)


def _missing(text: str) -> str:
    return (
        f"{text!r} needs tensorflow-io, which is not installed or does not load here. The default stack has it "
        "(requirements.txt on Python 3.11 and 3.12), the latest stack reads local and gs:// paths only"
    )


@functools.cache
def _load(scheme: str) -> Any:
    """Gives `tf.io.gfile` with the file system of a scheme registered, once in every process."""
    import tensorflow as tf

    if scheme in _TENSORFLOW_IO:
        try:
            import tensorflow_io  # noqa: F401 - importing it registers the file systems
        except Exception as error:  # On a TensorFlow that it does not fit, its libraries fail in many ways.
            raise ValueError(_missing(f"{scheme}://")) from error
        _skip_exit_handlers()
    if scheme not in tf.io.gfile.get_registered_schemes():
        raise ValueError(_missing(f"{scheme}://"))
    return tf.io.gfile


@functools.cache
def _skip_exit_handlers() -> None:
    """Ends the process before the exit handlers of tensorflow-io's library, which abort it after any use of S3.

    They turn every exit status into 134 (github.com/tensorflow/io/issues/2039). Handlers run last in, first out and
    after Python has ended its own work; `on_exit` passes the status on.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "on_exit"):
        libc.on_exit(libc._exit, None)


@contextlib.contextmanager
def _system_errors(where: RemotePath) -> Iterator[None]:
    """Turns TensorFlow's errors about files into Python's."""
    _load(where.scheme)
    import tensorflow as tf

    try:
        yield
    except tf.errors.NotFoundError as error:
        if "libhdfs" in str(error):  # Hadoop's library, not the file.
            raise OSError(errno.EIO, _first_line(error), str(where)) from error
        # S3 says this where nobody answers, too.
        reason = f"it is not there, or the storage does not answer: {_first_line(error)}"
        raise FileNotFoundError(errno.ENOENT, reason, str(where)) from error
    except (tf.errors.PermissionDeniedError, tf.errors.UnauthenticatedError) as error:
        raise PermissionError(errno.EACCES, _first_line(error), str(where)) from error
    except (tf.errors.OpError, RuntimeError) as error:  # For some codes TensorFlow has no class of its own.
        raise OSError(errno.EIO, _first_line(error), str(where)) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
