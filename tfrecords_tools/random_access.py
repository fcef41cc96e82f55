"""Single images of the videos of some shards, read from their places in the files.

A clip of ten frames needs a twentieth of what a record of a whole video holds.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from tfrecords_tools import manifest, record_file, schema, storage


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the images of a record lie in its file.

    Attributes:
        frames: int64 [n, 2], first byte and length of each frame's JPEG.
        flow: int64 [F, 2], the same of each flow field's.
        stack_starts: int64 [n], for each frame the first field of its stack.
        height: Height of the frames in pixels.
        width: Their width.
    """

    frames: np.ndarray
    flow: np.ndarray
    stack_starts: np.ndarray
    height: int
    width: int


class Reader:
    """Reads images of videos. Several threads may use one.

    A record is read whole when it is first needed, to compare its checksum and to learn where its images lie; after
    that only what is asked for is read.

    Args:
        shards: Files with the videos.
    """

    def __init__(self, shards: Sequence[manifest.Shard]) -> None:
        self._paths = [shard.path for shard in shards]
        self._records: dict[int, list[record_file.Span]] = {}
        self._layouts: dict[tuple[int, int], Layout] = {}

    def layout(self, shard: int, video: int) -> Layout:
        """Tells where the images of a video lie.

        Args:
            shard: Number of the shard.
            video: Number of the video in it.

        Raises:
            RecordFileError: The record is damaged.
            OSError: The file cannot be read.
        """
        place = shard, video
        if place not in self._layouts:
            path = self._paths[shard]
            if shard not in self._records:
                self._records[shard] = record_file.spans(path)
            span = self._records[shard][video]
            try:
                self._layouts[place] = find_images(record_file.read_span(path, span), span.start)
            except (LookupError, ValueError) as error:
                raise record_file.RecordFileError(f"{path}, record {video}: {error}") from error
        return self._layouts[place]

    def read(self, shard: int, video: int, key: str, indices: np.ndarray) -> list[bytes]:
        """Reads images.

        Args:
            shard: Number of the shard.
            video: Number of the video in it.
            key: `frames` or `flow`.
            indices: int [k], which of them.

        Returns:
            k JPEGs.

        Raises:
            RecordFileError: The record is damaged.
            OSError: The file cannot be read.
        """
        places = getattr(self.layout(shard, video), key)[indices]
        return storage.read_places(self._paths[shard], [(int(start), int(length)) for start, length in places])


def find_images(record: bytes, offset: int = 0) -> Layout:
    """Finds the images in a record without copying them.

    Args:
        record: A serialised `tf.train.SequenceExample`.
        offset: Where it starts in its file.

    Raises:
        ValueError: It is none, or a key is missing.
    """
    images = {schema.FRAMES: _NO_IMAGES, schema.FLOW: _NO_IMAGES}
    starts: list[int] = []
    size: tuple[int, int] | None = None
    # SequenceExample: 1 context, 2 feature_lists. FeatureLists: 1 entries of a map, each with 1 key and 2 value.
    for number, begin, end in _fields(record, 0, len(record)):
        if number == 1:
            context = tf.train.Features.FromString(record[begin:end]).feature
            size = (context[schema.HEIGHT].int64_list.value[0], context[schema.WIDTH].int64_list.value[0])
            continue
        for _, entry_begin, entry_end in _fields(record, begin, end):
            entry = {number: (first, last) for number, first, last in _fields(record, entry_begin, entry_end)}
            key, values = record[slice(*entry[1])].decode(), entry.get(2, (0, 0))
            if key in images:
                found = [_image(record, first, last) for _, first, last in _fields(record, *values)]
                images[key] = np.asarray(found, np.int64).reshape(-1, 2) + (offset, 0)
            elif key == schema.STACK_STARTS:
                numbers = tf.train.FeatureList.FromString(record[slice(*values)])
                starts = [value.int64_list.value[0] for value in numbers.feature]
    if size is None or not len(images[schema.FRAMES]):
        raise ValueError(f"`{schema.FRAMES}` is missing")
    return Layout(images[schema.FRAMES], images[schema.FLOW], np.asarray(starts, np.int64), *size)


_NO_IMAGES = np.zeros([0, 2], np.int64)


def _image(record: bytes, begin: int, end: int) -> tuple[int, int]:
    """Gives the place of the value in a Feature that holds one byte string: Feature.bytes_list > BytesList.value."""
    for _ in range(2):
        ((_, begin, end),) = _fields(record, begin, end)
    return begin, end - begin


def _fields(data: bytes, place: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Gives number, first byte and end of each field of a protobuf message whose fields all have a length."""
    while place < end:
        tag, place = _varint(data, place)
        if tag & 7 != 2:
            raise ValueError("the record is no tf.train.SequenceExample")
        length, place = _varint(data, place)
        if place + length > end:
            raise ValueError("the record is no tf.train.SequenceExample")
        yield tag >> 3, place, place + length
        place += length


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
