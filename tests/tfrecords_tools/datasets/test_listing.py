from pathlib import Path, PurePosixPath

import pytest

from tfrecords_tools.datasets import listing


def _video(name: str = "a", **changes) -> listing.Video:
    values = {
        "example_id": f"wave/{name}",
        "path": PurePosixPath(f"wave/{name}.avi"),
        "labels": ("wave",),
        "group": name,
        "roles": ("train",),
    }
    return listing.Video(**{**values, **changes})


def _listing(*videos: listing.Video, labels=("jump", "wave"), splits=("1",)) -> listing.Listing:
    return listing.Listing("folder", Path("/videos"), labels, splits, videos)


def test_partition_names():
    assert _listing(_video(roles=("test",))).roles() == {"test": {"1": "test"}}
    videos = [_video("a", roles=("train", "test", "unused")), _video("b", roles=("train", "train", "test"))]
    made = _listing(*videos, splits=("1", "2", "3"))
    assert {name: [video.example_id for video in own] for name, own in made.partitions().items()} == {
        "1train_2test_3unused": ["wave/a"],
        "1train_2train_3test": ["wave/b"],
    }
    assert made.roles()["1train_2test_3unused"] == {"1": "train", "2": "test", "3": "unused"}


def test_videos_are_sorted_and_located():
    made = _listing(_video("b"), _video("a"))
    assert [video.example_id for video in made.videos] == ["wave/a", "wave/b"]
    assert made.location(made.videos[0]) == Path("/videos/wave/a.avi")


@pytest.mark.parametrize(
    ("videos", "labels", "message"),
    [
        ([_video()], ("wave\nx",), "one line of text"),
        ([_video()], ("wave\u2028x",), "one line of text"),
        ([_video()], (" ",), "one line of text"),
        ([], ("wave",), "no videos"),
        ([_video(), _video(path=PurePosixPath("wave/a.mp4"))], ("wave",), "the same id 'wave/a': .*a.avi.*a.mp4"),
        ([_video(path=PurePosixPath("wave/\udcff.avi"))], ("wave",), "is not UTF-8"),
        ([_video(labels=("run",))], ("wave",), "labels must be among"),
        ([_video(labels=())], ("wave",), "to train on must have a label"),
        ([_video(roles=("validation",))], ("wave",), "one of the roles"),
        ([_video(roles=("train", "test"))], ("wave",), "one of the roles"),
    ],
)
def test_a_wrong_listing_is_refused(videos, labels, message):
    with pytest.raises(ValueError, match=message):
        _listing(*videos, labels=labels)


def test_seeded_order_is_the_same_everywhere():
    names = ["a", "b", "c", "d", "e"]
    # Fixed values: another order would change the shards of existing records.
    assert sorted(names, key=lambda name: listing.seeded_order(0, name)) == ORDER_OF_SEED_0
    assert sorted(names, key=lambda name: listing.seeded_order(1, name)) != ORDER_OF_SEED_0


ORDER_OF_SEED_0 = ["d", "a", "b", "e", "c"]
