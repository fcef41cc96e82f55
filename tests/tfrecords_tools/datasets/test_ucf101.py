import pytest

from tfrecords_tools import config, datasets
from tfrecords_tools.datasets import ucf101

CLASSES = ("Archery", "HandstandPushups", "YoYo")


@pytest.fixture
def ucf(tmp_path):
    """Empty files in UCF101's layout with lists of two splits; the folder of one class is spelled differently."""
    videos_dir, lists_dir = tmp_path / "videos", tmp_path / "lists"
    lists_dir.mkdir()
    (lists_dir / "classInd.txt").write_text("1 Archery\r\n2 HandstandPushups\r\n3 YoYo\r\n")
    lists = {f"{role}list0{split}.txt": [] for role in ("train", "test") for split in (1, 2)}
    for number, label in enumerate(CLASSES, start=1):
        name = label.replace("Handstand", "HandStand")
        (videos_dir / name).mkdir(parents=True)
        for group in (1, 2, 3):
            for clip in (1, 2):
                file = f"v_{name}_g0{group}_c0{clip}.avi"
                (videos_dir / name / file).touch()
                for split in (1, 2):
                    tested = group == split
                    line = f"{label}/{file}" if tested else f"{label}/{file} {number}"
                    lists[f"{'test' if tested else 'train'}list0{split}.txt"].append(line)
    for name, lines in lists.items():
        (lists_dir / name).write_text("\n".join(lines) + "\n")
    return videos_dir, lists_dir


def _list(ucf, **changes):
    return datasets.list_videos(config.ListingSettings("ucf101", *map(str, ucf), **changes))


def test_a_generated_set(ucf):
    (ucf[0] / "YoYo" / "v_YoYo_g09_c01.avi").touch()  # On no list.
    made = _list(ucf)
    assert made.labels == CLASSES and made.splits == ("1", "2") and not made.missing
    assert {name: len(videos) for name, videos in made.partitions().items()} == {
        "1test_2train": 6, "1train_2test": 6, "1train_2train": 6, "1unused_2unused": 1,
    }  # fmt: skip
    video = next(video for video in made.videos if "HandStand" in video.example_id)
    assert video.example_id == "HandStandPushups/v_HandStandPushups_g01_c01" and video.labels == ("HandstandPushups",)
    assert video.group == "v_HandStandPushups_g01" and video.roles == ("test", "train")


def test_classes_keep_the_official_order(ucf):
    made = _list(ucf, classes=("YoYo", "Archery"))
    assert made.labels == ("Archery", "YoYo") and len(made.videos) == 12
    with pytest.raises(ValueError, match=r"`classes` must be .*Received: \['Yoyo'\]. Did you mean YoYo\?"):
        _list(ucf, classes=("Yoyo",))


def test_what_is_missing_is_refused_or_listed(ucf):
    for path in sorted((ucf[0] / "Archery").iterdir())[1:]:
        path.unlink()
    with pytest.raises(ValueError, match=r"5 video\(s\) are not in .*'Archery/v_Archery_g.*avi' and 2 more.*--allow"):
        _list(ucf)
    made = _list(ucf, allow_missing=True)
    assert len(made.videos) == 13 and made.labels == CLASSES
    assert sorted(str(missing.path) for missing in made.missing)[0] == "Archery/v_Archery_g01_c02.avi"
    assert {missing.labels for missing in made.missing} == {("Archery",)}


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("classInd.txt", "1 Archery\n3 YoYo\n", "classInd.txt, line 2: expected the class number 2"),
        ("classInd.txt", "1 Archery\n2 Archery\n", "line 2: .* a name that is new"),
        ("classInd.txt", "", "holds no classes"),
        (
            "trainlist01.txt",
            "Archery/a.avi 2\n",
            "trainlist01.txt, line 1: the class must be one of classInd.txt, with",
        ),
        ("trainlist01.txt", "Polo/a.avi\n", "line 1: the class must be one of"),
        ("trainlist01.txt", "a.avi 1\n", "line 1: expected <class>/<file>"),
        ("trainlist01.txt", "Archery/.. 1\n", "line 1: expected <class>/<file>"),
        ("trainlist01.txt", "Archery/a.avi 1\nArchery/a.avi 1\n", "line 2: Archery/a.avi is on the list twice"),
        ("testlist02.txt", "Archery/v_Archery_g01_c01.avi\n", "is on the training list of split 2 as well"),
    ],
)
def test_a_wrong_list_is_refused(file, text, message, ucf):
    (ucf[1] / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        _list(ucf)


def test_a_missing_list_is_refused(ucf):
    (ucf[1] / "testlist02.txt").unlink()
    with pytest.raises(ValueError, match="testlist02.txt must be a list of the dataset"):
        _list(ucf)
    with pytest.raises(ValueError, match="`splits_dir` must be the folder of the official lists"):
        datasets.list_videos(config.ListingSettings("ucf101", str(ucf[0])))


def test_the_official_lists(shared_data):
    folder = shared_data / "ucf101_sample" / "ucfTrainTestlist"
    labels = ucf101.read_class_index(folder / "classInd.txt")
    assert len(labels) == 101 and labels[0] == "ApplyEyeMakeup" and labels[100] == "YoYo"
    counts = {
        split: [len(ucf101.read_list(folder / f"{role}list0{split}.txt", labels)) for role in ("train", "test")]
        for split in (1, 2, 3)
    }
    assert counts == {1: [9537, 3783], 2: [9586, 3734], 3: [9624, 3696]}


def test_a_sample_of_the_real_set(shared_data):
    folder = shared_data / "ucf101_sample"
    made = _list((folder / "UCF-101", folder / "ucfTrainTestlist"), allow_missing=True)
    assert len(made.labels) == 101 and made.splits == ("1", "2", "3")
    assert (len(made.videos), len(made.videos) + len(made.missing)) == (69, 13320)
    assert all("unused" not in video.roles and video.roles.count("test") <= 1 for video in made.videos)
