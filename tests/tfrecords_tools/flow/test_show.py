import functools

import cv2
import numpy as np
import pytest

from tfrecords_tools import video
from tfrecords_tools.flow import show


@pytest.fixture(scope="module")
def clip(tmp_path_factory, write_video, moving_texture):
    """12 frames of 64 x 48 pixels that move two pixels to the right, but for the last pair."""
    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    frames = moving_texture(11, (2, 0), seed=3)
    write_video(path, np.concatenate([frames, frames[-1:]]))
    return path


def _read(path):
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def test_a_picture_of_uniform_pairs(clip, tmp_path):
    output = tmp_path / "flow.png"
    assert show.show(clip, output, flow="dis", pairs=6) == 6
    picture = _read(output)
    # Two rows of up to four cells, each a frame of 320 x 240 over its flow, and the legend.
    assert picture.shape == (2 * 480 + 96, 4 * 320, 3)
    moving, at_rest = picture[240 + 60 : 480 - 60, 60:260], picture[720 + 60 : 960 - 60, 320 + 60 : 640 - 60]
    assert moving[..., 0].mean() > 180 and moving[..., 1:].mean() < 130  # To the right is red.
    assert at_rest.mean() > 225  # Next to white, as JPEG makes two equal frames of the clip differ a little.
    assert (picture[480:960, 640:] == 255).all()  # No sixth and seventh pair to fill the row.
    legend = picture[-96:]
    right, left = legend[48, 48 + 38].astype(int), legend[48, 48 - 38].astype(int)
    assert right[0] > right[2] + 100 and left[2] > left[0] + 100
    assert legend[:, 104:300].min() < 100  # There is text.


def test_one_pair_of_the_middle_and_a_given_scale(clip, tmp_path):
    means = []
    for speed in (2.0, 8.0, 1.0):
        assert show.show(clip, tmp_path / "flow.png", flow="dis", pairs=1, max_speed=speed) == 1
        means.append(_read(tmp_path / "flow.png")[300:420, 60:260].mean())
    assert means[1] > means[0] + 50 and means[2] < means[0]  # Paler below the scale, darker beyond it.


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_video_of_all_pairs(clip, tmp_path, suffix):
    output = tmp_path / f"flow{suffix}"
    assert show.show(clip, output, flow="dis", resize=video.Resize.parse("32x32")) == 11
    frames = list(video.read_video(output))
    assert len(frames) == 11 and frames[0].shape == (480 + 96, 960, 3)
    for frame in frames[:10]:
        inside = frame[120:360, 600:840]
        assert inside[..., 0].mean() > 180 and inside[..., 1:].mean() < 130
    assert frames[10][120:360, 600:840].mean() > 215
    assert list(tmp_path.iterdir()) == [output]


def test_wrong_arguments(clip, tmp_path, write_video):
    with pytest.raises(ValueError, match=r"`output` must end in .png, .mp4, .avi. Received: output=flow.gif"):
        show.show(clip, "flow.gif")
    with pytest.raises(ValueError, match="`max_speed` must be above 0. Received: max_speed=0.0"):
        show.show(clip, tmp_path / "flow.png", max_speed=0.0)
    write_video(tmp_path / "one.avi", np.zeros((1, 32, 32, 3), np.uint8))
    with pytest.raises(video.VideoError, match="it has one frame, and flow needs two"):
        show.show(tmp_path / "one.avi", tmp_path / "flow.png")
    with pytest.raises(OSError, match="cannot be written"):
        show.show(clip, tmp_path / "no folder" / "flow.mp4", flow="dis")


@pytest.mark.slow
def test_the_command(run_command, clip, tmp_path):
    run = functools.partial(run_command, "tfrecords_tools.flow.show", cwd=tmp_path)

    done = run(clip)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "clip_flow.png: flow of 8 pairs of frames by tvl1\n"
    assert (tmp_path / "clip_flow.png").is_file()
    for arguments, status, message in (
        ((), 2, "error: one video is wanted, 0 given"),
        ((clip, clip), 2, "error: one video is wanted, 2 given"),
        (("missing.avi",), 1, "error: missing.avi: the file does not exist"),
        ((clip, "--resize=huge"), 1, "error: `resize` must look like"),
    ):
        done = run(*arguments)
        assert done.returncode == status and done.stderr.startswith(message), done.stderr
        assert len(done.stderr.splitlines()) == 1
