"""Crops and mirroring on ramps whose pixels say where they come from."""

import numpy as np
import pytest
import tensorflow as tf

from tclsta_tf.data import augmentation


def cut(crop, images, is_flow=False):
    top, left, height, width = crop.window(tf.constant(images.shape[1:3])).numpy()
    windows = images[:, top : top + height, left : left + width]
    return crop.finish(tf.constant(windows), is_flow).numpy()


@pytest.fixture
def ramp():
    """uint8 [3, 12, 20, 3]: channel 0 is the row, channel 1 the column, channel 2 the frame."""
    rows, columns = np.meshgrid(np.arange(12), np.arange(20), indexing="ij")
    return np.stack([np.stack([rows, columns, np.full_like(rows, t)], axis=-1) for t in range(3)]).astype(np.uint8)


def test_centre_crop_takes_the_middle(ramp):
    crop = cut(augmentation.centre_crop(8), ramp)
    np.testing.assert_array_equal(crop, ramp[:, 2:10, 6:14])


def test_random_crop_is_one_window_for_all_frames_and_reaches_every_place(ramp):
    corners = set()
    for seed in range(200):
        crop = cut(augmentation.random_crop(8, tf.constant([seed, 0])), ramp)
        y, x = int(crop[0, 0, 0, 0]), int(crop[0, 0, 0, 1])
        np.testing.assert_array_equal(crop, ramp[:, y : y + 8, x : x + 8])
        corners.add((y, x))
    assert len(corners) > 55  # of 5 * 13
    assert {y for y, _ in corners} == set(range(5)) and {x for _, x in corners} == set(range(13))


def test_corner_crops_come_from_five_places_at_ten_shapes():
    rows, columns = np.meshgrid(np.arange(64, dtype=np.float32), np.arange(96, dtype=np.float32), indexing="ij")
    clip = np.stack([np.stack([rows, columns, np.full_like(rows, t)], axis=-1) for t in range(2)]).astype(np.uint8)
    windows = set()
    for seed in range(300):
        crop = cut(augmentation.corner_crop(32, tf.constant([seed, 1])), clip)
        assert crop.shape == (2, 32, 32, 3) and (crop[1, ..., 2] == 1).all()
        np.testing.assert_array_equal(crop[0, ..., :2], crop[1, ..., :2])
        # On a ramp the first and the last pixel of the result tell where the window begins and how long it is.
        sides = []
        for channel, line in enumerate((crop[0, :, 0, 0].astype(float), crop[0, 0, :, 1].astype(float))):
            length = (line[24] - line[8]) / 16 * 32
            start = line[8:25].mean() - length * 16 / 31.5
            sides.append((min((64, 56, 48, 42), key=lambda side: abs(side - length)), start, channel))
        (height, top, _), (width, left, _) = sides
        assert abs((64, 56, 48, 42).index(height) - (64, 56, 48, 42).index(width)) <= 1
        vertical = round(2 * top / (64 - height)) if height < 64 else 0
        horizontal = round(2 * left / (96 - width))
        windows.add((height, width, vertical if height < 64 else -1, horizontal))
        if height < 64:
            assert (vertical, horizontal) in {(0, 0), (0, 2), (2, 0), (2, 2), (1, 1)}
    assert len({window[:2] for window in windows}) == 10


def test_corner_crops_scale_motion_with_the_window():
    flow = np.full([4, 64, 64, 1], 128, np.uint8)
    flow[0::2], flow[1::2] = 160, 96  # u is 32 steps, v is -32
    seen = set()
    for seed in range(100):
        crop = cut(augmentation.corner_crop(48, tf.constant([seed, 1])), flow, is_flow=True).astype(int)
        np.testing.assert_array_equal(crop, np.broadcast_to(crop[:, :1, :1], crop.shape))
        seen.add(tuple(crop[:, 0, 0, 0]))
    expected = {round(32 * 48 / side) for side in (64, 56, 48, 42)}
    assert {u - 128 for u, _, _, _ in seen} == expected and {128 - v for _, v, _, _ in seen} == expected
    assert all(pixel[:2] == pixel[2:] for pixel in seen)
    # Some windows are not square: u goes with the width and v with the height.
    assert any(u - 128 != 128 - v for u, v, _, _ in seen)


def test_crop_of_the_whole_frame_is_the_frame(ramp):
    square = ramp[:, :, :12]
    np.testing.assert_array_equal(cut(augmentation.random_crop(12, tf.constant([1, 2])), square), square)
    np.testing.assert_array_equal(cut(augmentation.whole_images(), ramp), ramp)


def test_mirrored_frames_run_backwards_along_the_row(ramp):
    np.testing.assert_array_equal(augmentation.mirror_frames(tf.constant(ramp)), ramp[:, :, ::-1])


def test_mirrored_flow_negates_u_only_and_keeps_no_motion():
    planes = np.full([4, 4, 6, 1], 128, np.uint8)
    planes[0::2, :, 0] = 178  # u, 50 steps to the right, in the first column
    planes[1::2, :, 1] = 98  # v, 30 steps up, in the second column
    mirrored = augmentation.mirror_flow(tf.constant(planes)).numpy().astype(int)
    expected = np.full([4, 4, 6, 1], 128)
    expected[0::2, :, 5] = 78
    expected[1::2, :, 4] = 98
    np.testing.assert_array_equal(mirrored, expected)


def test_mirrored_flow_stays_within_the_stored_bytes():
    planes = tf.constant(np.arange(256, dtype=np.uint8).reshape(1, 1, 256, 1).repeat(2, axis=0))
    u, v = augmentation.mirror_flow(planes).numpy()[:, 0, ::-1, 0]
    np.testing.assert_array_equal(u, np.minimum(256 - np.arange(256), 255))
    np.testing.assert_array_equal(v, np.arange(256))
