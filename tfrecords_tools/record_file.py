"""TFRecord files, written piece by piece and read with every checksum.

TensorFlow's writer takes a record as one byte string. A record of ours holds all JPEGs of a video, half a gigabyte for
ten minutes, and need never be in memory as a whole.
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import google_crc32c

from tfrecords_tools import storage

_MASK = 0xA282EAD8


class RecordFileError(ValueError):
    """A TFRecord file that is damaged; the message says where."""


class Span(NamedTuple):
    """Where a record lies in its file.

    Attributes:
        start: Its first byte.
        length: Bytes.
    """

    start: int
    length: int


class RecordWriter:
    """Writes a TFRecord file; the bytes are those that `tf.io.TFRecordWriter` would write.

    Args:
        path: The file; one that is there is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb")

    def __enter__(self) -> "RecordWriter":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def write(self, pieces: Iterable[bytes]) -> None:
        """Writes one record.

        Args:
            pieces: Byte strings that make up the record.
        """
        # Length and its checksum, the record, its checksum. The length is known when all pieces have been seen.
        start = self._file.tell()
        self._file.write(bytes(12))
        length, checksum = 0, 0
        for piece in pieces:
            self._file.write(piece)
            length += len(piece)
            checksum = google_crc32c.extend(checksum, piece)
        self._file.write(_masked(checksum))
        self._file.seek(start)
        packed = struct.pack("<Q", length)
        self._file.write(packed + _masked(google_crc32c.value(packed)))
        self._file.seek(0, 2)


def read(path: storage.AnyPath) -> Iterator[bytes]:
    """Reads the records of a file, checking both checksums of each.

    Args:
        path: The file.

    Yields:
        Records.

    Raises:
        RecordFileError: The file ends inside a record, or a checksum is wrong. Whatever comes behind cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        while start := file.read(12):
            place = file.tell() - len(start)
            length = _length(start, place)
            if length > size - file.tell() - 4:
                raise RecordFileError(f"at byte {place}: the file ends inside a record")
            data = file.read(length)
            if _masked(google_crc32c.value(data)) != file.read(4):
                raise RecordFileError(f"at byte {place}: the checksum of a record is wrong")
            yield data


def spans(path: storage.AnyPath) -> list[Span]:
    """Finds the records of a file by their lengths, without reading them.

    Args:
        path: The file.

    Raises:
        RecordFileError: The file ends inside a record, or a length is damaged.
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    found: list[Span] = []
    place = 0
    while place < size:
        length = _length(storage.read_places(path, [(place, 12)])[0], place)
        if length > size - place - 16:
            raise RecordFileError(f"at byte {place}: the file ends inside a record")
        found.append(Span(place + 12, length))
        place += length + 16
    return found


def read_span(path: storage.AnyPath, span: Span) -> bytes:
    """Reads one record, checking its checksum.

    Args:
        path: The file.
        span: Where the record lies.

    Raises:
        RecordFileError: The checksum is wrong.
        OSError: The file cannot be read.
    """
    data, checksum = storage.read_places(path, [span, (span.start + span.length, 4)])
    if _masked(google_crc32c.value(data)) != checksum:
        raise RecordFileError(f"at byte {span.start}: the checksum of a record is wrong")
    return data


def _length(start: bytes, place: int) -> int:
    """Reads what stands in front of a record at a place: its length, with a checksum."""
    if len(start) < 12 or _masked(google_crc32c.value(start[:8])) != start[8:]:
        raise RecordFileError(f"at byte {place}: no record starts here, or its length is damaged")
    return struct.unpack("<Q", start[:8])[0]


def _masked(checksum: int) -> bytes:
    """Packs a CRC-32C in the rotated form that the format stores, since data may hold checksums of its own."""
    return struct.pack("<I", (((checksum >> 15) | (checksum << 17)) + _MASK) & 0xFFFFFFFF)
