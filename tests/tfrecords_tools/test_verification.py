import dataclasses
import functools
import hashlib
import json
import shutil

import numpy as np
import pytest

from tfrecords_tools import codec, config, conversion, datasets, manifest, record_file, schema, verification


@pytest.fixture
def records(tiny_records, tmp_path):
    """A copy of the tiny records to spoil."""
    return shutil.copytree(tiny_records, tmp_path / "records")


def _texts(folder) -> list[str]:
    return [str(fault) for fault in verification.verify(folder).faults]


def _first_shard(folder):
    return sorted(folder.glob("*.tfrecord"))[0]


def test_whole_records_have_no_fault(tiny_records, tiny_videos):
    seen = []
    report = verification.verify(tiny_records, progress=seen.append)
    assert report.faults == () and report.videos == tiny_videos.num_videos == sum(seen)
    made = manifest.Manifest.load(tiny_records)
    assert report.images == sum(part.frames + part.fields for part in made.partitions.values())
    assert "0 fault(s)" in str(report)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_sparse_records_have_no_fault(workers, tiny_videos, tmp_path):
    listing = datasets.list_videos(
        config.ListingSettings("hmdb51", str(tiny_videos.videos_dir), str(tiny_videos.splits_dir))
    )
    record = config.RecordSettings(resize="64x48", flow="dis", positions=3)
    conversion.convert(listing, tmp_path / "records", record, workers=1, videos_per_shard=8)
    report = verification.verify(tmp_path / "records", workers)
    assert report.faults == () and report.videos == tiny_videos.num_videos


@pytest.mark.parametrize("place", [3, 40, -30, -2])
def test_a_changed_byte_is_found(place, records):
    path = _first_shard(records)
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)
    texts = "\n".join(_texts(records))
    assert f"{path.name}: its sha256 is" in texts
    assert "checksum of a record is wrong" in texts or "its length is damaged" in texts
    assert "readable records of 4 in the manifest" in texts or "of 3 in the manifest" in texts


def test_lost_cut_and_foreign_files_are_found(records):
    paths = sorted(records.glob("*.tfrecord"))
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:-10])
    shutil.copy(paths[2], records / "more.tfrecord")
    (records / "labels.txt").write_text("jump\nwave\nride_bike\n")
    texts = _texts(records)
    assert f"{paths[0].name}: the manifest names it, and it is not there" in texts
    assert any(text.startswith(f"{paths[1].name}: it is ") and "the manifest says" in text for text in texts)
    assert any(text.startswith(f"{paths[1].name}: at byte") and "ends inside a record" in text for text in texts)
    assert "more.tfrecord: the manifest does not name it" in texts
    assert "labels.txt: it does not hold the manifest's labels, one a line" in texts


def _record(**changes) -> schema.VideoRecord:
    frames = tuple(codec.encode_frame(np.full((16, 24, 3), shade, np.uint8)) for shade in (0, 90, 250))
    flow = tuple(codec.encode_flow(np.full((16, 24, 2), shift, np.float32)) for shift in (0, 1))
    values = {
        "example_id": "wave/a", "media_id": "a", "data_path": "wave/a.avi", "label_indices": (1,),
        "label_strings": ("wave",), "group": "film", "height": 16, "width": 24, "frame_rate": 25.0, "frames": frames,
        "frame_timestamps": (0, 40000, 80000), "flow": flow, "flow_timestamps": (0, 40000), "stack_starts": (0, 0, 0),
    }  # fmt: skip
    return schema.VideoRecord(**{**values, **changes})


def _check(tmp_path, record, positions=0, **entry_changes):
    path = tmp_path / "train-00000-of-00001.tfrecord"
    with record_file.RecordWriter(path) as file:
        file.write(schema.encode(record))
    entry = manifest.VideoEntry(
        record.example_id, record.data_path, record.label_indices, record.group, len(record.frames), len(record.flow)
    )
    shard = manifest.Shard(
        path, "train", hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size,
        (dataclasses.replace(entry, **entry_changes),),
    )  # fmt: skip
    report = verification.check_shard(verification.ShardTask(shard, ("jump", "wave"), positions))
    return [fault.text for fault in report.faults]


def test_a_sound_record_has_no_fault(tmp_path):
    assert _check(tmp_path, _record()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flow": _record().flow[:1], "flow_timestamps": (0,)}, "3 frames must have 2 flow fields. Received: 1"),
        ({"label_indices": (2,)}, "label 2 must lie in [0, 2)"),
        ({"label_indices": (0,)}, "label 0 is 'jump' in labels.txt, 'wave' in the record"),
        ({"frames": (*_record().frames[:2], b"no JPEG")}, "frame 2 is no JPEG of 24x16 pixels"),
        ({"frames": (*_record().frames[:2], _record().frames[2][:-40])}, "frame 2 is no JPEG of 24x16 pixels"),
        ({"flow": (_record().frames[0], _record().flow[1])}, "flow field 0 is no JPEG of 24x16 pixels"),
        ({"frame_timestamps": (0, 40000, 40000)}, "the timestamps of its frames must increase"),
    ],
)
def test_a_faulty_record_is_found(changes, message, tmp_path):
    assert message in _check(tmp_path, _record(**changes))


def test_sparse_records_hold_what_their_stacks_need(tmp_path):
    assert "at most 2 frames are stored at that many positions. Received: 3" in _check(tmp_path, _record(), positions=2)
    flow = _record().flow[:1] * 14
    sparse = _record(flow=flow, flow_timestamps=tuple(range(14)), stack_starts=(0, 0, 1))
    assert _check(tmp_path, sparse, positions=3) == ["no stack needs the flow fields [11, 12, 13]"]


@pytest.mark.parametrize(
    "changes", [{"group": "other"}, {"id": "x"}, {"path": "x.avi"}, {"labels": (0,)}, {"frames": 4}]
)
def test_a_record_must_be_the_manifests(changes, tmp_path):
    (text,) = _check(tmp_path, _record(), **changes)
    assert text.startswith(f"its {next(iter(changes))} are ") and "the manifest says" in text


def test_groups_on_both_sides_are_found(records):
    path = records / "manifest.json"
    values = json.loads(path.read_text())
    for shard in values["shards"].values():
        if shard["partition"] == "1test_2unused":
            for video in shard["videos"]:
                video["group"] = "A & B (part one)"
    path.write_text(json.dumps(values))
    assert "split 1: 1 group(s) are in training and test: 'A & B (part one)'" in _texts(records)


def test_copies_on_both_sides_are_found(tmp_path, write_video, moving_texture):
    for name, seed in (("train_a", 0), ("test_b", 0), ("train_c", 1), ("test_d", 2)):
        write_video(tmp_path / f"{name}.avi", moving_texture(3, (1, 0), seed))
    rows = [f"{name}.avi,wave,{name.split('_')[0]}\n" for name in ("train_a", "test_b", "train_c", "test_d")]
    (tmp_path / "list.csv").write_text("path,label,split\n" + "".join(rows))
    listing = datasets.list_videos(config.ListingSettings("csv", str(tmp_path), csv_file=str(tmp_path / "list.csv")))
    settings = config.RecordSettings(resize="64x48", flow="dis")
    conversion.convert(listing, tmp_path / "records", settings, workers=1)
    (text,) = _texts(tmp_path / "records")
    assert text.startswith("split 1: the same frames are in training and test: ")
    assert "'train_a'" in text and "'test_b'" in text


def test_the_command(run_command, records):
    run = functools.partial(run_command, "tfrecords_tools.verify")

    done = run(records, "--workers=1")
    assert (done.returncode, done.stderr) == (0, "") and "0 fault(s)" in done.stdout
    _first_shard(records).unlink()
    done = run(records, "--workers=1")
    assert done.returncode == 1 and "is not there" in done.stdout and "1 fault(s)" in done.stdout
    done = run("nowhere")
    assert done.returncode == 1 and done.stderr.startswith("error: nowhere/manifest.json does not exist")
    assert run().returncode == 2
