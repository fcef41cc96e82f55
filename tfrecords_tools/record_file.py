"""TFRecord files, written piece by piece.

TensorFlow's writer takes a record as one byte string. A record of ours holds all JPEGs of a video, half a gigabyte for
ten minutes, and need never be in memory as a whole.
"""

import struct
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import google_crc32c

_MASK = 0xA282EAD8


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


def _masked(checksum: int) -> bytes:
    """Packs a CRC-32C in the rotated form that the format stores, since data may hold checksums of its own."""
    return struct.pack("<I", (((checksum >> 15) | (checksum << 17)) + _MASK) & 0xFFFFFFFF)
