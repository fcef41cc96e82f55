import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfrecords_tools import schema, stacks


def _record(num_frames: int = 12, **changes) -> schema.VideoRecord:
    num_fields = num_frames - 1
    values = {
        "example_id": "wave/stra\u00dfe \u65e5\u672c #1",
        "media_id": "stra\u00dfe \u65e5\u672c #1",
        "data_path": "wave/stra\u00dfe \u65e5\u672c #1.avi",
        "label_indices": (3, 1),
        "label_strings": ("wave", "h\u00fcpfen"),
        "group": "film & more",
        "height": 48,
        "width": 64,
        "frame_rate": 29.97,
        "frames": tuple(b"frame%d\x00\xff" % i for i in range(num_frames)),
        "frame_timestamps": tuple(range(0, 40000 * num_frames, 40000)),
        "flow": tuple(b"field%d" % i for i in range(num_fields)),
        "flow_timestamps": tuple(range(0, 40000 * num_fields, 40000)),
        "stack_starts": tuple(stacks.stack_starts(np.arange(num_frames), num_fields).tolist()),
    }
    return schema.VideoRecord(**{**values, **changes})


@pytest.mark.parametrize("num_frames", [1, 2, 12])
@pytest.mark.parametrize("labels", [((3, 1), ("wave", "h\u00fcpfen")), ((), ())])
def test_deserialise_is_the_inverse_of_serialise(num_frames, labels):
    record = _record(num_frames, label_indices=labels[0], label_strings=labels[1])
    assert schema.deserialise(schema.serialise(record)) == record


def test_segments_are_kept():
    record = _record(
        segment_starts=(0, 5000000),
        segment_ends=(2500000, 5000001),
        segment_label_indices=(3, 1),
        segment_label_strings=("wave", "h\u00fcpfen"),
    )
    data = schema.serialise(record)
    assert schema.deserialise(data) == record
    context = tf.train.SequenceExample.FromString(data).context.feature
    assert list(context["segment/end/timestamp"].int64_list.value) == [2500000, 5000001]
    assert (
        "segment/start/timestamp"
        not in tf.train.SequenceExample.FromString(schema.serialise(_record())).context.feature
    )
    with pytest.raises(ValueError, match="`segment/label/string` must be as long as `segment/start/timestamp`"):
        _record(segment_starts=(0,), segment_ends=(1,), segment_label_indices=(3,))
    with pytest.raises(ValueError, match="`segment/end/timestamp` must lie after"):
        dataclasses.replace(record, segment_ends=(2500000, 5000000))


def test_frame_rate_is_what_a_record_can_hold():
    assert _record().frame_rate == np.float32(29.97)


def test_equal_records_give_equal_bytes():
    assert schema.serialise(_record()) == schema.serialise(_record())


@pytest.mark.parametrize("num_frames", [1, 2, 300])
def test_bytes_are_those_of_protobuf(num_frames):
    jpegs = tuple(bytes(size % 700) for size in range(0, 97 * num_frames, 97))  # lengths of one and of two bytes
    data = schema.serialise(_record(num_frames, frames=jpegs))
    again = tf.train.SequenceExample.FromString(data).SerializeToString(deterministic=True)
    assert data == again


def test_keys_are_those_of_media_sequence():
    example = tf.train.SequenceExample.FromString(schema.serialise(_record()))
    context = example.context.feature
    assert context["clip/label/text"].bytes_list.value[0] == b"wave"
    assert context["image/format"].bytes_list.value[0] == b"JPEG"
    assert context["image/channels"].int64_list.value[0] == 3
    assert context["FORWARD_FLOW/image/height"].int64_list.value[0] == 96
    assert context["FORWARD_FLOW/image/saturation"].float_list.value[0] == 20.0
    assert sorted(example.feature_lists.feature_list) == [
        "FORWARD_FLOW/image/encoded",
        "FORWARD_FLOW/image/timestamp",
        "FORWARD_FLOW/stack/start",
        "image/encoded",
        "image/timestamp",
    ]


@pytest.mark.parametrize("num_frames", [1, 12])
def test_parse_gives_what_was_serialised_eagerly_and_in_tf_data(num_frames):
    record = _record(num_frames)
    data = schema.serialise(record)
    dataset = tf.data.Dataset.from_tensors(data).map(schema.parse)
    for parsed in (schema.parse(tf.constant(data)), next(iter(dataset))):
        assert parsed["id"].numpy().decode() == record.example_id
        assert parsed["media_id"].numpy().decode() == record.media_id
        assert parsed["path"].numpy().decode() == record.data_path
        assert parsed["group"].numpy().decode() == record.group
        assert tuple(parsed["label"].numpy()) == record.label_indices
        assert tuple(text.decode() for text in parsed["label_string"].numpy()) == record.label_strings
        assert (parsed["height"], parsed["width"]) == (48, 64)
        assert parsed["frame_rate"].numpy() == np.float32(29.97)
        assert tuple(parsed["frames"].numpy()) == record.frames
        assert tuple(parsed["frame_timestamps"].numpy()) == record.frame_timestamps
        assert tuple(parsed["flow"].numpy()) == record.flow
        assert tuple(parsed["stack_starts"].numpy()) == record.stack_starts
        assert parsed["label"].dtype == tf.int64 and parsed["stack_starts"].dtype == tf.int64


def _damaged(damage) -> bytes:
    example = tf.train.SequenceExample.FromString(schema.serialise(_record()))
    damage(example)
    return example.SerializeToString()


CONTEXT_DAMAGE = {
    "clip/group": lambda feature: feature.pop("clip/group"),
    "image/height": lambda feature: feature["image/height"].bytes_list.value.append(b"48"),
    "image/width": lambda feature: feature["image/width"].int64_list.value.append(3),
    "FORWARD_FLOW/image/height": lambda feature: feature["FORWARD_FLOW/image/height"].int64_list.value.__setitem__(
        0, 48
    ),
    "FORWARD_FLOW/image/saturation": lambda f: f["FORWARD_FLOW/image/saturation"].float_list.value.__setitem__(0, 15.0),
    "clip/media_id": lambda feature: feature["clip/media_id"].bytes_list.value.__setitem__(0, b"\xff\xfe"),
    "clip/label/string": lambda feature: feature["clip/label/string"].bytes_list.value.pop(),
}
LIST_DAMAGE = {
    "image/encoded": lambda lists: lists.pop("image/encoded"),
    "image/timestamp": lambda lists: lists["image/timestamp"].feature.pop(),
    "FORWARD_FLOW/image/timestamp": lambda lists: lists["FORWARD_FLOW/image/timestamp"].feature.pop(),
    "FORWARD_FLOW/stack/start": lambda x: x["FORWARD_FLOW/stack/start"].feature[0].int64_list.value.__setitem__(0, 2),
    "FORWARD_FLOW/image/encoded": lambda x: x["FORWARD_FLOW/image/encoded"].feature[2].bytes_list.value.append(b"x"),
}


@pytest.mark.parametrize("key", CONTEXT_DAMAGE)
def test_a_damaged_context_is_refused_by_its_key(key):
    with pytest.raises(ValueError, match=f"`{key}`"):
        schema.deserialise(_damaged(lambda example: CONTEXT_DAMAGE[key](example.context.feature)))


def test_a_saturation_above_ours_is_refused_too():
    key = "FORWARD_FLOW/image/saturation"
    with pytest.raises(ValueError, match=f"`{key}` must be 20.0. Received: 25.0"):
        schema.deserialise(_damaged(lambda example: example.context.feature[key].float_list.value.__setitem__(0, 25.0)))


@pytest.mark.parametrize("key", LIST_DAMAGE)
def test_a_damaged_list_is_refused_by_its_key(key):
    with pytest.raises(ValueError, match=f"`{key}`"):
        schema.deserialise(_damaged(lambda example: LIST_DAMAGE[key](example.feature_lists.feature_list)))


def test_bytes_that_are_no_record_are_refused():
    with pytest.raises(ValueError, match="SequenceExample"):
        schema.deserialise(b"\xff\xff not a record")


@pytest.mark.parametrize("size", [{"height": 0}, {"width": 0}, {"height": -3, "width": -3}], ids=str)
def test_a_size_that_is_not_positive_is_refused(size):
    with pytest.raises(ValueError, match="`image/height` and `image/width` must be positive"):
        dataclasses.replace(_record(), **size)


def test_a_record_without_frames_is_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        dataclasses.replace(_record(1), frames=(), frame_timestamps=(), stack_starts=())
