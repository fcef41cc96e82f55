import pytest

from tfrecords_tools import suggestions


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("wlk", " Did you mean walk?"),
        ("WALK", " Did you mean walk?"),
        ("yoyo", " Did you mean YoYo?"),
        (["wlk", "yoyo", "walks"], " Did you mean walk or YoYo?"),
        ("archery", ""),
        ([], ""),
    ],
)
def test_names(wrong, expected):
    assert suggestions.among(wrong, ("walk", "wave", "YoYo")) == expected


def test_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run" / "export" / "1").mkdir(parents=True)
    (tmp_path / "clip.avi").touch()
    for path, expected in {
        "rnu": "run",
        "clip.av": "clip.avi",
        "run/exprot/1": "run/export/1",  # the rest of the path leads to something
        "run/exprot/2": "run/export",
        "Run/export": "run/export",
        str(tmp_path / "rum"): str(tmp_path / "run"),
        "./rnu": "run",
    }.items():
        assert suggestions.for_path(path) == f" Did you mean {expected}?", path
    for path in ("run", "", "nothing/like/it", "clip.avi/x", "s3://bucket/rnu", "x" * 300, "a\0b"):
        assert suggestions.for_path(path) == "", path
