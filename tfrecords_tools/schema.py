"""The record: one `tf.train.SequenceExample` per video, under MediaPipe's media-sequence keys.

`serialise` and `deserialise` are inverse to each other and work on plain Python values; `parse` reads the same bytes
inside a TensorFlow graph, for tf.data and for serving. Which frames and fields a record holds, and which make up a
stack, is said in `stacks`.

Letters: n frames and F flow fields of a video, L fields in a stack, K sampled positions.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import message

STACK_LENGTH = 10
"""L, the number of consecutive flow fields in the input of the motion stream."""

FLOW_SATURATION = 20.0
"""Flow is clipped to [-20, 20] pixels per frame before it is stored in 8 bits."""

EXAMPLE_ID = "example/id"
MEDIA_ID = "clip/media_id"
DATA_PATH = "clip/data_path"
LABEL_INDEX = "clip/label/index"
LABEL_STRING = "clip/label/string"
LABEL_TEXT = "clip/label/text"  # The same strings again, under the key that dmvr reads.
GROUP = "clip/group"
FORMAT = "image/format"
HEIGHT = "image/height"
WIDTH = "image/width"
CHANNELS = "image/channels"
FRAME_RATE = "image/frame_rate"
FRAMES = "image/encoded"
FRAME_TIMESTAMPS = "image/timestamp"
FLOW = "FORWARD_FLOW/image/encoded"
FLOW_TIMESTAMPS = "FORWARD_FLOW/image/timestamp"
FLOW_FORMAT = "FORWARD_FLOW/image/format"
FLOW_HEIGHT = "FORWARD_FLOW/image/height"  # Of the stored image, u above v: twice `image/height`.
FLOW_WIDTH = "FORWARD_FLOW/image/width"
SATURATION = "FORWARD_FLOW/image/saturation"
STACK_STARTS = "FORWARD_FLOW/stack/start"
# When classes are to be seen; these keys are there only where that is known.
SEGMENT_STARTS = "segment/start/timestamp"
SEGMENT_ENDS = "segment/end/timestamp"
SEGMENT_LABEL_INDEX = "segment/label/index"
SEGMENT_LABEL_STRING = "segment/label/string"


FeatureMap = Mapping[str, tf.train.Feature]


@dataclasses.dataclass(frozen=True)
class VideoRecord:
    """What is stored of one video.

    Attributes:
        example_id: Unique name of the video within its dataset.
        media_id: Name of the media file, without folder and suffix.
        data_path: Path of the video file relative to the dataset's folder, with forward slashes.
        label_indices: Class indices, lines of labels.txt counted from 0. Empty where no label is known.
        label_strings: Class names, in the order of `label_indices`.
        group: Clips of one group (one source film, one person) must not be split over training and test. May be "".
        height: Frame height in pixels, as stored.
        width: Frame width in pixels, as stored.
        frame_rate: Frames per second of the video, rounded to float32, which is what a record can hold.
        frames: n RGB JPEGs.
        frame_timestamps: Time of each stored frame in microseconds.
        flow: F grey JPEGs of size [2 * height, width], u above v; in pixels per frame at stored resolution.
        flow_timestamps: Time of each field's first frame in microseconds.
        stack_starts: For each stored frame, the index into `flow` of the first field of its stack.
        segment_starts: Start of each annotated segment in microseconds from the start of the video.
        segment_ends: Their ends, after the starts.
        segment_label_indices: Their class indices.
        segment_label_strings: Their class names.
    """

    example_id: str
    media_id: str
    data_path: str
    label_indices: tuple[int, ...]
    label_strings: tuple[str, ...]
    group: str
    height: int
    width: int
    frame_rate: float
    frames: Sequence[bytes]
    frame_timestamps: tuple[int, ...]
    flow: Sequence[bytes]
    flow_timestamps: tuple[int, ...]
    stack_starts: tuple[int, ...]
    segment_starts: tuple[int, ...] = ()
    segment_ends: tuple[int, ...] = ()
    segment_label_indices: tuple[int, ...] = ()
    segment_label_strings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "frame_rate", float(np.float32(self.frame_rate)))
        if not self.frames:
            raise ValueError(f"A record needs at least one frame in `{FRAMES}`. Received: none for {self.example_id!r}")
        if self.height < 1 or self.width < 1:
            raise ValueError(
                f"`{HEIGHT}` and `{WIDTH}` must be positive. Received: {self.height}, {self.width} "
                f"for {self.example_id!r}"
            )
        for key, received, other_key, expected in (
            (FRAME_TIMESTAMPS, self.frame_timestamps, FRAMES, self.frames),
            (STACK_STARTS, self.stack_starts, FRAMES, self.frames),
            (FLOW_TIMESTAMPS, self.flow_timestamps, FLOW, self.flow),
            (LABEL_STRING, self.label_strings, LABEL_INDEX, self.label_indices),
            (SEGMENT_ENDS, self.segment_ends, SEGMENT_STARTS, self.segment_starts),
            (SEGMENT_LABEL_INDEX, self.segment_label_indices, SEGMENT_STARTS, self.segment_starts),
            (SEGMENT_LABEL_STRING, self.segment_label_strings, SEGMENT_STARTS, self.segment_starts),
        ):
            if len(received) != len(expected):
                raise ValueError(
                    f"`{key}` must be as long as `{other_key}` ({len(expected)}). Received: {len(received)} values "
                    f"for {self.example_id!r}"
                )
        for start, end in zip(self.segment_starts, self.segment_ends, strict=True):
            if not 0 <= start < end:
                raise ValueError(
                    f"`{SEGMENT_ENDS}` must lie after `{SEGMENT_STARTS}`, which is 0 or more. "
                    f"Received: {start} to {end} for {self.example_id!r}"
                )
        last_start = max(0, len(self.flow) - STACK_LENGTH)
        for start in self.stack_starts:
            if not 0 <= start <= last_start:
                raise ValueError(
                    f"`{STACK_STARTS}` must lie in [0, {last_start}] where {len(self.flow)} fields are stored. "
                    f"Received: {start} for {self.example_id!r}"
                )


def serialise(record: VideoRecord) -> bytes:
    """Writes a record as the bytes of a `tf.train.SequenceExample`; equal records give equal bytes."""
    return b"".join(encode(record))


def encode(record: VideoRecord) -> Iterator[bytes]:
    """Gives the bytes of `serialise` piece by piece, so that never more than one JPEG is held.

    The frame of the message is put together here, as protobuf would, which can only do it for whole messages. The order
    of its keys is the alphabet's, so that equal records give equal bytes.
    """
    context = {
        EXAMPLE_ID: _text(record.example_id),
        MEDIA_ID: _text(record.media_id),
        DATA_PATH: _text(record.data_path),
        LABEL_INDEX: _ints(*record.label_indices),
        LABEL_STRING: _text(*record.label_strings),
        LABEL_TEXT: _text(*record.label_strings),
        GROUP: _text(record.group),
        FORMAT: _text("JPEG"),
        HEIGHT: _ints(record.height),
        WIDTH: _ints(record.width),
        CHANNELS: _ints(3),
        FRAME_RATE: _floats(record.frame_rate),
        FLOW_FORMAT: _text("JPEG"),
        FLOW_HEIGHT: _ints(2 * record.height),
        FLOW_WIDTH: _ints(record.width),
        SATURATION: _floats(FLOW_SATURATION),
    }
    if record.segment_starts:
        context |= {
            SEGMENT_STARTS: _ints(*record.segment_starts),
            SEGMENT_ENDS: _ints(*record.segment_ends),
            SEGMENT_LABEL_INDEX: _ints(*record.segment_label_indices),
            SEGMENT_LABEL_STRING: _text(*record.segment_label_strings),
        }
    yield tf.train.SequenceExample(context=tf.train.Features(feature=context)).SerializeToString(deterministic=True)
    images = {FRAMES: record.frames, FLOW: record.flow}
    numbers = {
        FRAME_TIMESTAMPS: record.frame_timestamps,
        FLOW_TIMESTAMPS: record.flow_timestamps,
        STACK_STARTS: record.stack_starts,
    }
    # Of each list: what stands before each of its pieces, the pieces, and the length of it all.
    lists: dict[str, tuple[Sequence[bytes], Sequence[bytes], int]] = {}
    headers: Sequence[bytes]
    for key, values in images.items():
        # FeatureList.feature > Feature.bytes_list > BytesList.value: three headers before each JPEG.
        headers = [_header(1, 1, 1, size=size) for size in _sizes(values)]
        lists[key] = headers, values, sum(map(len, headers)) + sum(_sizes(values))
    for key, integers in numbers.items():
        packed = tf.train.FeatureList(feature=[_ints(value) for value in integers]).SerializeToString()
        lists[key] = (b"",), (packed,), len(packed)
    starts = {}
    for key, (_, _, length) in lists.items():
        name = _header(1, size=len(key)) + key.encode("ascii") + _header(2, size=length)
        starts[key] = _header(1, size=len(name) + length) + name
    yield _header(2, size=sum(len(starts[key]) + length for key, (_, _, length) in lists.items()))
    for key, (headers, pieces, _) in sorted(lists.items()):
        yield starts[key]
        for header, piece in zip(headers, pieces, strict=True):
            yield header
            yield piece


def deserialise(data: bytes) -> VideoRecord:
    """Reads a record back, checking everything that its keys promise.

    Args:
        data: Bytes of one `tf.train.SequenceExample`.

    Returns:
        The record that `serialise` was given.

    Raises:
        ValueError: A key is missing or malformed; the message names it.
    """
    try:
        example = tf.train.SequenceExample.FromString(data)
    except message.DecodeError as error:
        raise ValueError(
            f"A record must be a serialised tf.train.SequenceExample. Received: {len(data)} bytes that are not"
        ) from error
    context, lists = example.context.feature, example.feature_lists.feature_list
    height, width = _one(context, HEIGHT, "int64_list"), _one(context, WIDTH, "int64_list")
    for key, expected in ((FLOW_HEIGHT, 2 * height), (FLOW_WIDTH, width)):
        if (received := _one(context, key, "int64_list")) != expected:
            raise ValueError(f"`{key}` must be {expected} where frames are {height} x {width}. Received: {received}")
    if (saturation := _one(context, SATURATION, "float_list")) != FLOW_SATURATION:
        raise ValueError(f"`{SATURATION}` must be {FLOW_SATURATION}. Received: {saturation}")
    segments: dict[str, list] = {
        key: _values(context, key, kind) if key in context else []
        for key, kind in (
            (SEGMENT_STARTS, "int64_list"),
            (SEGMENT_ENDS, "int64_list"),
            (SEGMENT_LABEL_INDEX, "int64_list"),
            (SEGMENT_LABEL_STRING, "bytes_list"),
        )
    }
    return VideoRecord(
        example_id=_string(context, EXAMPLE_ID),
        media_id=_string(context, MEDIA_ID),
        data_path=_string(context, DATA_PATH),
        label_indices=tuple(_values(context, LABEL_INDEX, "int64_list")),
        label_strings=tuple(_decode(value, LABEL_STRING) for value in _values(context, LABEL_STRING, "bytes_list")),
        group=_string(context, GROUP),
        height=height,
        width=width,
        frame_rate=_one(context, FRAME_RATE, "float_list"),
        frames=_sequence(lists, FRAMES, "bytes_list"),
        frame_timestamps=_sequence(lists, FRAME_TIMESTAMPS, "int64_list"),
        flow=_sequence(lists, FLOW, "bytes_list"),
        flow_timestamps=_sequence(lists, FLOW_TIMESTAMPS, "int64_list"),
        stack_starts=_sequence(lists, STACK_STARTS, "int64_list"),
        segment_starts=tuple(segments[SEGMENT_STARTS]),
        segment_ends=tuple(segments[SEGMENT_ENDS]),
        segment_label_indices=tuple(segments[SEGMENT_LABEL_INDEX]),
        segment_label_strings=tuple(_decode(value, SEGMENT_LABEL_STRING) for value in segments[SEGMENT_LABEL_STRING]),
    )


def parse(serialised: tf.Tensor) -> dict[str, tf.Tensor]:
    """Reads a record inside a TensorFlow graph; frames and fields stay encoded (see `codec`).

    Args:
        serialised: string [], one record.

    Returns:
        `id`, `media_id`, `path`, `group`: string []; `label`: int64 [k]; `label_string`: string [k];
        `height`, `width`: int64 []; `frame_rate`: float32 []; `frames`: string [n]; `frame_timestamps`: int64 [n];
        `flow`: string [F]; `stack_starts`: int64 [n].
    """
    text, integer = tf.io.FixedLenFeature([], tf.string), tf.io.FixedLenFeature([], tf.int64)
    context, lists = tf.io.parse_single_sequence_example(
        serialised,
        context_features={
            EXAMPLE_ID: text,
            MEDIA_ID: text,
            DATA_PATH: text,
            LABEL_INDEX: tf.io.RaggedFeature(tf.int64),
            LABEL_STRING: tf.io.RaggedFeature(tf.string),
            GROUP: text,
            HEIGHT: integer,
            WIDTH: integer,
            FRAME_RATE: tf.io.FixedLenFeature([], tf.float32),
        },
        sequence_features={
            FRAMES: tf.io.FixedLenSequenceFeature([], tf.string),
            FRAME_TIMESTAMPS: tf.io.FixedLenSequenceFeature([], tf.int64),
            FLOW: tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True),  # None in a video of one frame.
            STACK_STARTS: tf.io.FixedLenSequenceFeature([], tf.int64),
        },
    )
    return {
        "id": context[EXAMPLE_ID],
        "media_id": context[MEDIA_ID],
        "path": context[DATA_PATH],
        "label": context[LABEL_INDEX],
        "label_string": context[LABEL_STRING],
        "group": context[GROUP],
        "height": context[HEIGHT],
        "width": context[WIDTH],
        "frame_rate": context[FRAME_RATE],
        "frames": lists[FRAMES],
        "frame_timestamps": lists[FRAME_TIMESTAMPS],
        "flow": lists[FLOW],
        "stack_starts": lists[STACK_STARTS],
    }


def _header(*fields: int, size: int) -> bytes:
    """Gives what stands before `size` bytes that are nested in protobuf fields of these numbers, outermost first."""
    header = b""
    for field in reversed(fields):
        header = bytes([field << 3 | 2]) + _varint(size + len(header)) + header
    return header


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _sizes(values: Sequence[bytes]) -> list[int]:
    known = getattr(values, "sizes", None)  # of a `spool.Spool`, which would have to be read
    return known() if known else [len(value) for value in values]


def _bytes(*values: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _text(*values: str) -> tf.train.Feature:
    return _bytes(*(value.encode("utf-8") for value in values))


def _ints(*values: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(*values: float) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _feature_values(feature: tf.train.Feature, key: str, kind: str) -> list:
    # An empty list may come without its kind, which protobuf then reports as None.
    if (received := feature.WhichOneof("kind")) not in (kind, None):
        raise ValueError(f"`{key}` must hold a {kind}. Received: {received}")
    return list(getattr(feature, kind).value)


def _values(context: FeatureMap, key: str, kind: str) -> list:
    # `in` first: reading a protobuf map adds the key.
    if key not in context:
        raise ValueError(f"`{key}` is missing from the record's context")
    return _feature_values(context[key], key, kind)


def _one(context: FeatureMap, key: str, kind: str) -> Any:
    values = _values(context, key, kind)
    if len(values) != 1:
        raise ValueError(f"`{key}` must hold one value. Received: {len(values)}")
    return values[0]


def _decode(value: bytes, key: str) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"`{key}` must be UTF-8 text. Received: {value!r}") from error


def _string(context: FeatureMap, key: str) -> str:
    return _decode(_one(context, key, "bytes_list"), key)


def _sequence(lists: Mapping[str, tf.train.FeatureList], key: str, kind: str) -> tuple:
    if key not in lists:
        raise ValueError(f"`{key}` is missing from the record's feature lists")
    steps = [_feature_values(feature, key, kind) for feature in lists[key].feature]
    if any(len(step) != 1 for step in steps):
        raise ValueError(f"`{key}` must hold one value per step. Received: lengths {[len(step) for step in steps]}")
    return tuple(step[0] for step in steps)
