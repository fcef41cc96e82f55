"""Videos and records on an S3 server: the same bytes as on local disk, killed and resumed, verified."""

import csv
import hashlib
import io
import os
import signal
import subprocess
import sys
import time

import pytest

from tfrecords_tools import config, conversion, datasets, manifest, remote_path, shards, storage, verification, video

SETTINGS = config.RecordSettings(resize="64x48", flow="dis")


@pytest.fixture
def remote(bucket, tiny_videos, upload) -> storage.AnyPath:
    """A bucket with `tiny_videos`: BUCKET/videos and BUCKET/splits."""
    root = storage.path(bucket)
    upload(tiny_videos.videos_dir, root / "videos")
    upload(tiny_videos.splits_dir, root / "splits")
    return root


def _command(remote, *arguments) -> list[str]:
    return [
        sys.executable, "-m", "tfrecords_tools.convert", "--dataset=hmdb51", f"--videos_dir={remote / 'videos'}",
        f"--splits_dir={remote / 'splits'}", f"--output_dir={remote / 'records'}", "--resize=64x48", "--flow=dis",
        "--videos_per_shard=4", *arguments,
    ]  # fmt: skip


def _times(remote) -> dict[str, int]:
    """When each finished shard and its note were written last."""
    folder = remote / "records"
    notes = storage.entries(folder / shards.WORK_DIR, "*.tfrecord.json")
    names = [note.name.removesuffix(".json") for note in notes]
    return {name: (folder / name).stat().st_mtime_ns for name in names} | {n.name: n.stat().st_mtime_ns for n in notes}


def _hashes(folder: storage.AnyPath) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in storage.entries(folder, "*.tfrecord")}


@pytest.mark.slow
def test_a_killed_conversion_goes_on_and_gives_the_bytes_of_a_local_one(remote, tiny_records, tmp_path):
    folder = remote / "records"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    killed = subprocess.Popen(_command(remote, "--workers=1"), env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not storage.entries(folder / shards.WORK_DIR, "*.tfrecord.json"):
        assert time.monotonic() < deadline and killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(60) == -signal.SIGKILL
    finished = _times(remote)
    assert finished and not (folder / manifest.FILE_NAME).exists()
    assert len(finished) < 2 * len(_hashes(tiny_records))
    for left in tmp_path.iterdir():  # what a process that is killed cannot remove
        assert left.name.startswith(remote_path.TEMPORARY_PREFIX)
    damaged = storage.entries(folder, "*.tfrecord")[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    time.sleep(1.1)  # S3 keeps whole seconds

    fresh = tmp_path / "fresh"
    fresh.mkdir()
    environment["TMPDIR"] = str(fresh)
    done = subprocess.run(_command(remote, "--workers=2"), env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not [left for left in fresh.iterdir() if left.name.startswith(remote_path.TEMPORARY_PREFIX)]
    after = _times(remote)
    kept = {name for name in finished if after[name] == finished[name]}
    assert set(finished) - kept == {damaged.name, f"{damaged.name}.json"}
    assert f"({len(kept) // 2} finished before)" in done.stdout
    assert _hashes(folder) == _hashes(tiny_records)
    for name in (manifest.FILE_NAME, manifest.LABELS_FILE_NAME, conversion.QUARANTINE_FILE_NAME):
        assert (folder / name).read_bytes() == (tiny_records / name).read_bytes()
    report = verification.verify(str(folder))
    assert not report.faults and report.videos == 27


def test_verify_finds_what_is_wrong_on_s3(bucket, tiny_records, upload):
    folder = storage.path(bucket) / "records"
    upload(tiny_records, folder)
    first, second = storage.entries(folder, "*.tfrecord")[:2]
    data = bytearray(first.read_bytes())
    data[-100] ^= 1
    first.write_bytes(bytes(data))
    second.write_bytes(second.read_bytes()[:-1])
    (folder / "other.tfrecord").write_bytes(b"")
    faults = {fault.place: fault.text for fault in verification.verify(str(folder)).faults}
    assert "its sha256 is" in faults[first.name] or "checksum" in faults[first.name]
    assert "the manifest does not name it" in faults["other.tfrecord"]
    assert second.name in faults
    with pytest.raises(ValueError, match=f"{second} must be .* bytes long"):
        manifest.Manifest.load(str(folder)).check_sizes()


def _convert_folder(remote, **changes):
    listing = datasets.list_videos(config.ListingSettings("folder", str(remote / "videos"), **changes))
    return conversion.convert(listing, str(remote / "records"), SETTINGS, workers=1)


def test_a_bad_video_is_quarantined_and_taken_in_when_it_was_mended(remote):
    clip = storage.entries(remote / "videos" / "jump")[0]
    whole = clip.read_bytes()
    clip.write_bytes(whole[: len(whole) // 2])
    (bad,) = _convert_folder(remote).bad_videos
    assert bad.path == f"jump/{clip.name}" and "truncated" in bad.reason
    rows = csv.DictReader(io.StringIO((remote / "records" / "quarantine.csv").read_text()))
    assert [row["path"] for row in rows] == [bad.path]
    again = _convert_folder(remote)
    assert again.bad_videos == (bad,) and again.shards_skipped == len(again.manifest.shards)
    clip.write_bytes(whole)
    mended = _convert_folder(remote)
    assert not mended.bad_videos and mended.shards_skipped == len(mended.manifest.shards) - 1


def test_a_video_that_cannot_be_fetched_ends_the_run_and_is_not_quarantined(remote, monkeypatch):
    def fail(self, target):
        raise FileNotFoundError(2, "the storage does not answer", str(self))

    monkeypatch.setattr(storage.RemotePath, "download", fail)
    with pytest.raises(ValueError, match=f"{remote / 'videos'}.* cannot be fetched .the storage does not answer"):
        _convert_folder(remote)
    assert not storage.entries(remote / "records", "*.tfrecord")


def test_a_csv_file_on_s3(remote):
    clips = storage.entries(remote / "videos", "*/*.avi")
    lines = ["path,label,split"]
    lines += [f"{c.parent.name}/{c.name},{c.parent.name},{('train', 'test')[i % 2]}" for i, c in enumerate(clips)]
    (remote / "list.csv").write_text("\n".join(lines))
    settings = config.ListingSettings("csv", str(remote / "videos"), csv_file=str(remote / "list.csv"))
    assert len(datasets.list_videos(settings).videos) == 27


def test_a_video_is_written_to_s3(bucket, moving_texture):
    target = storage.path(bucket) / "clip.avi"
    video.write_video(target, moving_texture(5, (1, 0), seed=0), 10.0)
    with storage.staged(target) as local:
        assert sum(1 for _ in video.read_video(local)) == 5
