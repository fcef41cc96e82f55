"""Truncated video files, found by what their containers promise.

Decoders read a truncated file up to its end and then stop as at any other end, and the number of frames in a header is
not to be relied on. The sizes of a container's top-level parts are: where they reach past the end of the file, a part
of the video is lost.
"""

import os
from pathlib import Path
from typing import BinaryIO

_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"moof")
_OPEN_END = 0xFFFFFFFF  # A RIFF writer that could not seek back leaves the size unknown.


def missing_bytes(path: str | Path) -> int:
    """Counts the bytes that a file lacks, for AVI (RIFF) and MP4, MOV (ISO base media); 0 for all others.

    Args:
        path: A video file.

    Returns:
        Bytes from the end of the file to where its container ends, 0 where nothing is missing.

    Raises:
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(8)
        if head[:4] == b"RIFF":
            end = _riff_end(file, size)
        elif head[4:8] in _MP4_BOXES:
            end = _mp4_end(file, size)
        else:
            end = size
    return max(0, end - size)


def _riff_end(file: BinaryIO, size: int) -> int:
    end = 0
    while end < size:
        file.seek(end)
        header = file.read(8)
        if header[:4] != b"RIFF":  # Padding or a tag after the last chunk is nobody's loss.
            return size
        length = int.from_bytes(header[4:8], "little")
        if length in (0, _OPEN_END):
            return size
        end += 8 + length
        if end < size:
            end += length % 2  # Chunks start at even offsets; the last one's padding is often left out.
    return end


def _mp4_end(file: BinaryIO, size: int) -> int:
    end = 0
    while end + 8 <= size:
        file.seek(end)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:  # The size stands in the 64 bits after the type.
            length = int.from_bytes(header[8:16], "big")
        if length < 8:  # 0: the box reaches to the end of the file.
            return size
        end += length
    return end
