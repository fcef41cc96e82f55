import collections
import shutil

import pytest

from tfrecords_tools import config, datasets
from tfrecords_tools.datasets import hmdb51


def _list(videos_dir, splits_dir, **changes):
    return datasets.list_videos(config.ListingSettings("hmdb51", str(videos_dir), str(splits_dir), **changes))


@pytest.fixture
def copy(tiny_videos, tmp_path):
    """A copy of the tiny set to spoil."""
    shutil.copytree(tiny_videos.videos_dir, tmp_path / "videos")
    shutil.copytree(tiny_videos.splits_dir, tmp_path / "splits")
    return tmp_path / "videos", tmp_path / "splits"


def test_a_generated_set(tiny_videos):
    made = _list(tiny_videos.videos_dir, tiny_videos.splits_dir)
    assert made.labels == ("jump", "ride_bike", "wave") and made.splits == ("1", "2")
    assert len(made.videos) == tiny_videos.num_videos == 27
    assert {name: len(videos) for name, videos in made.partitions().items()} == {
        "1test_2unused": 6,
        "1train_2test": 6,
        "1train_2train": 12,
        "1unused_2unused": 3,  # On no list.
    }
    video = next(video for video in made.videos if video.example_id == "wave/wave_of_waves_wave_u_nm_np1_fr_med_0")
    assert video.group == "wave_of_waves" and video.labels == ("wave",) and video.roles == ("test", "unused")
    groups = collections.Counter(video.group for video in made.videos)
    assert groups == {"#20_Rhythm": 9, "A & B (part one)": 6, "Stra\u00dfe_der_Filme": 6, "wave_of_waves": 6}


def test_classes_choose_folders_and_lists(tiny_videos):
    made = _list(tiny_videos.videos_dir, tiny_videos.splits_dir, classes=("wave", "jump"))
    assert made.labels == ("jump", "wave") and len(made.videos) == 18


def test_a_split_file_by_hand(tmp_path):
    path = tmp_path / "wave_test_split1.txt"
    path.write_bytes(b"#1 & 2_wave_0.avi 1 \r\n\n  a b\t2\nc.avi  0\nd 2 1")
    assert hmdb51.read_split_file(path) == {
        "#1 & 2_wave_0.avi": "train", "a b": "test", "c.avi": "unused", "d 2": "train",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a.avi 1\nb.avi 3\n", r"split1.txt, line 2: expected .* Received: 'b.avi 3'"),
        (b"a.avi\n", "line 1: expected"),
        (b"1\n", "line 1: expected"),
        (b"a.avi 1\na.avi 1\n", "line 2: 'a.avi' is on the list twice"),
        (b"\xff\xfe 1\n", "must be UTF-8 text"),
    ],
)
def test_a_wrong_split_file_is_refused(text, message, tmp_path):
    path = tmp_path / "wave_test_split1.txt"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=message):
        hmdb51.read_split_file(path)


def test_source_film_ends_before_the_last_class_name():
    name = "I_wave_you_wave_wave_u_nm_np1_fr_med_0"
    assert hmdb51.source_film(name, "wave") == "I_wave_you_wave"
    assert hmdb51.source_film(name, "jump") == name


def test_missing_and_superfluous_lists_are_refused(copy):
    videos_dir, splits_dir = copy
    (splits_dir / "wave_test_split2.txt").unlink()
    with pytest.raises(ValueError, match="wave_test_split2.txt is missing"):
        _list(videos_dir, splits_dir)
    assert _list(videos_dir, splits_dir, classes=("jump",)).splits == ("1", "2")
    (splits_dir / "wave_test_split1.txt").unlink()
    with pytest.raises(ValueError, match="wave_test_split1.txt is missing"):
        _list(videos_dir, splits_dir)
    with pytest.raises(ValueError, match="wave_test_split1.txt is missing"):
        _list(videos_dir, splits_dir, classes=("wave",))
    shutil.rmtree(videos_dir / "jump")
    with pytest.raises(ValueError, match="classes without a folder in .*'jump'.*--classes"):
        _list(videos_dir, splits_dir)


def test_no_lists_are_refused(copy, tmp_path):
    videos_dir, _ = copy
    for splits_dir in ("", tmp_path / "nowhere"):
        with pytest.raises(ValueError, match="`splits_dir` must be the folder of the split files"):
            _list(videos_dir, splits_dir)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no split files.*<class>_test_split<k>.txt"):
        _list(videos_dir, tmp_path / "empty")


def test_a_listed_video_that_is_not_on_disk_is_refused(copy):
    videos_dir, splits_dir = copy
    sorted((videos_dir / "jump").iterdir())[0].unlink()
    message = r"1 video\(s\) are not in .*jump_test_split1.txt names it: 'jump/#20_Rhythm_jump"
    with pytest.raises(ValueError, match=message):
        _list(videos_dir, splits_dir)
    made = _list(videos_dir, splits_dir, allow_missing=True)
    assert len(made.videos) == 26 and [missing.labels for missing in made.missing] == [("jump",)]


def test_the_official_lists(shared_data):
    files = hmdb51.find_split_files(shared_data / "hmdb51_lists")
    assert len(files) == 153 and {split for _, split in files} == {"1", "2", "3"}
    for split in ("1", "2", "3"):
        roles = collections.Counter()
        for (_, number), path in files.items():
            if number == split:
                roles.update(hmdb51.read_split_file(path).values())
        assert (roles["train"], roles["test"]) == (3570, 1530)
        assert roles.total() == 6766


def test_a_real_set(shared_data):
    made = _list(shared_data / "jhmdb21" / "videos", shared_data / "jhmdb21" / "splits")
    assert len(made.labels) == 21 and made.splits == ("1",) and len(made.videos) == 664
    assert {name: len(videos) for name, videos in made.partitions().items()} == {"test": 177, "train": 487}
    roles = collections.defaultdict(set)
    for video in made.videos:
        roles[video.group, video.labels].add(video.roles)
    # HMDB51 keeps the clips of a film together class by class; films that show several classes can be on both sides.
    assert all(len(found) == 1 for found in roles.values())
    assert len({group for group, _ in roles}) == 247
