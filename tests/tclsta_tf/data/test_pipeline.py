"""The pipelines over real records: order, resumption, stacks, selection."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tclsta_tf.data import pipeline
from tfrecords_tools import codec, manifest, record_file, schema, video
from tfrecords_tools.flow import methods


@pytest.fixture(scope="module")
def records(tiny_records):
    return manifest.Manifest.load(tiny_records)


@pytest.fixture(scope="module")
def subset(records):
    return pipeline.select(records.shards_for("1", "train"))


def batches(subset, count, stream="motion", batch_size=4, first_step=0, num_shares=1, share=0, **changes):
    settings = pipeline.ClipSettings(**{"num_frames": 3, "crop_size": 32, "seed": 5} | changes)
    found = pipeline.training_batches(subset, stream, settings, batch_size, first_step, num_shares, share)
    return list(found.take(count))


def assert_equal(first, second):
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])


@pytest.mark.parametrize("first_step", [1, 4, 5, 13])
def test_starting_at_a_step_gives_what_an_unbroken_run_would_see(subset, first_step):
    whole = batches(subset, first_step + 6, sampling_method="segments")
    late = batches(subset, 6, sampling_method="segments", first_step=first_step)
    assert_equal(late, whole[first_step:])


def test_order_does_not_depend_on_the_global_seed_but_on_its_own(subset):
    tf.random.set_seed(0)
    first = batches(subset, 3)
    tf.random.set_seed(99)
    assert_equal(batches(subset, 3), first)
    other = batches(subset, 3, seed=6)
    assert any((one["clips"].numpy() != two["clips"].numpy()).any() for one, two in zip(first, other, strict=True))


def test_every_epoch_holds_every_video_once_in_a_new_order(subset):
    size = len(subset)
    labels = np.concatenate([batch["labels"] for batch in batches(subset, 3 * size, batch_size=1)])
    epochs = labels.reshape(3, size)
    expected = sorted(entry.labels[0] for entry in subset.videos)
    for epoch in epochs:
        assert sorted(epoch.tolist()) == expected
    assert (epochs[0] != epochs[1]).any() and (epochs[1] != epochs[2]).any()


def test_a_selection_reads_those_videos_and_no_others_in_record_order(records, subset):
    wanted = {entry.id for entry in subset.videos[1::3]}
    chosen = pipeline.select(records.shards_for("1", "train"), wanted)
    assert [entry.id for entry in chosen.videos] == [entry.id for entry in subset.videos if entry.id in wanted]
    labels = [int(batch["labels"][0]) for batch in pipeline.video_batches(chosen, "static", 2, 32, 1)]
    assert labels == [entry.labels[0] for entry in chosen.videos] and len(labels) == len(chosen)


def test_stacks_equal_those_built_straight_from_the_video(records, subset, tiny_videos):
    flow_of = methods.make_flow(records.record.flow)
    found = pipeline.video_batches(subset, "motion", 4, 48, 1)
    for entry, batch in zip(subset.videos[:6], found, strict=False):
        frames = list(video.read_video(tiny_videos.videos_dir / entry.path))
        n = len(frames)
        fields = flow_of(np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]))
        # The same JPEG round trip that the record has been through.
        stored = codec.decode_fields(tf.constant([codec.encode_flow(field) for field in fields])).numpy()
        for t, position in enumerate([i * n // 5 for i in range(1, 5)]):
            start = min(position, max(0, n - 1 - 10))
            for k in range(10):
                u, v = np.moveaxis(stored[min(start + k, n - 2)][:, 8:56], -1, 0)
                np.testing.assert_array_equal(batch["clips"][0, t, :, :, 2 * k], u)
                np.testing.assert_array_equal(batch["clips"][0, t, :, :, 2 * k + 1], v)


def test_a_video_of_one_frame_has_no_motion(records):
    every = pipeline.select([shard for role in ("train", "test") for shard in records.shards_for("1", role)])
    single = [entry.id for entry in every.videos if entry.frames == 1]
    assert single
    batch = next(iter(pipeline.video_batches(pipeline.select(every.shards, set(single)), "motion", 3, 32, 1)))
    np.testing.assert_array_equal(batch["clips"], np.full([1, 3, 32, 32, 20], 128))


def test_mirroring_is_decided_once_per_clip(subset, whole_clip):
    """A clip and its mirror image must not be mixed: with one crop for all, each clip equals one of the two."""
    records = [schema.parse(data) for shard in subset.shards for data in record_file.read(shard.path)]
    videos = [whole_clip(record, "static", 3) for record in records]
    mirrored = 0
    settings = {"stream": "static", "crop_size": 48, "batch_size": 1}
    for batch in batches(subset, 40, **settings):
        clip = batch["clips"].numpy()[0]
        for flipped, candidates in ((False, clip), (True, clip[:, :, ::-1])):
            # Crops are random along the row only: frames are 48 high and 64 wide.
            if any(_is_window(candidates, other) for other in videos):
                mirrored += flipped
                break
        else:
            pytest.fail("a clip is neither a window of a video nor of its mirror image")
    assert 5 < mirrored < 35


def _is_window(clip, whole):
    size = clip.shape[2]
    return any((whole[:, :, x : x + size] == clip).all() for x in range(whole.shape[2] - size + 1))


@pytest.mark.parametrize("stream", ["static", "motion"])
def test_ten_crops_are_the_centre_the_corners_and_their_mirror_images(records, subset, whole_clip, stream):
    few = pipeline.select(subset.shards, {video.id for video in subset.videos[:3]})
    found = list(pipeline.video_batches(few, stream, 3, 32, 2, crops=10))
    assert [batch["clips"].shape[0] for batch in found] == [20, 10]
    crops = np.concatenate([batch["clips"] for batch in found]).reshape(3, 10, 3, 32, 32, -1)
    raw = [schema.parse(data) for data in record_file.read(few.shards[0].path)][:3]
    for record, ten in zip(raw, crops, strict=True):
        whole = whole_clip(record, stream, 3)  # 48 by 64
        places = [(8, 16), (0, 0), (0, 32), (16, 0), (16, 32)]
        for k, (y, x) in enumerate(places):
            cut = whole[:, y : y + 32, x : x + 32]
            np.testing.assert_array_equal(ten[k], cut)
            mirrored = cut[:, :, ::-1].copy()
            if stream == "motion":
                mirrored[..., 0::2] = np.minimum(256 - mirrored[..., 0::2].astype(int), 255)
            np.testing.assert_array_equal(ten[5 + k], mirrored)


def test_an_empty_selection_is_refused(subset):
    with pytest.raises(ValueError, match="no video to train on"):
        batches(pipeline.select(subset.shards, set()), 1)


def test_shares_of_workers_make_up_the_batches_of_one(subset):
    def take(num_shares, share):
        shares = {"num_shares": num_shares, "share": share, "first_step": 3, "crop": "corners"}
        return [batch["clips"].numpy() for batch in batches(subset, 3, **shares)]

    whole, parts = take(1, 0), [take(2, share) for share in range(2)]
    for batch, first, second in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(batch, np.concatenate([first, second]))


def test_batches_name_their_videos(subset):
    named = [pipeline.batch_ids(subset, 4, seed=5, step=step) for step in range(6)]
    size = len(subset)
    epoch = [name for batch in named for name in batch][:size]
    assert sorted(epoch) == sorted(video.id for video in subset.videos)
    labels = {video.id: video.labels[0] for video in subset.videos}
    for names, batch in zip(named, batches(subset, 6, stream="static"), strict=True):
        assert [labels[name] for name in names] == batch["labels"].numpy().tolist()


def test_workers_with_files_of_their_own(subset):
    shares = [pipeline.share_files(subset, 2, share) for share in range(2)]
    assert sorted(video.id for share in shares for video in share.videos) == sorted(video.id for video in subset.videos)
    with pytest.raises(ValueError, match="--shard_by=files needs a shard for each of 99 workers"):
        pipeline.share_files(subset, 99, 0)
