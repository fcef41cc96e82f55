import itertools

import pytest

from tclsta_tf.prediction import windows


def test_windows_are_centred_on_their_steps_and_moved_inwards_at_the_ends():
    found = list(windows.centred(100, 10.0, seconds=4.0, step=2.0))
    # Middles of the steps are 10, 30, 50, 70, 90; a window reaches 20 frames to both sides.
    assert [(part.first, part.num_frames) for part in found] == [(0, 40), (10, 40), (30, 40), (50, 40), (60, 40)]
    assert [part.steps for part in found] == [((2.0 * i, 2.0 * i + 2.0),) for i in range(5)]


def test_steps_that_share_a_window_come_with_it():
    found = list(windows.centred(100, 10.0, seconds=4.0, step=1.0))
    assert found[0] == windows.Window(0, 40, ((0.0, 1.0), (1.0, 2.0)))
    assert len(found) == 8 and sum(len(part.steps) for part in found) == 10


def test_the_last_step_is_shorter_and_rounding_makes_no_step():
    assert list(windows.centred(95, 10.0, 2.0, 1.0))[-1].steps[-1] == (9.0, 9.5)
    for frames, rate in ((90, 30000 / 1001), (300, 10.0), (3, 0.1)):
        ends = [end for part in windows.centred(frames, rate, 1e-3, frames / rate / 3) for _, end in part.steps]
        assert len(ends) == 3 and ends[-1] == frames / rate


@pytest.mark.parametrize("seconds", [10.0, 11.0, 1e9])
def test_a_video_that_is_no_longer_is_one_window(seconds):
    assert list(windows.centred(100, 10.0, seconds, 1.0)) == [windows.whole(100, 10.0)]


def test_a_step_is_a_frame_at_least():
    assert len(list(windows.centred(30, 10.0, 1.0, 1e-9))) <= 30
    first, second = itertools.islice(windows.trailing(10.0, 1.0, 1e-9), 2)
    assert (first.num_frames, second.num_frames) == (1, 2)


def test_trailing_windows_end_with_their_step_and_grow_at_first():
    found = list(itertools.islice(windows.trailing(10.0, seconds=2.5, step=1.0), 5))
    assert [(part.first, part.num_frames) for part in found] == [(0, 10), (0, 20), (5, 25), (15, 25), (25, 25)]
    assert found[3].steps == ((3.0, 4.0),)


@pytest.mark.parametrize(("seconds", "step", "name"), [(0, 1, "window"), (1, -1, "step"), (float("nan"), 1, "window")])
def test_lengths_are_checked(seconds, step, name):
    for make in (lambda: windows.centred(10, 10.0, seconds, step), lambda: windows.trailing(10.0, seconds, step)):
        with pytest.raises(ValueError, match=f"`{name}` must be a number of seconds greater than 0"):
            make()
