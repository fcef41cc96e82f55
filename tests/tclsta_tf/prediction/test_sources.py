import io

import pytest

from tclsta_tf.prediction import sources
from tfrecords_tools import storage, video
from tfrecords_tools.datasets import disk


def find(*operands):
    found = sources.find([str(operand) for operand in operands], lambda path: disk.is_video(path, False))
    return [str(path) for path in found.videos], list(found.errors)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Videos, and what must not be taken for one."""
    for name in ("b.avi", "a.MP4", "deep/er/c.mkv", "notes.txt", ".hidden.avi", ".cache/d.avi", "deep/[x].avi"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    (tmp_path / "in" / "folder.avi").mkdir()
    (tmp_path / "in" / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "in"


def test_a_folder_is_searched_to_the_bottom(folder):
    assert find("in") == (["in/a.MP4", "in/b.avi", "in/deep/[x].avi", "in/deep/er/c.mkv"], [])


def test_a_folder_may_itself_be_hidden(folder):
    assert find("in/.cache") == (["in/.cache/d.avi"], [])


def test_patterns_take_videos_and_folders(folder):
    assert find("in/*.avi") == (["in/b.avi"], [])
    assert find("in/**/*.mkv") == (["in/deep/er/c.mkv"], [])
    assert find("in/d*") == (["in/deep/[x].avi", "in/deep/er/c.mkv"], [])
    assert find("in/**") == (["in/a.MP4", "in/b.avi", "in/deep/[x].avi", "in/deep/er/c.mkv"], [])


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(folder):
    assert find("in/deep/[x].avi") == (["in/deep/[x].avi"], [])


def test_a_named_file_is_taken_whatever_its_suffix_and_once(folder):
    files, errors = find("in/notes.txt", "in/b.avi", folder / "b.avi", "in/../in/b.avi", "missing.avi", "-", "-")
    assert files == ["in/notes.txt", "in/b.avi", "missing.avi", "-"] and not errors


def test_what_names_no_video_is_an_error_and_the_rest_goes_on(folder):
    files, errors = find("in/empty", "in/b.avi", "in/*.mov")
    assert files == ["in/b.avi"]
    assert errors == ["in/empty: the folder holds no video file", "in/*.mov: no video file matches"]


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match="ftp://"):
        find("ftp://host/a.avi")


def test_remote_folders_and_patterns(bucket):
    for name in ("a.avi", "in/b.avi", "in/.c.avi", "in/notes.txt"):
        (storage.path(bucket) / name).write_bytes(b"x")
    assert find(bucket) == ([f"{bucket}/a.avi", f"{bucket}/in/b.avi"], [])
    assert find(f"{bucket}/in/*") == ([f"{bucket}/in/b.avi"], [])
    assert find(f"{bucket}/*.mov") == ([], [f"{bucket}/*.mov: no video file matches"])


def test_a_pipe_is_spooled_and_removed():
    with sources.spooled(io.BytesIO(b"bytes" * 1000)) as file:
        assert file.read_bytes() == b"bytes" * 1000
    assert not file.exists() and not file.parent.exists()


def test_a_keyboard_is_no_pipe(monkeypatch):
    class Keyboard(io.BytesIO):
        def isatty(self):
            return True

    with pytest.raises(video.VideoError, match="nothing is piped in"), sources.spooled(Keyboard()):
        raise AssertionError
