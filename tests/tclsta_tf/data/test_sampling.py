"""Where the frames of a clip are taken, against the formulas of the paper written out."""

import numpy as np
import pytest
import tensorflow as tf

from tclsta_tf.data import sampling
from tfrecords_tools import stacks


@pytest.mark.parametrize("count", [1, 10, 25])
def test_uniform_is_the_formula_for_every_length(count):
    for n in range(1, 90):
        expected = [i * n // (count + 1) for i in range(1, count + 1)]
        positions = sampling.sample_positions(tf.constant(n), count).numpy()
        np.testing.assert_array_equal(positions, expected)
        assert positions.min() >= 0 and positions.max() < n
        np.testing.assert_array_equal(positions, stacks.uniform_positions(n, count))


def test_uniform_repeats_frames_only_where_the_video_is_short():
    for n in range(1, 40):
        positions = sampling.sample_positions(tf.constant(n), 10).numpy()
        assert (len(set(positions)) < 10) == (n < 10)


def test_release_counts_from_one_with_the_interval_rounded_down():
    np.testing.assert_array_equal(sampling.sample_positions(tf.constant(33), 10, "release"), np.arange(1, 11) * 3 - 1)
    np.testing.assert_array_equal(sampling.sample_positions(tf.constant(5), 10, "release"), np.zeros(10))


def test_segments_take_one_frame_from_each_equal_part():
    for n in (1, 7, 10, 40, 999):
        edges = np.arange(11) * n / 10
        for seed in range(5):
            positions = sampling.sample_positions(tf.constant(n), 10, "segments", tf.constant([seed, 3])).numpy()
            assert (positions >= np.floor(edges[:-1])).all() and (positions <= edges[1:]).all()
            assert positions.max() < n
    first, again, other = (
        sampling.sample_positions(tf.constant(999), 10, "segments", tf.constant([seed, 0])).numpy()
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_unknown_method_and_missing_seed_are_named():
    for method in ("random", "all", "zigzag", ""):
        with pytest.raises(ValueError, match=f"must be uniform, release or segments. Received: method='{method}'"):
            sampling.sample_positions(tf.constant(5), 3, method)
    with pytest.raises(ValueError, match="`seed` must be given"):
        sampling.sample_positions(tf.constant(5), 3, "segments")


def test_stack_fields_repeat_the_last_field_of_a_short_video():
    fields = sampling.stack_fields(tf.constant([0, 0, 0], tf.int64), tf.constant([0, 2], tf.int64), tf.constant(4))
    np.testing.assert_array_equal(fields, [[0, 1, 2, 3, 3, 3, 3, 3, 3, 3]] * 2)


def test_stack_fields_of_long_videos_are_consecutive():
    starts = stacks.stack_starts(np.arange(30), 29)
    fields = sampling.stack_fields(tf.constant(starts), tf.constant([3, 25], tf.int64), tf.constant(29)).numpy()
    np.testing.assert_array_equal(fields, [np.arange(3, 13), np.arange(19, 29)])


def test_dense_stack_fields_are_those_of_the_records():
    for num_fields in range(26):
        positions = np.arange(num_fields + 1)
        found = sampling.dense_stack_fields(tf.constant(positions), tf.constant([num_fields], tf.int64)).numpy()
        starts = np.minimum(positions, max(num_fields - 10, 0))
        expected = np.minimum(starts[:, np.newaxis] + np.arange(10), max(num_fields - 1, 0))
        np.testing.assert_array_equal(found, expected, err_msg=str(num_fields))


@pytest.mark.parametrize(("num_frames", "windows"), [(100, 4), (10, 3), (2, 5), (1, 2)])
def test_windows_part_a_video(num_frames, windows):
    found = [sampling.sample_window(num_frames, 3, "uniform", window, windows).numpy() for window in range(windows)]
    assert min(map(min, found)) >= 0 and max(map(max, found)) < num_frames
    edges = [window * num_frames // windows for window in range(windows + 1)]
    for positions, start, end in zip(found, edges, edges[1:], strict=False):
        size = max(end - start, 1)
        expected = start + sampling.sample_positions(size, 3).numpy()
        np.testing.assert_array_equal(positions, expected)
        assert positions[0] >= start and positions[-1] < start + size


def test_one_window_is_the_whole_video():
    for method in ("uniform", "release"):
        whole = sampling.sample_positions(37, 5, method)
        np.testing.assert_array_equal(sampling.sample_window(37, 5, method, 0, 1), whole)
