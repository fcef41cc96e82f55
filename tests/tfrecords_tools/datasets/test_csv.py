import pytest

from tfrecords_tools import config, datasets


@pytest.fixture
def listed(tmp_path):
    """A function that writes a CSV file beside 4 videos and lists it."""
    for name in ("a/one.mp4", "a/tw o.avi", "b/three, four.avi", "b/f\u00fcnf.avi"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).touch()

    def make(text, **changes):
        (tmp_path / "videos.csv").write_bytes(text.encode("utf-8"))
        settings = config.ListingSettings(
            "csv", str(tmp_path / "videos"), csv_file=str(tmp_path / "videos.csv"), **changes
        )
        return datasets.list_videos(settings)

    return make


def test_all_columns(listed):
    made = listed(
        "\ufeffpath,label,group,split2,split1\r\n"
        "a/one.mp4,run,film1,train,test\r\n"
        "a/tw o.avi, run ; jump ,film1,test,train\r\n"
        '"b/three, four.avi",jump,,unused,train\r\n'
    )
    assert made.labels == ("jump", "run") and made.splits == ("1", "2")
    videos = {str(video.path): video for video in made.videos}
    assert videos["a/one.mp4"].roles == ("test", "train") and videos["a/one.mp4"].group == "film1"
    assert videos["a/tw o.avi"].labels == ("run", "jump")
    assert videos["b/three, four.avi"].group == "b/three, four" and len(videos) == 3


def test_without_splits_one_is_made_by_group(listed):
    text = "path,label,group\na/one.mp4,run,x\na/tw o.avi,run,y\nb/three, four.avi,run,x\n".replace(
        "b/three, four.avi", '"b/three, four.avi"'
    )
    made = listed(text, seed=3)
    assert made.splits == ("1",)
    roles = {video.path.name: video.roles for video in made.videos}
    assert roles["one.mp4"] == roles["three, four.avi"] != roles["tw o.avi"]


def test_classes_and_missing_videos(listed):
    text = "path,label,split\na/one.mp4,run;jump,train\nb/f\u00fcnf.avi,jump,test\nlost.avi,run,test\n"
    with pytest.raises(ValueError, match=r"1 video\(s\) are not in .*videos.csv names it: 'lost.avi'"):
        listed(text)
    made = listed(text, allow_missing=True)
    assert [str(missing.path) for missing in made.missing] == ["lost.avi"] and len(made.videos) == 2
    made = listed(text, classes=("jump",))
    assert made.labels == ("jump",) and [video.labels for video in made.videos] == [("jump",)] * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line must name the columns"),
        ("path;label\n", "the first line must name the columns"),
        ("path,label,colour\n", "unknown column 'colour'"),
        ("path,label,split,split1\n", "are the same split"),
        ("path,label\na/one.mp4\n", "line 2: expected 2 values: path, label"),
        ("path,label\na/one.mp4,run,more\n", "line 2: expected 2 values"),
        ("path,label\na/one.mp4, ; \n", "line 2: `label` must name a class"),
        ("path,label,split\na/one.mp4,run,exam\n", "line 2: the split must be one of"),
        ("path,label\na/one.mp4,run\na/one.mp4,run\n", "line 3: 'a/one.mp4' is in the file twice"),
        ("path,label\n../one.mp4,run\n", "line 2: `path` must lie inside `videos_dir`"),
        ("path,label\n/etc/passwd,run\n", "line 2: `path` must lie inside `videos_dir`"),
        ('path,label\n"a/one.mp4"x,run\n', "must be a CSV file in UTF-8"),
    ],
)
def test_a_wrong_file_is_refused(text, message, listed):
    with pytest.raises(ValueError, match=message):
        listed(text)


def test_no_file(tmp_path):
    with pytest.raises(ValueError, match="`csv_file` must name the CSV file"):
        datasets.list_videos(config.ListingSettings("csv", str(tmp_path)))
    with pytest.raises(ValueError, match="`csv_file` must exist"):
        datasets.list_videos(config.ListingSettings("csv", str(tmp_path), csv_file=str(tmp_path / "no.csv")))
