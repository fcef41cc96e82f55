import csv
import hashlib
import os
import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from tfrecords_tools import codec, config, conversion, datasets, manifest, schema, shards, video

SETTINGS = config.RecordSettings(resize="64x48", flow="dis")  # the fastest to start


def _list(tiny, **changes):
    return datasets.list_videos(config.ListingSettings("hmdb51", str(tiny.videos_dir), str(tiny.splits_dir), **changes))


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.tfrecord"))}


def _records(folder: Path) -> dict[str, list[schema.VideoRecord]]:
    return {
        shard.path.name: [
            schema.deserialise(data) for data in tf.data.TFRecordDataset(str(shard.path)).as_numpy_iterator()
        ]
        for shard in manifest.Manifest.load(folder).shards
    }


@pytest.fixture
def written(monkeypatch) -> list[str]:
    """Names of the shards that are written from here on."""
    names, write = [], shards.write
    monkeypatch.setattr(shards, "write", lambda task: (names.append(task.name), write(task))[1])
    return names


def test_every_video_is_in_one_shard_as_the_manifest_says(tiny_videos, tiny_records):
    made, listing = manifest.Manifest.load(tiny_records), _list(tiny_videos)
    made.check_sizes()
    records = _records(tiny_records)
    assert sorted(path.name for path in tiny_records.glob("*.tfrecord")) == sorted(records)
    assert sorted(record.example_id for own in records.values() for record in own) == [
        video.example_id for video in listing.videos
    ]
    by_id = {video.example_id: video for video in listing.videos}
    for shard in made.shards:
        assert len(shard.videos) <= 4 and len(shard.videos) == len(records[shard.path.name])
        assert hashlib.sha256(shard.path.read_bytes()).hexdigest() == shard.sha256
        for entry, record in zip(shard.videos, records[shard.path.name], strict=True):
            source = by_id[entry.id]
            assert listing.partition(source) == shard.partition
            assert entry == manifest.VideoEntry(
                record.example_id,
                str(source.path),
                record.label_indices,
                source.group,
                len(record.frames),
                len(record.flow),
            )
            assert record.label_strings == source.labels and record.label_indices == (
                made.labels.index(source.labels[0]),
            )
            assert record.data_path == str(source.path) and record.media_id == source.path.stem
            assert record.frame_rate == 10.0 and (record.height, record.width) == (48, 64)
            assert len(record.frames) == sum(1 for _ in video.read_video(listing.location(source)))
            assert len(record.flow) == len(record.frames) - 1
    assert (tiny_records / "labels.txt").read_text() == "jump\nride_bike\nwave\n"
    assert (tiny_records / "quarantine.csv").read_text() == "path,class,reason\n"
    assert made.record == SETTINGS
    assert sum(partition.videos for partition in made.partitions.values()) == tiny_videos.num_videos
    # Classes are mixed: no shard of the largest partition holds a single class.
    mixed = [{entry.labels for entry in shard.videos} for shard in made.shards if shard.partition == "1train_2train"]
    assert len(mixed) == 3 and all(len(labels) > 1 for labels in mixed)


def test_stored_flow_shows_the_motion_of_the_class(tiny_records):
    expected = {"jump": (1, 0), "ride_bike": (-2, 0), "wave": (0, 2)}
    for own in _records(tiny_records).values():
        for record in own:
            if record.flow:
                fields = codec.decode_fields(list(record.flow)).numpy()[:, 8:-8, 8:-8]
                mean = (fields.mean(axis=(0, 1, 2)) - 127.5) * 40 / 255
                assert mean == pytest.approx(expected[record.label_strings[0]], abs=0.3), record.example_id


@pytest.mark.slow
@pytest.mark.parametrize("positions", [0, 3])
def test_records_are_the_same_bytes_whatever_the_number_of_workers(positions, tiny_videos, tmp_path):
    settings = config.RecordSettings(resize="64x48", flow="dis", positions=positions)
    listing = _list(tiny_videos)
    for workers in (1, 2):
        conversion.convert(listing, tmp_path / str(workers), settings, videos_per_shard=8, workers=workers)
    assert len(_hashes(tmp_path / "1")) == 5
    assert _hashes(tmp_path / "1") == _hashes(tmp_path / "2")
    one, two = (tmp_path / str(workers) / "manifest.json" for workers in (1, 2))
    assert one.read_bytes() == two.read_bytes()


def test_a_restart_makes_only_what_is_not_whole(tiny_videos, tiny_records, tmp_path, written):
    folder = tmp_path / "records"
    shutil.copytree(tiny_records, folder)
    before = _hashes(folder)

    def again() -> list[str]:
        written.clear()
        summary = conversion.convert(_list(tiny_videos), folder, SETTINGS, videos_per_shard=4, workers=1)
        assert summary.shards_skipped == len(before) - len(written)
        assert _hashes(folder) == before
        manifest.Manifest.load(folder).check_sizes()
        return list(written)

    assert again() == []
    deleted, shortened, changed, unnoted = sorted(before)[:4]
    (folder / deleted).unlink()
    (folder / shortened).write_bytes((folder / shortened).read_bytes()[:-1])
    data = bytearray((folder / changed).read_bytes())
    data[100] ^= 1
    (folder / changed).write_bytes(data)
    (folder / shards.WORK_DIR / f"{unnoted}.json").unlink()
    (folder / "manifest.json").unlink()
    assert again() == [deleted, shortened, changed, unnoted]
    (folder / shards.WORK_DIR / f"{changed}.json").write_text("{")
    (folder / shards.WORK_DIR / f"{deleted}.tmp").write_bytes(b"left by a killed run")
    assert again() == [changed]


def test_an_interrupted_run_leaves_nothing_that_looks_finished(tiny_videos, tiny_records, tmp_path, monkeypatch):
    make_record, calls = shards.writer.make_record, []

    def interrupt(*args, **kwargs):
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return make_record(*args, **kwargs)

    monkeypatch.setattr(shards.writer, "make_record", interrupt)
    with pytest.raises(KeyboardInterrupt):
        conversion.convert(_list(tiny_videos), tmp_path, SETTINGS, videos_per_shard=4, workers=1)
    assert not (tmp_path / "manifest.json").exists()
    whole = _hashes(tmp_path)
    assert len(whole) == 2 and whole.items() <= _hashes(tiny_records).items()
    summary = conversion.convert(_list(tiny_videos), tmp_path, SETTINGS, videos_per_shard=4, workers=1)
    assert summary.shards_skipped == 2 and _hashes(tmp_path) == _hashes(tiny_records)
    assert list((tmp_path / shards.WORK_DIR).glob("*.tmp")) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"record": config.RecordSettings(resize="80x64", flow="dis")}, "resize was '64x48', now '80x64'"),
        ({"record": config.RecordSettings(resize="64x48", flow="farneback")}, "flow was 'dis', now 'farneback'"),
        ({"videos_per_shard": 5}, "videos_per_shard was 4, now 5"),
        ({"seed": 1}, "seed was 0, now 1"),
        ({"classes": ("jump", "wave")}, "classes was .*ride_bike.*, now"),
    ],
)
def test_other_settings_are_refused_in_the_same_folder(change, message, tiny_videos, tiny_records, written):
    values = {"record": SETTINGS, "videos_per_shard": 4, "seed": 0, "classes": (), **change}
    listing = _list(tiny_videos, classes=values.pop("classes"))
    with pytest.raises(ValueError, match=f"`output_dir` .* holds records of another listing.*{message}"):
        conversion.convert(listing, tiny_records, values.pop("record"), workers=1, **values)
    assert written == []


def test_records_of_unknown_origin_are_not_written_over(tiny_videos, tiny_records, tmp_path):
    shutil.copytree(tiny_records, tmp_path / "records")
    shutil.rmtree(tmp_path / "records" / shards.WORK_DIR)
    with pytest.raises(ValueError, match="holds records already, and no .*run.json"):
        conversion.convert(_list(tiny_videos), tmp_path / "records", SETTINGS, videos_per_shard=4, workers=1)


def test_wrong_record_settings_are_refused_before_any_work(tiny_videos, tmp_path):
    for record in (config.RecordSettings(resize="x"), config.RecordSettings(flow="magic")):
        with pytest.raises(ValueError, match="`resize` must|`flow` must"):
            conversion.convert(_list(tiny_videos), tmp_path / "records", record)
        assert not (tmp_path / "records").exists()


def test_bad_videos_are_quarantined_and_tried_again_when_mended(tiny_videos, tmp_path, written):
    videos_dir, folder = tmp_path / "videos", tmp_path / "records"
    shutil.copytree(tiny_videos.videos_dir, videos_dir)
    text, empty, *_ = sorted((videos_dir / "jump").iterdir())
    truncated = sorted((videos_dir / "wave").iterdir())[3]
    whole = truncated.read_bytes()
    text.write_text("not a video, but text")
    empty.write_bytes(b"")
    truncated.write_bytes(whole[: len(whole) // 2])
    listing = _list(tiny_videos._replace(videos_dir=videos_dir))

    summary = conversion.convert(listing, folder, SETTINGS, videos_per_shard=4, workers=1)
    with open(folder / "quarantine.csv", encoding="utf-8", newline="") as file:
        rows = {row["path"]: (row["class"], row["reason"]) for row in csv.DictReader(file)}
    assert rows.keys() == {f"jump/{text.name}", f"jump/{empty.name}", f"wave/{truncated.name}"}
    assert rows[f"jump/{text.name}"] == ("jump", "it is not a video that OpenCV can decode")
    assert rows[f"jump/{empty.name}"] == ("jump", "the file is empty")
    assert rows[f"wave/{truncated.name}"][1].startswith("the file is truncated")
    assert "3 videos quarantined" in str(summary) and "the file is empty" in str(summary)
    stored = [record.data_path for own in _records(folder).values() for record in own]
    assert sorted([*stored, *rows]) == sorted(str(member.path) for member in listing.videos)

    written.clear()
    assert len(conversion.convert(listing, folder, SETTINGS, videos_per_shard=4, workers=1).bad_videos) == 3
    assert written == []  # What did not decode before is not tried again for nothing.
    truncated.write_bytes(whole)
    assert len(conversion.convert(listing, folder, SETTINGS, videos_per_shard=4, workers=1).bad_videos) == 2
    assert len(written) == 1


def test_a_video_that_vanishes_after_the_listing_is_quarantined(tiny_videos, tmp_path):
    videos_dir = tmp_path / "videos"
    shutil.copytree(tiny_videos.videos_dir, videos_dir)
    listing = _list(tiny_videos._replace(videos_dir=videos_dir))
    os.unlink(listing.location(listing.videos[0]))
    summary = conversion.convert(listing, tmp_path / "records", SETTINGS, workers=1)
    assert [(bad.path, bad.reason) for bad in summary.bad_videos] == [
        (str(listing.videos[0].path), "the file does not exist")
    ]


def test_a_defect_is_not_taken_for_a_bad_video(tiny_videos, tmp_path, monkeypatch):
    monkeypatch.setattr(shards.writer.codec, "encode_flow", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        conversion.convert(_list(tiny_videos), tmp_path, SETTINGS, workers=1)
    assert not (tmp_path / "manifest.json").exists()


def test_real_clips(shared_data, tmp_path):
    root = shared_data / "jhmdb21"
    files = [sorted((root / "videos" / label).iterdir())[:2] for label in ("clap", "pour")]
    for path in (path for own in files for path in own):
        target = tmp_path / "videos" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    listing = datasets.list_videos(config.ListingSettings("folder", str(tmp_path / "videos")))
    settings = config.RecordSettings(resize="short_side=96", flow="dis", positions=5)
    summary = conversion.convert(listing, tmp_path / "records", settings, workers=1)
    assert not summary.bad_videos
    records = [record for own in _records(tmp_path / "records").values() for record in own]
    assert len(records) == 4
    for record in records:
        assert len(record.frames) == 5 and min(record.height, record.width) == 96
        assert codec.decode_fields(list(record.flow)).shape[1:] == (record.height, record.width, 2)


def test_missing_videos_are_in_the_quarantine(tiny_videos, tmp_path):
    shutil.copytree(tiny_videos.videos_dir, tmp_path / "videos")
    lost = sorted((tmp_path / "videos" / "jump").iterdir())[0]
    lost.unlink()
    listing = datasets.list_videos(
        config.ListingSettings(
            "hmdb51", str(tmp_path / "videos"), str(tiny_videos.splits_dir), classes=("jump",), allow_missing=True
        )
    )
    summary = conversion.convert(listing, tmp_path / "records", SETTINGS, workers=1)
    assert "1 videos of the lists are not on disk: see quarantine.csv" in str(summary)
    with open(tmp_path / "records" / "quarantine.csv", encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["path"] == f"jump/{lost.name}" and row["class"] == "jump"
    assert row["reason"].startswith("not on disk, though ") and "jump_test_split1.txt names it" in row["reason"]


def test_several_labels_segments_and_none_reach_the_records(tmp_path, write_video, moving_texture):
    videos = []
    for name, labels, role, segments in (
        ("one", ("wave", "jump"), "train", (datasets.listing.Segment("wave", 0.5, 1.25),)),
        ("two", (), "test", ()),
    ):
        write_video(tmp_path / f"{name}.avi", moving_texture(3, (1, 0), seed=0))
        videos.append(datasets.listing.Video(name, Path(f"{name}.avi"), labels, name, (role,), segments, f"own_{name}"))
    listing = datasets.listing.Listing("thumos14", tmp_path, ("jump", "wave"), ("1",), tuple(videos))
    conversion.convert(listing, tmp_path / "records", SETTINGS, workers=1)
    records = _records(tmp_path / "records")
    (one,), (two,) = records["own_one-00000-of-00001.tfrecord"], records["own_two-00000-of-00001.tfrecord"]
    assert one.label_strings == ("wave", "jump") and one.label_indices == (1, 0)
    assert (one.segment_starts, one.segment_ends, one.segment_label_indices, one.segment_label_strings) == (
        (500000,), (1250000,), (1,), ("wave",),
    )  # fmt: skip
    assert two.label_indices == two.segment_starts == ()
    assert manifest.Manifest.load(tmp_path / "records").partitions["own_two"].roles == {"1": "test"}
