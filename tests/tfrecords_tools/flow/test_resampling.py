import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from tfrecords_tools.flow import resampling


def _image(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 255, shape).astype(np.float32)


def _numpy(tensor) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(tensor))


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 5), (1, 6, 9), (2, 13, 8)])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_median_equals_scipys(shape, size):
    image = _image(*shape)
    expected = ndimage.median_filter(image, size=(1, size, size), mode="nearest")
    np.testing.assert_array_equal(_numpy(resampling.median(image, size)), expected)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_padding_repeats_the_border(width):
    image = _image(2, 3, 4)
    expected = np.pad(image, ((0, 0), (width, width), (width, width)), mode="edge")
    np.testing.assert_array_equal(_numpy(resampling.pad_edge(image, width)), expected)


def test_gradient_is_exact_for_polynomials_of_degree_four():
    y, x = np.mgrid[0:9, 0:11].astype(np.float64) / 4.0
    image = (x**4 - x**3 + 2 * x * y + y**2).astype(np.float32)
    along_x, along_y = resampling.gradient(image[np.newaxis])
    inside = np.s_[2:-2, 2:-2]
    np.testing.assert_allclose(_numpy(along_x)[0][inside], ((4 * x**3 - 3 * x**2 + 2 * y) / 4)[inside], atol=1e-4)
    np.testing.assert_allclose(_numpy(along_y)[0][inside], ((2 * x + 2 * y) / 4)[inside], atol=1e-4)


def test_warping_by_whole_pixels_shifts():
    image = _image(2, 8, 10)
    u, v = np.full((2, 8, 10), 3.0, np.float32), np.full((2, 8, 10), -2.0, np.float32)
    warped, inside = (_numpy(result) for result in resampling.warp(image, u, v))
    np.testing.assert_array_equal(warped[:, 2:, :-3], image[:, :-2, 3:])
    expected = np.zeros((2, 8, 10))
    expected[:, 2:, :-3] = 1
    np.testing.assert_array_equal(inside, expected)


def test_warping_between_pixels_is_exact_for_quadratics():
    # Cubic convolution reproduces polynomials up to degree two.
    y, x = np.mgrid[0:12, 0:12].astype(np.float32)
    image = (0.5 * x**2 - x * y + 0.25 * y**2 + 3)[np.newaxis]
    rng = np.random.default_rng(1)
    u, v = (rng.uniform(-1, 1, (1, 12, 12)).astype(np.float32) for _ in "uv")
    warped = _numpy(resampling.warp(image, u, v)[0])[0]
    there_x, there_y = x + u[0], y + v[0]
    expected = 0.5 * there_x**2 - there_x * there_y + 0.25 * there_y**2 + 3
    np.testing.assert_allclose(warped[3:-3, 3:-3], expected[3:-3, 3:-3], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("distance", [1e6, 1e20, -1e20])
def test_warping_from_far_outside_takes_the_border(distance):
    image = _image(1, 4, 5)
    u = np.full((1, 4, 5), distance, np.float32)
    warped, inside = (_numpy(result) for result in resampling.warp(image, u, np.zeros_like(u)))
    np.testing.assert_array_equal(warped[0], np.repeat(image[0, :, [-1 if distance > 0 else 0]].T, 5, axis=1))
    assert not inside.any()


def test_images_of_a_batch_do_not_mix():
    image, u = _image(3, 9, 12), _image(3, 9, 12, seed=1) / 50
    batch = _numpy(resampling.warp(image, u, -u)[0])
    for i in range(3):
        one = _numpy(resampling.warp(image[i : i + 1], u[i : i + 1], -u[i : i + 1])[0])
        np.testing.assert_array_equal(one[0], batch[i])


@pytest.mark.parametrize("size", [(6, 8), (12, 16), (7, 9)])
def test_shrinking_keeps_constants_and_ramps(size):
    x = np.broadcast_to(np.arange(16, dtype=np.float32), (1, 12, 16))
    np.testing.assert_allclose(_numpy(resampling.shrink(np.full_like(x, 7.0), *size)), 7.0, rtol=1e-6)
    centres = (np.arange(size[1]) + 0.5) * 16 / size[1] - 0.5
    got = _numpy(resampling.shrink(x, *size))[0]
    np.testing.assert_allclose(got[:, 2:-2], np.broadcast_to(centres, size)[:, 2:-2], atol=0.02)


def test_shrinking_does_not_alias():
    stripes = np.broadcast_to(255.0 * (np.arange(32) % 2), (1, 32, 32)).astype(np.float32)
    inner = _numpy(resampling.shrink(stripes, 16, 16))[0, 3:-3, 3:-3]
    np.testing.assert_allclose(inner, 127.5, atol=3.0)


def test_enlarging_keeps_ramps():
    y = np.broadcast_to(np.arange(6, dtype=np.float32)[:, np.newaxis], (1, 6, 5))
    got = _numpy(resampling.enlarge(y, 11, 10))[0]
    centres = np.clip((np.arange(11) + 0.5) * 6 / 11 - 0.5, 0, 5)
    np.testing.assert_allclose(got, np.broadcast_to(centres[:, np.newaxis], (11, 10)), atol=1e-5)


def test_repeating_takes_the_nearest():
    np.testing.assert_array_equal(
        _numpy(resampling.repeat(np.array([[[1.0, 2.0, 3.0]]], np.float32), 2, 6))[0], [[1, 1, 2, 2, 3, 3]] * 2
    )
