"""Images of records by their places: the same bytes as from the whole record, and no more read than is needed."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from tfrecords_tools import manifest, random_access, record_file, schema, storage


@pytest.fixture(scope="module")
def shards(tiny_records):
    return manifest.Manifest.load(tiny_records).shards


@pytest.fixture
def one(tiny_records, tmp_path):
    """A shard of its own to be damaged, and where its records lie."""
    shard = manifest.Manifest.load(tiny_records).shards[0]
    path = tmp_path / shard.path.name
    shutil.copy(shard.path, path)
    return manifest.Shard(path, shard.partition, shard.sha256, shard.bytes, shard.videos), record_file.spans(path)


def test_images_equal_those_of_the_whole_record(shards):
    reader = random_access.Reader(shards)
    for i, shard in enumerate(shards):
        for j, data in enumerate(record_file.read(shard.path)):
            record = schema.deserialise(data)
            layout = reader.layout(i, j)
            assert layout.stack_starts.tolist() == list(record.stack_starts)
            assert (layout.height, layout.width) == (record.height, record.width)
            for key in ("frames", "flow"):
                images = getattr(record, key)
                order = np.random.default_rng(j).permutation(len(images))
                assert reader.read(i, j, key, order) == [images[k] for k in order]


def test_only_what_is_asked_for_is_read_after_the_first_time(shards, monkeypatch):
    reader = random_access.Reader(shards)
    whole = reader.read(0, 1, "frames", np.arange(shards[0].videos[1].frames))
    asked = []
    read_places = storage.read_places
    monkeypatch.setattr(storage, "read_places", lambda path, places: asked.extend(places) or read_places(path, places))
    assert reader.read(0, 1, "frames", np.asarray([2, 0])) == [whole[2], whole[0]]
    assert [length for _, length in asked] == [len(whole[2]), len(whole[0])]


@pytest.mark.parametrize("sizes", [[1], [0, 127, 128, 70000], [5] * 300])
def test_places_in_a_record_of_any_writer(sizes):
    """Other writers order the keys as they like, and may leave out what is empty."""
    images = [bytes([i % 256]) * size for i, size in enumerate(sizes)]
    example = tf.train.SequenceExample()
    example.context.feature[schema.WIDTH].int64_list.value.append(300)
    example.context.feature[schema.HEIGHT].int64_list.value.append(200)
    for image in images:
        example.feature_lists.feature_list[schema.FRAMES].feature.add().bytes_list.value.append(image)
        example.feature_lists.feature_list[schema.STACK_STARTS].feature.add().int64_list.value.append(0)
    example.feature_lists.feature_list["other"].feature.add().float_list.value.extend([1.0, 2.0])
    lists, context = tf.train.SequenceExample(), tf.train.SequenceExample()
    lists.feature_lists.CopyFrom(example.feature_lists)
    context.context.CopyFrom(example.context)
    for data in (example.SerializeToString(), lists.SerializeToString() + context.SerializeToString()):
        layout = random_access.find_images(data, offset=1000)
        assert [data[start - 1000 : start - 1000 + length] for start, length in layout.frames] == images
        assert (layout.height, layout.width, len(layout.flow)) == (200, 300, 0)
        assert layout.stack_starts.tolist() == [0] * len(images)


@pytest.mark.parametrize("data", [b"", b"no record", b"\x0a\xff\xff", bytes(range(1, 200)), b"\x12\x00"])
def test_what_is_no_record_is_refused(data):
    with pytest.raises((ValueError, IndexError)):
        random_access.find_images(data)


def test_damage_is_named(one):
    shard, spans = one
    data = bytearray(shard.path.read_bytes())
    data[spans[1].start + spans[1].length // 2] ^= 1
    shard.path.write_bytes(bytes(data))
    reader = random_access.Reader([shard])
    reader.layout(0, 0)
    with pytest.raises(record_file.RecordFileError, match=f"{shard.path}, record 1: .*the checksum of a record is wr"):
        reader.read(0, 1, "frames", np.asarray([0]))


def test_a_file_that_ends_early_is_refused(one):
    shard, spans = one
    whole = shard.path.read_bytes()
    for end in (spans[-1].start - 3, spans[-1].start + 10, len(whole) - 1):
        shard.path.write_bytes(whole[:end])
        with pytest.raises(record_file.RecordFileError, match="ends inside a record|no record starts here"):
            record_file.spans(shard.path)
    shard.path.write_bytes(b"\x00" + whole[1:])
    with pytest.raises(record_file.RecordFileError, match="at byte 0: no record starts here"):
        record_file.spans(shard.path)


def test_images_on_remote_storage(shards, request):
    target = storage.path(f"ram://{request.node.name}/{shards[0].path.name}")
    target.upload(shards[0].path)
    remote = manifest.Shard(target, "", "", shards[0].bytes, shards[0].videos)
    here, there = random_access.Reader(shards[:1]), random_access.Reader([remote])
    for video in (1, 0, 1):
        for key in ("flow", "frames"):
            assert there.read(0, video, key, np.asarray([3, 1])) == here.read(0, video, key, np.asarray([3, 1]))
