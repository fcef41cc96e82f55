import numpy as np
import pytest

from tfrecords_tools.flow import colour


def _single(u: float, v: float, max_magnitude: float | None = 1.0) -> tuple[int, ...]:
    return tuple(colour.flow_to_color(np.array([[[u, v]]], np.float32), max_magnitude)[0, 0].tolist())


def test_primaries_lie_where_the_wheel_puts_them():
    # 55 steps: red at 0, yellow at 15, green at 21, cyan at 25, blue at 36, magenta at 49.
    for step, expected in (
        (0, (255, 0, 0)),
        (15, (255, 255, 0)),
        (21, (0, 255, 0)),
        (25, (0, 255, 255)),
        (36, (0, 0, 255)),
        (49, (255, 0, 255)),
    ):
        angle = 2 * np.pi * step / 55
        np.testing.assert_allclose(_single(np.cos(angle), np.sin(angle)), expected, atol=1)


def test_right_is_red_and_the_circle_closes_there():
    assert _single(1.0, 0.0) == (255, 0, 0)
    np.testing.assert_allclose(_single(1.0, -1e-6), (255, 0, 0), atol=1)


def test_no_motion_is_white_and_half_speed_half_saturated():
    assert _single(0.0, 0.0) == (255, 255, 255)
    assert _single(0.5, 0.0) == (255, 128, 128)


def test_faster_than_the_maximum_is_darker():
    assert _single(3.0, 0.0) == (191, 0, 0)


def test_without_a_maximum_the_longest_vector_saturates():
    field = np.zeros((2, 3, 2), np.float32)
    field[0, 0] = (0.2, 0.0)
    field[1, 2] = (0.1, 0.0)
    picture = colour.flow_to_color(field)
    assert picture.dtype == np.uint8 and picture.shape == (2, 3, 3)
    assert picture[0, 0].tolist() == [255, 0, 0]
    assert picture[1, 2].tolist() == [255, 128, 128]
    assert picture[0, 1].tolist() == [255, 255, 255]


def test_field_at_rest_is_white():
    assert (colour.flow_to_color(np.zeros((4, 5, 2))) == 255).all()


def test_unknown_vectors_are_black_and_do_not_set_the_scale():
    field = np.array([[[np.nan, 1.0], [np.inf, 0.0], [1.67e9, 0.0], [2.0, 0.0]]], np.float32)
    assert colour.flow_to_color(field)[0].tolist() == [[0, 0, 0], [0, 0, 0], [0, 0, 0], [255, 0, 0]]


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (2, 4, 5, 2)])
def test_what_is_no_field_is_refused(shape):
    with pytest.raises(ValueError, match=r"`flow` must be numbers of shape \[height, width, 2\].*Received: flow.shape"):
        colour.flow_to_color(np.zeros(shape))


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_maximum_must_be_positive(value):
    with pytest.raises(ValueError, match="`max_magnitude` must be finite and > 0.*Received: max_magnitude="):
        colour.flow_to_color(np.zeros((1, 1, 2)), value)
