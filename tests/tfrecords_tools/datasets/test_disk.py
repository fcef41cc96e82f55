from pathlib import PurePosixPath

import cv2
import numpy as np
import pytest

from tfrecords_tools import config
from tfrecords_tools.datasets import disk


def _find(root, class_of=lambda name: None, **changes):
    return disk.find(config.ListingSettings("folder", str(root), **changes), class_of)


def _write_frames(*folders):
    for folder in folders:
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "img_00001.jpg"), np.zeros((32, 32, 3), np.uint8))


def test_class_folders_are_found_without_hidden_ones(tmp_path):
    for name in ("wave", "jump", ".git"):
        (tmp_path / name).mkdir()
    (tmp_path / "readme.txt").touch()
    found = _find(tmp_path)
    assert found.choose_classes(()) == ("jump", "wave")
    assert found.choose_classes(("wave",)) == ("wave",)
    with pytest.raises(ValueError, match=r"`classes` must be folders of .*\['jump', 'wave'\].*Received: \['run'\]"):
        found.choose_classes(("run", "wave"))
    with pytest.raises(ValueError, match="`videos_dir` must be a folder.*does not exist"):
        _find(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no class folders"):
        _find(tmp_path / "wave")


def test_files_are_told_apart_and_nothing_but_hidden_ones_is_lost(tmp_path):
    (tmp_path / "wave" / "more").mkdir(parents=True)
    for name in ("b.AVI", "a.mp4", "notes.txt", ".DS_Store"):
        (tmp_path / "wave" / name).touch()
    (tmp_path / "wave" / "broken_link.mkv").symlink_to("nowhere")
    found = _find(tmp_path)
    assert [str(entry.path) for entry in found.of_class("wave")] == ["wave/a.mp4", "wave/b.AVI", "wave/broken_link.mkv"]
    assert [entry.example_id for entry in found.of_class("wave")] == ["wave/a", "wave/b", "wave/broken_link"]
    assert [str(path) for path in found.others["wave"]] == ["wave/more", "wave/notes.txt"]


def test_an_empty_class_is_refused(tmp_path):
    (tmp_path / "wave").mkdir()
    (tmp_path / "wave" / "notes.txt").touch()
    with pytest.raises(ValueError, match="wave holds no videos.*leave the class out"):
        _find(tmp_path).of_class("wave")


def test_names_are_compared_without_capitals_and_suffixes(tmp_path):
    for name in ("Wave/A.avi", "jump/b.mp4", "other/c.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found, ignored = _find(tmp_path).by_name(("wave", "jump", "absent"))
    assert {key: str(entry.path) for key, entry in found.items()} == {"wave/a": "Wave/A.avi", "jump/b": "jump/b.mp4"}
    assert ignored == []
    (tmp_path / "Wave" / "a.mkv").touch()
    with pytest.raises(ValueError, match="'Wave/A.avi' and 'Wave/a.mkv' have the same name"):
        _find(tmp_path).by_name(("wave",))


def test_folders_of_frames_in_class_folders(tmp_path):
    _write_frames(tmp_path / "wave" / "a.b", tmp_path / "wave" / "c.avi")
    (tmp_path / "wave" / "empty").mkdir()
    (tmp_path / "wave" / "d.avi").touch()
    found = _find(tmp_path, frame_folders=True)
    assert [entry.example_id for entry in found.of_class("wave")] == ["wave/a.b", "wave/c"]
    assert found.others["wave"] == (PurePosixPath("wave/d.avi"), PurePosixPath("wave/empty"))


def test_folders_of_frames_side_by_side(tmp_path):
    _write_frames(tmp_path / "v_Run_g01_c01", tmp_path / "v_Jump_g01_c01", tmp_path / "x")
    classes = {"v_Run_g01_c01": "Run", "v_Jump_g01_c01": "Jump"}
    found = _find(tmp_path, classes.get, frame_folders=True)
    assert found.videos["Run"] == (disk.Entry(PurePosixPath("v_Run_g01_c01"), "Run"),)
    assert found.videos["Run"][0].example_id == "Run/v_Run_g01_c01"
    assert found.others == {"": (PurePosixPath("x"),)}
    with pytest.raises(ValueError, match="3 folders of frames.*dataset=folder cannot tell.*dataset=csv"):
        _find(tmp_path, frame_folders=True)
