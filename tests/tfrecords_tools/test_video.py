import os
import pickle
import wave

import cv2
import numpy as np
import pytest

from tfrecords_tools import container, video


def _solid(num_frames: int) -> np.ndarray:
    frames = np.zeros((num_frames, 48, 64, 3), np.uint8)
    frames[..., 0] = 200  # Red.
    return frames


@pytest.mark.parametrize("num_frames", [1, 7])
def test_frames_are_counted_by_decoding_and_are_rgb(num_frames, tmp_path, write_video):
    write_video(tmp_path / "clip.avi", _solid(num_frames), frame_rate=12.5)
    opened = video.read_video(tmp_path / "clip.avi")
    frames = list(opened)
    assert len(frames) == num_frames and opened.frame_rate == pytest.approx(12.5)
    assert np.abs(frames[0].astype(int) - [200, 0, 0]).max() < 12
    np.testing.assert_array_equal(frames, list(opened))  # Iterating again decodes again.


@pytest.mark.parametrize(
    "name", ["a:b.avi", "img_%03d.avi", "clip0001.avi", "two\nlines.avi", "\u65e5\u672c.avi", "#&.avi"]
)
def test_odd_names_are_only_names(name, tmp_path, write_video, monkeypatch):
    write_video(tmp_path / "plain.avi", _solid(3))
    (tmp_path / "plain.avi").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert sum(1 for _ in video.read_video(name)) == 3


def _text(path):
    path.write_text("This is not a video.\n" * 100)


def _sound(path):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "cannot be read"),
        (lambda path: path.touch(), "is empty"),
        (_text, "not a video"),
        (_sound, "not a video"),
        (lambda path: path.symlink_to(path), "cannot be read"),
    ],
)
def test_what_is_no_video_is_refused_with_its_reason(make, reason, tmp_path):
    path = tmp_path / "clip.avi"
    make(path)
    with pytest.raises(video.VideoError, match=reason) as raised:
        video.read_video(path)
    assert raised.value.path == path and reason in raised.value.reason
    copy = pickle.loads(pickle.dumps(raised.value))  # It has to come home from a worker process.
    assert (str(copy), copy.reason) == (str(raised.value), raised.value.reason)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path, write_video):
    write_video(tmp_path / "clip.avi", _solid(3))
    (tmp_path / "clip.avi").chmod(0)
    with pytest.raises(video.VideoError, match="cannot be read"):
        video.read_video(tmp_path / "clip.avi")


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_truncated_avi_is_refused(keep, tmp_path, write_video, moving_texture):
    path = tmp_path / "clip.avi"
    write_video(path, moving_texture(10, (1, 1), seed=0))
    assert container.missing_bytes(path) == 0
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    assert container.missing_bytes(path) == len(data) - int(keep * len(data))
    with pytest.raises(video.VideoError, match="truncated"):
        video.read_video(path)


def test_a_truncated_mp4_is_refused(tmp_path, moving_texture):
    path = tmp_path / "clip.mp4"
    file = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 48))
    if not file.isOpened():
        pytest.skip("this OpenCV writes no MPEG-4")
    for frame in moving_texture(10, (1, 1), seed=0):
        file.write(frame)
    file.release()
    assert sum(1 for _ in video.read_video(path)) == 10
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(video.VideoError, match="truncated, 50 bytes"):
        video.read_video(path)


@pytest.mark.parametrize(
    ("data", "missing"),
    [
        (b"RIFF\x0c\0\0\0AVI 12345678", 0),
        (b"RIFF\x0c\0\0\0AVI 123456", 2),
        (b"RIFF\x05\0\0\0AVI 1", 0),  # Odd length, its padding left out.
        (b"RIFF\x05\0\0\0AVI 1\0RIFF\x08\0\0\0AVIX12", 2),
        (b"RIFF\xff\xff\xff\xffAVI ", 0),  # Written to a pipe: unknown length.
        (b"RIFF\x04\0\0\0AVI TAG and more", 0),
        (b"\0\0\0\x10ftypisom1234\0\0\0\x10mdat1234", 4),
        (b"\0\0\0\x0cftypisom\0\0\0\x01mdat\0\0\0\0\0\0\0\x18", 8),
        (b"\0\0\0\x0cftypisom\0\0\0\0mdat12", 0),
        (b"\x1aE\xdf\xa3 something else", 0),
        (b"", 0),
    ],
)
def test_missing_bytes_by_hand(data, missing, tmp_path):
    (tmp_path / "file").write_bytes(data)
    assert container.missing_bytes(tmp_path / "file") == missing


def test_real_videos_lack_nothing(shared_data):
    paths = sorted(shared_data.glob("ucf101_sample/**/*.avi")) + sorted(shared_data.glob("jhmdb21/videos/pour/*.avi"))
    assert len(paths) > 100
    assert [path.name for path in paths if container.missing_bytes(path)] == []


def test_frames_are_counted_not_believed_on_a_real_clip(shared_data):
    path = sorted(shared_data.glob("jhmdb21/videos/clap/#20*.avi"))[0]
    header = cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT)
    frames = list(video.read_video(path))
    assert len(frames) == 40 and header != 40
    assert frames[0].shape == (240, 320, 3)


def test_resize_by_hand():
    frame = np.zeros((240, 320, 3), np.uint8)
    frame[:, 160:] = 255
    resized = video.Resize.parse("340x256").apply(frame)
    assert resized.shape == (256, 340, 3) and resized[:, :165].max() == 0 and resized[:, 175:].min() == 255
    assert video.Resize.parse("short_side=120").apply(frame).shape == (120, 160, 3)
    assert video.Resize.parse("short_side=256").size(480, 270) == (455, 256)
    assert video.Resize.parse("320x240").apply(frame) is frame


@pytest.mark.parametrize(
    "text", ["", "340", "340x", "axb", "8x256", "short_side=", "short_side=4", "256 x 256", "-1x20"]
)
def test_a_wrong_size_is_refused(text):
    with pytest.raises(ValueError, match="`resize` must"):
        video.Resize.parse(text)


@pytest.mark.parametrize("suffix", sorted(video.CODECS))
def test_what_is_written_is_read(suffix, tmp_path, moving_texture):
    frames = moving_texture(5, (1, 0), seed=1)
    path = tmp_path / f"clip{suffix}"
    video.write_video(path, frames, 12.5)
    again = video.read_video(path)
    assert again.frame_rate == 12.5 and list(tmp_path.iterdir()) == [path]
    assert np.abs(np.stack(list(again)).astype(int) - frames).mean() < 12


def test_a_video_that_fails_halfway_leaves_nothing(tmp_path):
    def frames():
        yield np.zeros((32, 32, 3), np.uint8)
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        video.write_video(tmp_path / "clip.mp4", frames(), 25)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="`path` must end in .mp4 or .avi. Received: path=clip.gif"):
        video.write_video("clip.gif", frames(), 25)
