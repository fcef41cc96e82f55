"""Where the pictures of videos go."""

import pathlib

import pytest

from tclsta_tf.prediction import picture_files


def test_names_never_collide():
    paths = [pathlib.Path(name) for name in ("a/x.avi", "b/x.mp4", "b/X.avi", "y.avi", "s/b/x.mp4")]
    assert picture_files.names([*paths, "-"]) == [
        "a_x.mp4", "b_x.mp4", "b_X_2.mp4", "y.mp4", "b_x_3.mp4", "piped.mp4"
    ]  # fmt: skip


def test_a_video_is_never_replaced_by_its_picture(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    for target in ("a.mp4", "", "link", "link/a.mp4"):
        with pytest.raises(ValueError, match="would replace the video"):
            picture_files.targets(str(tmp_path / target), [tmp_path / "a.mp4"])
    made = picture_files.targets(str(tmp_path / "new" / "folder"), [tmp_path / "a.mp4", "-"])
    assert made == [tmp_path / "new" / "folder" / name for name in ("a.mp4", "piped.mp4")]
