import numpy as np
import pytest
import scipy.io

from tfrecords_tools import config, datasets
from tfrecords_tools.datasets import thumos14, ucf101

LABELS = {1: "Archery", 2: "Diving", 3: "YoYo"}


def _write_metadata(folder, validation, test):
    """Rows are (number, primary class, secondary classes[, background])."""

    def structure(part, rows):
        fields = ["video_name", "primary_action", "primary_action_index", "secondary_actions"]
        fields += ["secondary_actions_indices", *(["background_video"] if part == "test" else [])]
        array = np.zeros((1, len(rows)), [(field, object) for field in fields])
        for row, (number, primary, secondary, *background) in zip(array[0], rows, strict=True):
            row["video_name"], row["primary_action"] = f"video_{part}_{number:07d}", LABELS[primary]
            row["primary_action_index"] = primary
            row["secondary_actions"] = np.array([LABELS[other] for other in secondary], object)
            row["secondary_actions_indices"] = np.array(secondary)
            if part == "test":
                row["background_video"] = "YES" if background else "NO"
        return array

    scipy.io.savemat(folder / "validation_set.mat", {"validation_videos": structure("validation", validation)})
    scipy.io.savemat(folder / "test_set_meta.mat", {"test_videos": structure("test", test)})


@pytest.fixture
def thumos(tmp_path):
    """Empty files and generated metadata in THUMOS14's layout."""
    videos_dir, lists_dir = tmp_path / "videos", tmp_path / "lists"
    for name in (
        "UCF-101/Archery/v_Archery_g01_c01.avi",
        "UCF-101/YoYo/v_YoYo_g02_c01.avi",
        "validation/video_validation_0000001.mp4",
        "validation/video_validation_0000002.mp4",
        "test/part 1/video_test_0000001.mp4",
        "test/part 2/video_test_0000002.mp4",
        "background/video_background_0000007.mp4",
        "test/readme.txt",
    ):
        (videos_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (videos_dir / name).touch()
    (lists_dir / "temporal_annotations_test").mkdir(parents=True)
    (lists_dir / "temporal_annotations_test" / "Diving_test.txt").write_text(
        "video_test_0000001  20.0 24.5\nvideo_test_0000001  3 4.0\n"
    )
    (lists_dir / "temporal_annotations_test" / "Ambiguous_test.txt").write_text("video_test_0000001 1.0 2.0\n")
    _write_metadata(lists_dir, [(1, 1, []), (2, 3, [2, 1])], [(1, 2, [1]), (2, 1, [], True)])
    return videos_dir, lists_dir


def _list(thumos, **changes):
    return datasets.list_videos(config.ListingSettings("thumos14", *map(str, thumos), **changes))


def test_a_generated_set(thumos):
    made = _list(thumos)
    assert made.labels == ("Archery", "Diving", "YoYo") and made.splits == ("1",)
    videos = {video.path.stem: video for video in made.videos}
    assert {name: len(members) for name, members in made.partitions().items()} == {"train": 4, "test": 2, "unused": 1}
    assert videos["video_validation_0000002"].labels == ("YoYo", "Diving", "Archery")
    assert videos["v_Archery_g01_c01"].labels == ("Archery",) and videos["v_Archery_g01_c01"].group == "v_Archery_g01"
    test = videos["video_test_0000001"]
    assert test.labels == ("Diving", "Archery") and str(test.path) == "test/part 1/video_test_0000001.mp4"
    assert [(part.label, part.start, part.end) for part in test.segments] == [("Diving", 3, 4), ("Diving", 20, 24.5)]
    assert videos["video_test_0000002"].labels == () and videos["video_test_0000002"].roles == ("test",)
    assert videos["video_background_0000007"].roles == ("unused",)
    assert list(map(str, made.ignored)) == ["test/readme.txt"]
    assert made.notes == ("2 videos of UCF101 to train on; the official set has 13320",)


def test_classes(thumos):
    made = _list(thumos, classes=("Diving",))
    videos = {video.path.stem: video.labels for video in made.videos}
    assert videos == {
        "video_validation_0000002": ("Diving",),
        "video_test_0000001": ("Diving",),
        "video_test_0000002": (),
        "video_background_0000007": (),
    }


def test_missing_videos(thumos):
    (thumos[0] / "validation" / "video_validation_0000001.mp4").unlink()
    with pytest.raises(ValueError, match=r"1 video\(s\) are not in .*validation_set.mat names it"):
        _list(thumos)
    assert [str(missing.path) for missing in _list(thumos, allow_missing=True).missing] == ["video_validation_0000001"]


def test_links_that_lead_back_end(thumos):
    (thumos[0] / "test" / "again").symlink_to(thumos[0], target_is_directory=True)
    assert len(_list(thumos).videos) == 7


def test_what_is_wrong_is_refused(thumos):
    videos_dir, lists_dir = thumos
    (videos_dir / "copy").mkdir()
    (videos_dir / "copy" / "video_test_0000001.avi").touch()
    with pytest.raises(ValueError, match="two videos are .video_test_0000001.*Remove one"):
        _list(thumos)
    (videos_dir / "copy" / "video_test_0000001.avi").unlink()
    path = lists_dir / "temporal_annotations_test" / "Diving_test.txt"
    for text in ("video_test_0000001 5.0 4.0\n", "video_validation_0000001 1.0 2.0\n", "video_test_0000001 a b\n"):
        path.write_text(text)
        with pytest.raises(ValueError, match="Diving_test.txt, line 1: expected a video, start and end"):
            _list(thumos)
    path.rename(path.with_name("Polo_test.txt"))
    with pytest.raises(ValueError, match="'Polo' is no class of the metadata"):
        _list(thumos)
    (lists_dir / "temporal_annotations_test" / "Polo_test.txt").unlink()
    (lists_dir / "validation_set.mat").write_bytes(b"MATLAB 5.0 MAT-file, or not")
    with pytest.raises(ValueError, match="validation_set.mat is not THUMOS14's metadata"):
        _list(thumos)
    (lists_dir / "validation_set.mat").unlink()
    with pytest.raises(ValueError, match="validation_set.mat is missing"):
        _list(thumos)
    with pytest.raises(ValueError, match="`splits_dir` must be the folder of validation_set.mat"):
        datasets.list_videos(config.ListingSettings("thumos14", str(videos_dir)))


def test_the_official_metadata(shared_data):
    folder = shared_data / "thumos14_annotations"
    (validation, classes), (test, test_classes) = (
        thumos14.read_metadata(folder, part) for part in ("validation", "test")
    )
    assert (len(validation), len(test)) == (1010, 1574) and classes == test_classes and len(classes) == 101
    labels = tuple(classes[number] for number in sorted(classes))
    class_file = shared_data / "ucf101_sample" / "ucfTrainTestlist" / "classInd.txt"
    assert labels == ucf101.read_class_index(class_file)
    assert sum(len(entry.labels) > 1 for entry in validation) == 137
    assert sum(not entry.labels for entry in test) == 480  # Background.
    parade = next(entry for entry in validation if entry.name == "video_validation_0000501")
    assert parade.labels == ("MilitaryParade", "BandMarching", "Drumming")
    segments = thumos14.read_segments(folder, labels)
    assert len(segments) == 412 and len({part.label for own in segments.values() for part in own}) == 20
