"""Byte strings put aside, so that a long video needs no more memory than a short one."""

import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

from tfrecords_tools import remote_path

_IN_MEMORY = 2**25
"""Bytes up to which a spool stays in memory: 32 MB hold most clips."""


def collect(folder: Path | None) -> "list[bytes] | Spool":
    """Gives what byte strings are appended to: a spool in a folder, or without one a list, which stays in memory."""
    return Spool(folder) if folder else []


class Spool(Sequence[bytes]):
    """A sequence of byte strings that grows at its end and moves to a file when it gets large.

    Args:
        folder: Where that file lies. It has no name, and is gone with the object or the process.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.SpooledTemporaryFile(
            max_size=_IN_MEMORY, dir=str(folder), prefix=remote_path.TEMPORARY_PREFIX
        )
        weakref.finalize(self, self._file.close)
        self._ends = [0]

    def append(self, value: bytes) -> None:
        """Adds a byte string."""
        self._file.seek(self._ends[-1])
        self._file.write(value)
        self._ends.append(self._ends[-1] + len(value))

    def sizes(self) -> list[int]:
        """Gives the length of each byte string, without reading any."""
        return [end - start for start, end in zip(self._ends, self._ends[1:], strict=False)]

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        self._file.seek(self._ends[place])
        return self._file.read(self._ends[place + 1] - self._ends[place])

    def __iter__(self) -> Iterator[bytes]:
        return (self[i] for i in range(len(self)))
