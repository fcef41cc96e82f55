import io
import json
import time

import numpy as np
import pytest

from tclsta_tf.prediction import camera, live, output
from tfrecords_tools import video


class Capture:
    """Gives numbered frames, as fast as it is asked, or waits for a word."""

    def __init__(self, count, pause=0.0):
        self.left, self.index, self.pause, self.released = count, 0, pause, False

    def read(self):
        time.sleep(self.pause)
        if self.index == self.left:
            return False, None
        self.index += 1
        return True, np.full((48, 64, 3), self.index - 1, np.uint8)

    def release(self):
        self.released = True


def test_frames_come_in_order_and_the_end_ends():
    source = camera.Camera(Capture(30, pause=0.002), "camera 0", 10.0, behind=4.0)
    ((start, frames),) = ((start, [int(f[0, 0, 0]) for f in frames]) for start, frames in source.stretches())
    assert start == 0.0 and frames == list(range(30))
    source.close()
    assert source._capture.released


def test_who_is_busy_gets_the_newest_frames_in_a_new_stretch():
    source = camera.Camera(Capture(100), "camera 0", 10.0, behind=1.0)
    source._thread.join()  # busy for as long as the camera runs: 100 frames and the end have come, 10 are kept
    stretches = [(start, [int(frame[0, 0, 0]) for frame in frames]) for start, frames in source.stretches()]
    assert stretches == [(9.1, list(range(91, 100)))]


@pytest.mark.parametrize("which", ["77", "/dev/video77"])
def test_a_camera_that_is_not_there_is_one_line(which, capfd):
    with pytest.raises(video.VideoError, match=f"^camera {which}: it is not there"), camera.opened(which, 1.0):
        raise AssertionError
    assert capfd.readouterr() == ("", "")


def test_a_file_stands_in_for_a_camera_and_the_mean_ends_it(model, tmp_path, write_video, moving_texture):
    write_video(tmp_path / "a.avi", moving_texture(36, (1, 0), seed=0))
    lines, answers = output.Writer("json", model.labels, 1), io.StringIO()
    with camera.opened(str(tmp_path / "a.avi"), 2.0) as source:
        live.watch(model, source, lines, answers, window=2.0, step=1.0)
    *steps, whole = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert [(step["start"], step["end"]) for step in steps] == [(0, 1), (1, 2), (2, 3)]
    assert whole["whole_video"] == "mean of windows" and whole["seconds_of_video"] == 3.0
    frames = np.stack(list(video.read_video(tmp_path / "a.avi")))
    expected = [scores for *_, scores in model.watch(iter(frames), 10.0, window=2.0, step=1.0)]
    np.testing.assert_allclose(list(whole["scores"].values()), np.mean(expected, axis=0), atol=1e-6)


def test_seconds_end_a_camera(model, tmp_path, write_video, moving_texture):
    write_video(tmp_path / "a.avi", moving_texture(36, (1, 0), seed=0))
    answers = io.StringIO()
    with camera.opened(str(tmp_path / "a.avi"), 2.0) as source:
        live.watch(model, source, output.Writer("csv", model.labels, 1), answers, 2.0, 1.0, seconds=2.0)
    assert answers.getvalue().count("\n") == 2


def test_ctrl_c_ends_a_camera_with_its_mean(model, moving_texture):
    frames = moving_texture(25, (1, 0), seed=0)

    class Interrupted:
        name, frame_rate = "camera 0", 10.0

        def stretches(self):
            yield 0.0, iter(frames[:12])
            yield 5.0, self._broken()

        def _broken(self):
            yield from frames[:12]
            raise KeyboardInterrupt

    answers = io.StringIO()
    live.watch(model, Interrupted(), output.Writer("text", model.labels, 1), answers, 2.0, 1.0)
    lines = answers.getvalue().splitlines()
    assert lines[0].startswith("    0:00.0 -   0:01.0") and lines[1].startswith("    0:05.0 -   0:06.0")
    assert lines[2] == "camera 0, mean of the windows of 6.0 s" and len(lines) == 4


def test_a_camera_that_gives_less_than_a_step_is_an_error(model, tmp_path, write_video, moving_texture):
    write_video(tmp_path / "a.avi", moving_texture(6, (1, 0), seed=0))
    with (
        camera.opened(str(tmp_path / "a.avi"), 2.0) as source,
        pytest.raises(video.VideoError, match="less than a step of 1 seconds"),
    ):
        live.watch(model, source, output.Writer("text", model.labels, 1), io.StringIO(), 2.0, 1.0)
