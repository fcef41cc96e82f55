import pytest

from tclsta_tf.prediction import limits
from tfrecords_tools import video


def test_without_limits_nothing_is_refused():
    limits.Limits().check_size("a", 10**6, 10**6)
    limits.Limits().check_length("a", 10**9, 1.0)


def test_a_limit_may_be_reached_and_not_passed():
    some = limits.Limits(max_frames=10, max_pixels=100, max_seconds=2.0)
    some.check_size("a", 10, 10)
    some.check_length("a", 10, 5.0)
    with pytest.raises(video.VideoError, match="a: its frames of 11x10 pixels exceed the limit of 100 pixels"):
        some.check_size("a", 10, 11)
    with pytest.raises(video.VideoError, match="a: it has more frames than the limit of 10"):
        some.check_length("a", 11, 25.0)
    with pytest.raises(video.VideoError, match="a: it is longer than the limit of 2 seconds"):
        some.check_length("a", 9, 4.0)


@pytest.mark.parametrize("name", ["max_frames", "max_pixels", "max_seconds"])
def test_a_limit_is_positive(name):
    with pytest.raises(ValueError, match=f"`{name}` must be greater than 0, or None. Received: {name}=0"):
        limits.Limits(**{name: 0})
