"""Crops and mirroring on ramps whose pixels say where they come from."""

import numpy as np
import pytest
import tensorflow as tf

from tclsta_tf.data import augmentation


@pytest.fixture
def ramp():
    """uint8 [3, 12, 20, 3]: channel 0 is the row, channel 1 the column, channel 2 the frame."""
    rows, columns = np.meshgrid(np.arange(12), np.arange(20), indexing="ij")
    return np.stack([np.stack([rows, columns, np.full_like(rows, t)], axis=-1) for t in range(3)]).astype(np.uint8)


def test_centre_crop_takes_the_middle(ramp):
    crop = augmentation.centre_crop(tf.constant(ramp), 8).numpy()
    np.testing.assert_array_equal(crop, ramp[:, 2:10, 6:14])


def test_random_crop_is_one_window_for_all_frames_and_reaches_every_place(ramp):
    corners = set()
    for seed in range(200):
        crop = augmentation.random_crop(tf.constant(ramp), 8, tf.constant([seed, 0])).numpy()
        y, x = int(crop[0, 0, 0, 0]), int(crop[0, 0, 0, 1])
        np.testing.assert_array_equal(crop, ramp[:, y : y + 8, x : x + 8])
        corners.add((y, x))
    assert len(corners) > 55  # of 5 * 13
    assert {y for y, _ in corners} == set(range(5)) and {x for _, x in corners} == set(range(13))


def test_crop_of_the_whole_frame_is_the_frame(ramp):
    square = tf.constant(ramp[:, :, :12])
    np.testing.assert_array_equal(augmentation.random_crop(square, 12, tf.constant([1, 2])), square)


def test_crop_has_a_static_shape_inside_a_dataset(ramp):
    dataset = tf.data.Dataset.from_tensors(ramp).map(lambda clip: augmentation.centre_crop(clip, 8))
    assert dataset.element_spec.shape == [3, 8, 8, 3]


def test_mirrored_frames_run_backwards_along_the_row(ramp):
    np.testing.assert_array_equal(augmentation.mirror_frames(tf.constant(ramp)), ramp[:, :, ::-1])


def test_mirrored_flow_negates_u_only_and_keeps_no_motion():
    stacks = np.full([2, 4, 6, 20], 128, np.uint8)
    stacks[..., 0, 0] = 178  # u, 50 steps to the right, in the first column
    stacks[..., 1, 1] = 98  # v, 30 steps up, in the second column
    mirrored = augmentation.mirror_flow(tf.constant(stacks)).numpy().astype(int)
    expected = np.full([2, 4, 6, 20], 128)
    expected[..., 5, 0] = 78
    expected[..., 4, 1] = 98
    np.testing.assert_array_equal(mirrored, expected)


def test_mirrored_flow_stays_within_the_stored_bytes():
    stacks = tf.constant(np.arange(256, dtype=np.uint8).reshape(1, 1, 256, 1).repeat(20, axis=-1))
    mirrored = augmentation.mirror_flow(stacks).numpy()[0, 0, ::-1]
    np.testing.assert_array_equal(mirrored[:, 0], np.minimum(256 - np.arange(256), 255))
    np.testing.assert_array_equal(mirrored[:, 1], np.arange(256))
