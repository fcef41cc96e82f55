import functools
import shutil
import subprocess

import pytest

from tfrecords_tools import manifest


@pytest.fixture(scope="module")
def convert(run_command):
    return functools.partial(run_command, "tfrecords_tools.convert")


def _only_line(done: subprocess.CompletedProcess) -> str:
    lines = [line for line in done.stderr.splitlines() if not line.startswith("dashboard: ")]
    assert len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    return lines[0]


@pytest.mark.slow
def test_good_and_bad_videos_from_the_command_line(tiny_videos, tmp_path, convert):
    videos_dir, output_dir = tmp_path / "videos", tmp_path / "records"
    shutil.copytree(tiny_videos.videos_dir, videos_dir)
    sorted((videos_dir / "jump").iterdir())[0].write_text("not a video, but text")
    (videos_dir / "jump" / "notes.txt").touch()
    arguments = (
        "--dataset=hmdb51", f"--videos_dir={videos_dir}", f"--splits_dir={tiny_videos.splits_dir}",
        f"--output_dir={output_dir}", "--resize=64x48", "--workers=2", "--videos_per_shard=8",
    )  # fmt: skip
    done = convert(*arguments)
    assert done.returncode == 1
    assert "1 video(s) did not decode, 0 are allowed" in _only_line(done) and "quarantine.csv" in done.stderr
    assert "26 videos of 3 classes in 5 shards (0 finished before)" in done.stdout
    assert "1 other files among the videos left aside" in done.stdout
    assert "1 videos quarantined" in done.stdout
    assert sum(part.videos for part in manifest.Manifest.load(output_dir).partitions.values()) == 26

    done = convert(*arguments, "--max_bad_videos=1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "(5 finished before)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (
            ("--dataset=folder", "--videos_dir=nowhere", "--output_dir=R"),
            1,
            "videos_dir='nowhere', which does not exist",
        ),
        (("--dataset=folder", "--output_dir=R"), 2, "videos_dir"),
        (("--dataset=folder", "--videos_dir=V", "--output_dir=R", "more"), 2, "unexpected argument 'more'"),
        (("--dataset=movies", "--videos_dir=V", "--output_dir=R"), 2, "folder|hmdb51"),
        (("--dataset=folder", "--videos_dir=V", "--output_dir=R", "--flow=magic"), 2, "dis"),
        (("--dataset=folder", "--videos_dir=V", "--output_dir=R", "--colour=red"), 2, "colour"),
        (("--dataset=folder", "--videos_dir=V", "--output_dir=R", "--test_fraction=2"), 1, "`test_fraction` must lie"),
    ],
)
def test_bad_usage_is_one_line(arguments, status, message, convert):
    done = convert(*arguments)
    assert done.returncode == status
    assert message in _only_line(done)


def test_help_shows_the_flags_of_the_command(convert):
    done = convert("--help")
    assert done.returncode == 0
    for name in ("--videos_dir", "--resize", "--flow", "--positions", "--max_bad_videos", "--group_pattern"):
        assert name in done.stdout
