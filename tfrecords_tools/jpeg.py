"""JPEG files as bytes: what their headers say, and two grey ones joined into one without decoding them."""

import dataclasses
import struct
from collections.abc import Iterator

_SOI, _EOI, _SOS, _DQT, _DHT, _DRI, _RST0 = b"\xff\xd8", b"\xff\xd9", 0xDA, 0xDB, 0xC4, 0xDD, b"\xff\xd0"
_BASELINE = 0xC0
# Start-of-frame markers are C0 to CF but for those of tables (C4, CC) and of extensions (C8).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BLOCK = 8  # pixels
_MAX_INTERVAL = 65535  # blocks between restart markers


class JpegError(ValueError):
    """Bytes that are no JPEG, or not the kind of JPEG that is wanted."""


@dataclasses.dataclass(frozen=True)
class Size:
    """Size of an image.

    Attributes:
        height: In pixels.
        width: In pixels.
        channels: 1 for grey, 3 for colour.
    """

    height: int
    width: int
    channels: int


def read_size(data: bytes) -> Size:
    """Reads the size from a JPEG's header.

    Raises:
        JpegError: It is no JPEG, or neither grey nor of three colours.
    """
    for marker, body in _segments(data):
        if marker in _FRAMES:
            size = _size(body)
            if size.channels not in (1, 3):
                raise JpegError(f"it has {size.channels} channels; grey and colour images are taken")
            return size
    raise JpegError("it has no frame header")


def join(top: bytes, bottom: bytes) -> bytes:
    """Joins two grey JPEGs of one size into a JPEG of twice the height, without any loss.

    Their compressed data is copied as it is, with a restart marker between: at such a marker a decoder starts anew, as
    it does at the beginning of an image.

    Args:
        top: A grey baseline JPEG whose height is a multiple of 8 pixels.
        bottom: Another one, compressed with the same tables.

    Returns:
        A grey baseline JPEG.

    Raises:
        JpegError: They are not of this kind; the message says why.
    """
    header, bottom_header = _Header.read(top), _Header.read(bottom)
    if header.size != bottom_header.size:
        raise JpegError("its two components differ in size")
    if header.tables != bottom_header.tables:
        raise JpegError("its two components are compressed with different tables")
    if header.size.height % _BLOCK:
        raise JpegError(f"its height {header.size.height} is not a multiple of {_BLOCK}")
    interval = (header.size.height // _BLOCK) * -(-header.size.width // _BLOCK)
    if interval > _MAX_INTERVAL:
        raise JpegError(f"it is larger than {_MAX_INTERVAL} blocks of {_BLOCK}x{_BLOCK} pixels")
    pieces = [_SOI]
    for marker, body in header.segments:
        if marker == _BASELINE:
            body = body[:1] + struct.pack(">H", 2 * header.size.height) + body[3:]
        if marker == _SOS:
            pieces.append(_segment(_DRI, struct.pack(">H", interval)))
        pieces.append(_segment(marker, body))
    return b"".join([*pieces, header.scan, _RST0, bottom_header.scan, _EOI])


@dataclasses.dataclass(frozen=True)
class _Header:
    """A grey baseline JPEG taken apart: size, all segments, those that decide how to decode, and compressed data."""

    size: Size
    segments: tuple[tuple[int, bytes], ...]
    tables: tuple[tuple[int, bytes], ...]
    scan: bytes

    @classmethod
    def read(cls, data: bytes) -> "_Header":
        segments = tuple(_segments(data))
        frames = [(marker, body) for marker, body in segments if marker in _FRAMES]
        if len(frames) != 1 or frames[0][0] != _BASELINE or segments[-1][0] != _SOS:
            raise JpegError("it is not a baseline JPEG")
        size = _size(frames[0][1])
        if size.channels != 1:
            raise JpegError(f"it has {size.channels} channels, and flow has one for each component")
        if any(marker == _DRI for marker, _ in segments):
            raise JpegError("it has restart intervals")
        start = 2 + sum(4 + len(body) for _, body in segments)
        end = data.rfind(_EOI)
        if end < start:
            raise JpegError("it is truncated")
        scan = data[start:end]
        if any(scan[i + 1] for i in _find_all(scan, 0xFF) if i + 1 < len(scan)):
            raise JpegError("it has several scans")
        kept = (_BASELINE, _DQT, _DHT, _SOS)
        return cls(size, segments, tuple((marker, body) for marker, body in segments if marker in kept), scan)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Gives marker and body of the segments up to the compressed data."""
    if data[:2] != _SOI:
        raise JpegError("it is not a JPEG")
    place = 2
    while True:
        if len(data) < place + 4 or data[place] != 0xFF:
            raise JpegError("its header is damaged")
        marker, length = data[place + 1], struct.unpack_from(">H", data, place + 2)[0]
        if length < 2 or len(data) < place + 2 + length:
            raise JpegError("its header is damaged")
        yield marker, data[place + 4 : place + 2 + length]
        if marker == _SOS:
            return
        place += 2 + length


def _size(body: bytes) -> Size:
    if len(body) < 6:
        raise JpegError("its header is damaged")
    height, width, channels = struct.unpack_from(">HHB", body, 1)
    if not height or not width:
        raise JpegError("its header is damaged")
    return Size(height, width, channels)


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", 2 + len(body)) + body


def _find_all(data: bytes, value: int) -> Iterator[int]:
    place = data.find(value)
    while place >= 0:
        yield place
        place = data.find(value, place + 1)
