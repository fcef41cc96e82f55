"""What goes wrong with files and machines, made to happen: nothing is lost, nothing unfinished looks finished."""

import csv
import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import cv2
import numpy as np
import pytest

from tfrecords_tools import manifest, verification

pytestmark = pytest.mark.slow


def _command(videos_dir, output_dir, *arguments) -> list[str]:
    return [
        sys.executable, "-m", "tfrecords_tools.convert", "--dataset=folder", f"--videos_dir={videos_dir}",
        f"--output_dir={output_dir}", "--resize=64x48", "--flow=dis", "--quiet", *arguments,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def convert(run_command):
    return lambda *arguments, **options: run_command(*_command(*arguments)[2:], **options)


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.tfrecord"))}


def _quarantine(folder: Path) -> dict[str, str]:
    with open(folder / "quarantine.csv", encoding="utf-8", newline="") as file:
        return {row["path"]: row["reason"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def videos_dir(tmp_path_factory, write_video, moving_texture):
    """Two classes of 12 clips of their own."""
    root = tmp_path_factory.mktemp("many")
    for seed in range(24):
        label = ("left", "right")[seed % 2]
        (root / label).mkdir(exist_ok=True)
        write_video(root / label / f"clip{seed:02d}.avi", moving_texture(20, (1 - 2 * (seed % 2), 0), seed, 96, 128))
    return root


@pytest.fixture(scope="module")
def expected(videos_dir, tmp_path_factory, convert):
    """Hashes of the shards of a conversion that nothing disturbed."""
    output_dir = tmp_path_factory.mktemp("undisturbed")
    done = convert(videos_dir, output_dir, "--workers=1", "--videos_per_shard=3")
    assert done.returncode == 0, done.stderr
    return _hashes(output_dir)


def _raw_jpegs(path: Path, sizes: list[tuple[int, int]]) -> None:
    """A stream of JPEGs, which FFmpeg plays, whatever their sizes."""
    frames = (np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8) for width, height in sizes)
    path.write_bytes(b"".join(cv2.imencode(".jpg", frame)[1].tobytes() for frame in frames))


def test_every_odd_file_is_in_a_shard_or_in_the_quarantine(tmp_path, write_video, moving_texture, convert):
    videos_dir, output_dir = tmp_path / "videos", tmp_path / "records"
    good = {
        "a/plain.avi": 6,
        "a/#1 & (two) \u65e5\u672c.avi": 5,
        "a/two  spaces '\"$(touch hacked).avi": 4,
        "a/line\nbreak.avi": 4,
        "a/same.avi": 3,
        "b/same.avi": 3,
        "b/one.avi": 1,
        "b/plain.avi": 6,
        "b/linked.avi": 6,
    }
    for seed, (name, num_frames) in enumerate(good.items()):
        (videos_dir / name).parent.mkdir(parents=True, exist_ok=True)
        if name != "b/linked.avi":
            write_video(videos_dir / name, moving_texture(num_frames, (1, 0), seed))
    (videos_dir / "b/linked.avi").symlink_to(videos_dir / "a/plain.avi")
    bad = {
        "a/empty.avi": "the file is empty",
        "a/text.avi": "it is not a video",
        "a/cut.avi": "truncated",
        "b/sound.avi": "it is not a video",
        "b/circle.avi": "cannot be read",
        "b/nowhere.avi": "does not exist",
        "b/folder_link.mp4": "",
    }
    (videos_dir / "a/empty.avi").touch()
    (videos_dir / "a/text.avi").write_text("a text\n" * 100)
    (videos_dir / "a/cut.avi").write_bytes((videos_dir / "a/plain.avi").read_bytes()[:-2000])
    with wave.open(str(videos_dir / "b/sound.avi"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    (videos_dir / "b/circle.avi").symlink_to(videos_dir / "b/circle.avi")
    (videos_dir / "b/nowhere.avi").symlink_to(videos_dir / "b/gone.avi")
    (videos_dir / "b/folder_link.mp4").symlink_to(videos_dir, target_is_directory=True)
    del bad["b/folder_link.mp4"]  # A folder, by whatever name, is no video.

    done = convert(videos_dir, output_dir, "--workers=2", "--max_bad_videos=6", "--videos_per_shard=4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    made = manifest.Manifest.load(output_dir)
    stored = {video.path: video.frames for shard in made.shards for video in shard.videos}
    quarantine = _quarantine(output_dir)
    assert stored == good
    assert sorted(quarantine) == sorted(bad)
    for name, reason in bad.items():
        assert reason in quarantine[name]
    assert sum(len(shard.videos) for shard in made.shards) == len(good)  # None twice.
    assert verification.verify(output_dir).faults == ()
    assert not list(tmp_path.glob("**/hacked*"))
    assert {path.parent for path in tmp_path.glob("**/*.tfrecord")} == {output_dir}


def test_a_size_that_changes_needs_a_fixed_one(tmp_path, write_video, moving_texture, convert):
    for label in "ab":
        (tmp_path / "videos" / label).mkdir(parents=True)
        for seed in range(2):
            write_video(tmp_path / "videos" / label / f"{seed}.avi", moving_texture(3, (1, 0), seed))
    _raw_jpegs(tmp_path / "videos" / "a" / "changes.avi", [(64, 48)] * 30 + [(96, 48)] * 30)
    done = convert(
        tmp_path / "videos", tmp_path / "kept", "--workers=1", "--resize=short_side=32", "--max_bad_videos=1"
    )
    assert done.returncode == 0, done.stderr
    stored = [video for shard in manifest.Manifest.load(tmp_path / "kept").shards for video in shard.videos]
    quarantine = _quarantine(tmp_path / "kept")
    assert len(stored) + len(quarantine) == 5
    if quarantine:  # OpenCV may bring all frames to the first one's size by itself.
        assert "its frames change from" in quarantine["a/changes.avi"]


def test_a_killed_run_is_finished_by_the_next_one(videos_dir, expected, tmp_path, convert):
    output_dir = tmp_path / "records"
    command = _command(videos_dir, output_dir, "--workers=2", "--videos_per_shard=3")
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(_hashes(output_dir)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert 2 <= len(list(output_dir.glob("*.tfrecord"))) and not (output_dir / "manifest.json").exists()
    whole = {name for name, digest in _hashes(output_dir).items() if expected[name] == digest}
    assert whole == set(_hashes(output_dir))  # What has its final name is whole.
    done = convert(videos_dir, output_dir, "--workers=1", "--videos_per_shard=3")
    assert done.returncode == 0 and _hashes(output_dir) == expected
    assert not list(output_dir.glob("**/*.tmp"))


def _writers(output_dir: Path) -> list[int]:
    """Workers that hold a shard open that they write."""
    writers = []
    if list(output_dir.glob(".shards/*.tmp")):
        for descriptors in Path("/proc").glob("[0-9]*/fd"):
            try:
                open_files = [os.readlink(link) for link in descriptors.iterdir()]
            except OSError:  # Others' processes, and those that have ended.
                continue
            if any(str(output_dir) in name and name.endswith(".tmp") for name in open_files):
                writers.append(int(descriptors.parent.name))
    return writers


def test_a_killed_worker_changes_nothing(videos_dir, expected, tmp_path):
    output_dir = tmp_path / "records"
    command = _command(videos_dir, output_dir, "--workers=2", "--videos_per_shard=3")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (writers := _writers(output_dir)) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    if writers:
        os.kill(writers[0], signal.SIGKILL)
    output, errors = process.communicate(timeout=300)
    assert writers and (process.returncode, errors) == (0, ""), output + errors
    assert _hashes(output_dir) == expected


def _processes_of(session: int) -> list[str]:
    """What runs in a session, but for what has ended and nobody has asked about."""
    found = subprocess.run(["ps", "-o", "stat=,args=", "-s", str(session)], capture_output=True, text=True)
    return [line for line in found.stdout.splitlines() if not line.startswith("Z")]


@pytest.mark.parametrize("pressed", [1, 2])
def test_ctrl_c_ends_all_processes_and_the_command_goes_on(videos_dir, expected, tmp_path, convert, pressed):
    output_dir = tmp_path / "records"
    command = _command(videos_dir, output_dir, "--workers=2", "--videos_per_shard=3")
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not list(output_dir.glob(".shards/*.tmp")) and time.monotonic() < deadline:
        time.sleep(0.01)
    for _ in range(pressed):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
        time.sleep(0.2)
    output, errors = process.communicate(timeout=60)
    # Pressed again while Python ends, it does what every program does of which nothing else is known.
    assert process.returncode in ((130,) if pressed == 1 else (130, -signal.SIGINT))
    assert (output, errors) == ("", "error: interrupted; run the same command again to go on\n")
    deadline = time.monotonic() + 10
    while _processes_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _processes_of(process.pid)
    done = convert(videos_dir, output_dir, "--workers=1", "--videos_per_shard=3")
    assert done.returncode == 0 and _hashes(output_dir) == expected
    assert not list(output_dir.glob("**/*.tmp"))


def test_a_full_disk_loses_nothing(videos_dir, expected, tmp_path, convert):
    output_dir = tmp_path / "records"

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))  # A shard needs more.

    command = _command(videos_dir, output_dir, "--workers=1", "--videos_per_shard=3")
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert (
        line.startswith("error: ") and "cannot be written (File too large)" in line and "run the same command" in line
    )
    assert not _hashes(output_dir) and not (output_dir / "manifest.json").exists()
    done = convert(videos_dir, output_dir, "--workers=1", "--videos_per_shard=3")
    assert done.returncode == 0 and _hashes(output_dir) == expected


def test_a_shard_that_was_damaged_since_is_made_anew(videos_dir, expected, tmp_path, convert):
    output_dir = tmp_path / "records"
    assert convert(videos_dir, output_dir, "--workers=1", "--videos_per_shard=3").returncode == 0
    path = sorted(output_dir.glob("*.tfrecord"))[0]
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    done = convert(videos_dir, output_dir, "--workers=1", "--videos_per_shard=3")
    assert done.returncode == 0 and f"({len(expected) - 1} finished before)" in done.stdout
    assert _hashes(output_dir) == expected
