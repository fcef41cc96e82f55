import pytest

from tfrecords_tools import config, datasets


def _list(videos_dir, **changes):
    return datasets.list_videos(config.ListingSettings("ucf50", str(videos_dir), **changes))


def _fill(videos_dir, classes, groups, clips):
    for label in classes:
        (videos_dir / label).mkdir(parents=True)
        for group in groups:
            for clip in range(1, clips + 1):
                (videos_dir / label / f"v_{label}_g{group:02d}_c{clip:02d}.avi").touch()


def test_each_group_is_a_partition_and_left_out_once(tmp_path):
    _fill(tmp_path, ("Diving", "Mixing"), range(1, 26), 2)
    made = _list(tmp_path)
    assert made.labels == ("Diving", "Mixing") and made.splits == tuple(map(str, range(1, 26)))
    partitions = made.partitions()
    assert list(partitions) == [f"g{group:02d}" for group in range(1, 26)]
    assert {len(videos) for videos in partitions.values()} == {4}
    roles = made.roles()
    assert roles["g07"] == {str(split): "test" if split == 7 else "train" for split in range(1, 26)}
    assert {video.group for video in partitions["g07"]} == {"g07"}
    assert made.notes == (
        "counts that differ from the published UCF50 (in brackets): 100 videos (6618), 2 classes (50)",
    )


def test_the_published_counts_are_no_news(tmp_path):
    # 50 classes x 25 groups x 5 clips are 6250; 368 more in one group of some classes.
    classes = [f"Class{number:02d}" for number in range(50)]
    _fill(tmp_path, classes, range(1, 26), 5)
    for number in range(6618 - 6250):
        label = classes[number % 50]
        (tmp_path / label / f"v_{label}_g03_c{10 + number // 50}.avi").touch()
    assert _list(tmp_path).notes == ()


def test_classes_without_some_group_are_named(tmp_path):
    _fill(tmp_path, ("Diving", "Mixing"), (1, 2), 1)
    (tmp_path / "Mixing" / "v_Mixing_g02_c01.avi").unlink()
    assert "1 classes have no video of some group: Mixing" in _list(tmp_path).notes


def test_what_is_wrong_is_refused(tmp_path):
    _fill(tmp_path, ("Diving",), (1,), 1)
    with pytest.raises(ValueError, match=r"must hold at least two groups, one to leave out. Received: \[1\]"):
        _list(tmp_path)
    with pytest.raises(ValueError, match="`splits_dir` must be empty for dataset=ucf50"):
        _list(tmp_path, splits_dir="lists")
    (tmp_path / "Diving" / "jump.avi").touch()
    with pytest.raises(ValueError, match="jump.avi: its name must tell the group, like v_Basketball_g01_c02"):
        _list(tmp_path)


def test_groups_of_a_real_sample(shared_data):
    made = _list(shared_data / "ucf101_sample" / "UCF-101")
    assert len(made.videos) == 69 and "69 videos (6618)" in made.notes[0]
    assert all(f"_{video.group}_" in video.example_id for video in made.videos)
