"""Clips that the exported model takes from raw frames, against those that records and their reader give."""

import functools

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tclsta_tf.data import sampling
from tclsta_tf.serving import raw_clips
from tfrecords_tools import codec, stacks
from tfrecords_tools.flow import methods, quantise, tvl1

HEIGHT, WIDTH, CROP, FRAMES = 44, 60, 40, 4
QUICK = tvl1.TVL1Params(num_scales=1, num_warps=1, num_iterations=4, median_size=1)  # compiled in a second


def _video(rng, length):
    """A picture that drifts."""
    picture = cv2.resize(rng.integers(0, 256, (12, 30, 3)).astype(np.uint8), (240, 90), interpolation=cv2.INTER_CUBIC)
    return np.stack([picture[i : i + HEIGHT, 2 * i : 2 * i + WIDTH] for i in range(length)])


@functools.cache
def _reader(clips):
    specs = [tf.TensorSpec([None, None, HEIGHT, WIDTH, 3], tf.uint8), tf.TensorSpec([None], tf.int64)]

    @tf.function(input_signature=specs)
    def read(frames, lengths):
        every = tf.reshape(frames, [-1, HEIGHT, WIDTH, 3])
        return clips.read(lambda keys: tf.gather(every, keys), lengths, tf.shape(frames, tf.int64)[1])

    return read


def _read(clips, videos):
    """Reads videos of any lengths by way of one array of frames, as signature `jpeg_frames` does."""
    longest = max(map(len, videos))
    padded = np.stack([np.concatenate([v, np.full((longest - len(v), *v.shape[1:]), 77, np.uint8)]) for v in videos])
    outputs = _reader(clips)(tf.constant(padded), tf.constant([len(v) for v in videos], tf.int64))
    return {name: value.numpy() for name, value in outputs.items()}


def _expect(video, params, method="uniform", stored=0, padded=False):
    """The same by the way of the records: all flow, stacks, positions in what is stored."""
    indices, _, _ = stacks.sparse_layout(len(video), stored)
    positions = indices[sampling.sample_positions(len(indices), FRAMES, method).numpy()]
    top, left = (HEIGHT - CROP) // 2, (WIDTH - CROP) // 2
    window = np.s_[:, top : top + CROP, left : left + CROP]
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in video])
    if len(video) == 1:
        flow = np.full((FRAMES, HEIGHT, WIDTH, 20), 128, np.uint8)
    else:
        estimate = lambda frames: tvl1.tvl1_flow(frames[:-1], frames[1:], params)  # noqa: E731
        fields = quantise.quantise(methods._padded(estimate, grey) if padded else estimate(grey))
        starts = stacks.stack_starts(positions, len(fields))
        chosen = fields[stacks.stack_fields(starts, len(fields))]  # [N, L, H, W, 2]
        flow = chosen.transpose(0, 2, 3, 1, 4).reshape(FRAMES, HEIGHT, WIDTH, 20)
    return {"positions": positions, "frames": video[positions][window], "flow": flow[window]}


def _clips(**changes):
    return raw_clips.RawClips(
        **{
            "num_frames": FRAMES,
            "crop_size": CROP,
            "sampling_method": "uniform",
            "height": HEIGHT,
            "width": WIDTH,
            "flow": QUICK,
            **changes,
        }
    )


def _check(found, expected, differing=0.0):
    """`differing`: the share of bytes of flow that may be off by one."""
    for name in ("positions", "frames"):
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    off = np.abs(found["flow"].astype(int) - expected["flow"])
    assert off.max() <= (1 if differing else 0) and (off > 0).mean() <= differing


@pytest.mark.parametrize("length", [1, 2, 3, 10, 11, 12, 31])
def test_every_length_gives_what_the_records_give(rng, length):
    video = _video(rng, length)
    found = _read(_clips(), [video])
    _check({name: value[0] for name, value in found.items()}, _expect(video, QUICK))


def test_videos_of_a_batch_do_not_mix(rng):
    videos = [_video(rng, length) for length in (14, 1, 25, 2)]
    found = _read(_clips(), videos)
    for index, video in enumerate(videos):
        _check({name: value[index] for name, value in found.items()}, _expect(video, QUICK))


@pytest.mark.parametrize(("method", "length"), [("release", 23), ("segments", 23), ("release", 3)])
def test_sampling_is_that_of_testing(rng, method, length):
    video = _video(rng, length)
    found = _read(_clips(sampling_method=method), [video])
    rule = "release" if method == "release" else "uniform"
    _check({name: value[0] for name, value in found.items()}, _expect(video, QUICK, rule))


@pytest.mark.parametrize(("stored", "length"), [(4, 30), (6, 30), (6, 6), (6, 5), (9, 13)])
def test_records_of_few_positions_are_sampled_among_these(rng, stored, length):
    video = _video(rng, length)
    found = _read(_clips(stored_positions=stored), [video])
    _check({name: value[0] for name, value in found.items()}, _expect(video, QUICK, stored=stored))


def test_frames_are_padded_where_the_records_do(rng):
    video = _video(rng, 13)
    found = _read(_clips(multiple=methods.COMPILED_MULTIPLE), [video])
    expected = _expect(video, QUICK, padded=True)
    _check({name: value[0] for name, value in found.items()}, expected)
    assert (expected["flow"] != _expect(video, QUICK)["flow"]).any()  # or the test would show nothing


def test_frames_go_through_the_jpeg_of_the_records(rng):
    video = _video(rng, 13)
    found = _read(_clips(jpeg_quality=80), [video])
    expected = _expect(video, QUICK)  # flow is that of the frames as they came
    stored = codec.decode_frames(tf.constant([codec.encode_frame(frame, 80) for frame in video])).numpy()
    expected["frames"] = _expect(stored, QUICK)["frames"]
    assert (expected["frames"] != _expect(video, QUICK)["frames"]).any()
    _check({name: value[0] for name, value in found.items()}, expected)


@pytest.mark.parametrize("pairs", [3, 16])
def test_several_pairs_at_once_give_the_same(rng, pairs):
    video = _video(rng, 17)
    found = _read(_clips(pairs_at_once=pairs), [video])
    _check({name: value[0] for name, value in found.items()}, _expect(video, QUICK), differing=1e-3)


def test_without_xla_the_values_are_the_same(rng):
    video = _video(rng, 12)
    found = _read(_clips(compiled=False), [video])
    _check({name: value[0] for name, value in found.items()}, _expect(video, QUICK), differing=5e-3)


def test_without_motion_there_is_no_flow(rng):
    found = _read(_clips(flow=None), [_video(rng, 9)])
    assert set(found) == {"positions", "frames"}


def test_each_field_is_computed_once(rng, monkeypatch):
    computed = []
    real = raw_clips.RawClips._compute_flow

    def counting(self, first, second):
        tf.py_function(lambda n: computed.append(int(n)), [tf.shape(first)[0]], [])
        return real(self, first, second)

    monkeypatch.setattr(raw_clips.RawClips, "_compute_flow", counting)
    found = _read(_clips(pairs_at_once=2), [_video(rng, 31)])  # traced anew
    starts = np.minimum(found["positions"][0], 30 - 10)
    assert computed == [len(np.unique(starts[:, np.newaxis] + np.arange(10)))] and computed[0] < FRAMES * 10


def test_a_video_without_frames_is_refused():
    every = tf.zeros([0, HEIGHT, WIDTH, 3], tf.uint8)
    with pytest.raises(tf.errors.InvalidArgumentError, match="one frame at least"):
        _clips().read(lambda keys: tf.gather(every, keys), tf.constant([0], tf.int64), tf.constant(0, tf.int64))


def test_grey_is_that_of_opencv_to_the_bit(rng):
    frames = rng.integers(0, 256, (512, 512, 3)).astype(np.uint8)
    corners = np.array(np.meshgrid([0, 1, 127, 254, 255], [0, 128, 255], [0, 77, 255])).reshape(3, -1).T
    frames[0, : len(corners)] = corners
    expected = cv2.cvtColor(frames, cv2.COLOR_RGB2GRAY)
    np.testing.assert_array_equal(raw_clips.to_grey(tf.constant(frames)), expected)


def test_bytes_of_flow_are_those_of_the_records(rng):
    halves = (np.arange(-128, 128) + 0.5) * quantise.STEP
    flow = np.concatenate([rng.normal(0, 12, 20_000), halves, [0.0, -20, 20, 99, -99]]).astype(np.float32)
    np.testing.assert_array_equal(raw_clips.to_bytes(tf.constant(flow)), quantise.quantise(flow))


def test_the_centre_is_cut_as_for_testing():
    frames = tf.reshape(tf.range(2 * 5 * 7), [2, 5, 7, 1])
    np.testing.assert_array_equal(raw_clips.centre_crop(frames, 4), frames.numpy()[:, 0:4, 1:5])
