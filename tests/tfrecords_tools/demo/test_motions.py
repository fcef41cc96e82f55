import numpy as np
import pytest

from tfrecords_tools.demo import motions, plan, seeding
from tfrecords_tools.demo import settings as settings_lib

SETTINGS = settings_lib.DemoSettings(drift=(0.0, 0.0))
RADIUS = 13.0


def paths(motion: str, count: int = 400) -> np.ndarray:
    """Paths of many videos, float64 [count, n, 4]."""
    return np.stack(
        [motions.telling_path(motion, SETTINGS, RADIUS, seeding.generator(0, "test", index)) for index in range(count)]
    )


@pytest.mark.parametrize("motion", plan.MOTIONS)
def test_one_frame_tells_nothing_of_the_motion(motion):
    path = paths(motion)
    pulsing = paths("pulsing")
    for frame in (0, 17):
        quantiles = np.quantile(path[:, frame, motions.SCALE], [0.1, 0.5, 0.9])
        expected = np.quantile(pulsing[:, frame, motions.SCALE], [0.1, 0.5, 0.9])
        np.testing.assert_allclose(quantiles, expected, atol=0.08)
        for axis in (motions.X, motions.Y):
            assert path[:, frame, axis].std() > 15
        turns = np.exp(1j * np.deg2rad(path[:, frame, motions.ANGLE]))
        assert abs(turns.mean()) < 0.15


@pytest.mark.parametrize("motion", plan.MOTIONS)
def test_the_object_stays_in_the_frame(motion):
    path = paths(motion, 50)
    reach = RADIUS * path[..., motions.SCALE]
    for axis, side in ((motions.X, SETTINGS.width), (motions.Y, SETTINGS.height)):
        assert (path[..., axis] - reach > -1e-9).all() and (path[..., axis] + reach < side + 1e-9).all()


@pytest.mark.parametrize("motion", plan.MOTIONS)
def test_mirrored_paths_are_paths_of_the_same_motion(motion):
    steps = np.diff(paths(motion), axis=1)
    # x and the angle change sign in a mirror; what is left of them on average over many videos is little.
    for component in (motions.X, motions.ANGLE):
        assert abs(np.mean(steps[..., component])) <= 0.15 * np.abs(steps[..., component]).mean() + 1e-9
    # So does the sense in which the centre goes round.
    x, y = steps[..., motions.X], steps[..., motions.Y]
    turns = x[:, :-1] * y[:, 1:] - y[:, :-1] * x[:, 1:]
    assert abs(turns.mean()) <= 0.15 * np.abs(turns).mean() + 1e-9


@pytest.mark.parametrize("motion", ("swaying", "bouncing", "circling"))
def test_speed_is_the_stated_one_at_any_size(motion):
    for size, unit in (("112x112", 1.0), ("320x224", 2.0)):
        settings = settings_lib.DemoSettings(size=size, drift=(0.0, 0.0), speed=(3.0, 3.0))
        path = motions.telling_path(motion, settings, RADIUS * unit, seeding.generator(0, "speed"))
        speeds = np.hypot(*np.diff(path[:, :2], axis=0).T)
        assert 2.7 * unit < speeds.max() <= 3.0 * unit


def test_unknown_motion_is_named():
    with pytest.raises(ValueError, match="Received: motion='flying'"):
        motions.telling_path("flying", SETTINGS, RADIUS, seeding.generator(0))


def test_distractors_never_oscillate_like_a_class():
    for index in range(50):
        glide = motions.gliding_path(SETTINGS, seeding.generator(0, "glide", index))
        turns = np.abs(np.diff(np.sign(np.diff(glide[:, :2], axis=0)), axis=0)).sum(axis=0) / 2
        assert (turns <= 2).all()  # an oscillation of the longest period turns six times
        hop = motions.hopping_path(SETTINGS, seeding.generator(0, "hop", index))
        assert (np.hypot(*np.diff(hop[:, :2], axis=0).T) == 0).mean() > 0.5


def test_shake_stays_near_and_begins_at_rest():
    settings = settings_lib.DemoSettings(num_frames=2000, shake=0.5)
    shake = motions.camera_shake(settings, seeding.generator(0, "shake"))
    assert (shake[0] == 0).all() and np.abs(shake).max() < 5
    np.testing.assert_allclose(shake.std(axis=0), 0.5 / np.sqrt(1 - 0.8**2), rtol=0.15)
