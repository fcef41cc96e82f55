import dataclasses
import json

import pytest

from tfrecords_tools import config, manifest

ROLES = {
    "1test_2unused": {"1": "test", "2": "unused"},
    "1train_2test": {"1": "train", "2": "test"},
    "1train_2train": {"1": "train", "2": "train"},
}


def _shard(folder, partition: str, number: int, *labels: tuple[int, ...]) -> manifest.Shard:
    path = folder / f"{partition}-{number:05d}-of-00002.tfrecord"
    path.write_bytes(b"x" * 10)
    videos = tuple(
        manifest.VideoEntry(f"{partition}/{number}/{i}", f"stra\u00dfe {i}.avi", own, "film", 5, 4)
        for i, own in enumerate(labels)
    )
    return manifest.Shard(path, partition, "ab" * 32, 10, videos)


@pytest.fixture
def made(tmp_path) -> manifest.Manifest:
    shards = [
        _shard(tmp_path, "1train_2train", 1, (0,), (1,)),
        _shard(tmp_path, "1train_2train", 0, (0, 1)),
        _shard(tmp_path, "1test_2unused", 0, (1,)),
        _shard(tmp_path, "1train_2test", 0),
    ]
    return manifest.Manifest.build(
        tmp_path, "folder", ("h\u00fcpfen", "wave"), ("1", "2"), ROLES, shards, config.RecordSettings(), {"numpy": "1"}
    )


def test_partitions_are_counted_from_the_shards(made):
    assert made.partitions["1train_2train"] == manifest.Partition(
        roles={"1": "train", "2": "train"},
        videos=3,
        per_class={"h\u00fcpfen": 2, "wave": 2},
        frames=15,
        fields=12,
        bytes=20,
    )
    assert made.partitions["1train_2test"].videos == 0


def test_load_is_the_inverse_of_save(made, tmp_path):
    made.save()
    assert manifest.Manifest.load(tmp_path) == made
    assert (tmp_path / "labels.txt").read_text(encoding="utf-8") == "h\u00fcpfen\nwave\n"
    assert sorted(json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))) == [
        "dataset", "format_version", "labels", "partitions", "record", "shards", "splits", "versions",
    ]  # fmt: skip
    assert [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


def test_shards_for_a_split_and_a_role(made):
    def names(split, role):
        return [shard.path.name for shard in made.shards_for(split, role)]

    assert names("1", "train") == [
        "1train_2test-00000-of-00002.tfrecord",
        "1train_2train-00000-of-00002.tfrecord",
        "1train_2train-00001-of-00002.tfrecord",
    ]
    assert names("2", "test") == ["1train_2test-00000-of-00002.tfrecord"]
    assert names("2", "unused") == names("1", "test") == ["1test_2unused-00000-of-00002.tfrecord"]
    with pytest.raises(ValueError, match=r"`split` must be one of \['1', '2'\].*Received: split='3'"):
        made.shards_for("3", "train")
    with pytest.raises(ValueError, match="`role` must be one of .*Received: role='validation'"):
        made.shards_for("1", "validation")


def test_check_sizes_finds_lost_and_truncated_shards(made, tmp_path):
    made.check_sizes()
    path = tmp_path / "1train_2train-00001-of-00002.tfrecord"
    path.write_bytes(b"x" * 9)
    with pytest.raises(ValueError, match="1train_2train-00001.* must be 10 bytes long.*Received: 9 bytes"):
        made.check_sizes()
    path.unlink()
    with pytest.raises(ValueError, match="1train_2train-00001.* is missing"):
        made.check_sizes()


def _write(folder, change):
    values = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    change(values)
    (folder / "manifest.json").write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.update(format_version=2), "`format_version` must be 1. Received: 2"),
        (lambda values: values.pop("labels"), "is not a manifest: KeyError: 'labels'"),
        (lambda values: values.update(shards=[]), "is not a manifest: AttributeError"),
        (lambda values: values["record"].update(colour="blue"), "Record settings must have the keys"),
    ],
)
def test_a_wrong_manifest_is_refused(change, message, made, tmp_path):
    made.save()
    _write(tmp_path, change)
    with pytest.raises(ValueError, match=message):
        manifest.Manifest.load(tmp_path)


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(ValueError, match="manifest.json does not exist.*tfrecords_tools.convert"):
        manifest.Manifest.load(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match="manifest.json is not valid JSON"):
        manifest.Manifest.load(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ValueError, match="`format_version` must be 1. Received: list"):
        manifest.Manifest.load(tmp_path)


def test_record_settings_survive_json():
    settings = config.RecordSettings(resize="short_side=96", flow="farneback", positions=7, jpeg_quality=80)
    assert config.RecordSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    for change in ({"positions": -1}, {"jpeg_quality": 0}, {"jpeg_quality": 101}):
        with pytest.raises(ValueError, match=f"`{next(iter(change))}` must.*Received: {next(iter(change))}="):
            dataclasses.replace(settings, **change)
