import pytest

from tfrecords_tools import config, conversion, datasets, estimation


@pytest.fixture
def listing(tmp_path, write_video, moving_texture):
    """Ten videos of 10 to 100 frames, one of them broken."""
    for number in range(10):
        path = tmp_path / "videos" / "ab"[number % 2] / f"{number}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, moving_texture(10 * (number + 1), (1, 0), number))
    (tmp_path / "videos" / "a" / "x.avi").write_text("no video")
    return datasets.list_videos(config.ListingSettings("folder", str(tmp_path / "videos")))


@pytest.mark.parametrize("positions", [0, 3])
def test_the_size_is_about_right_and_nothing_is_written(positions, listing, tmp_path):
    settings = config.RecordSettings(resize="64x48", flow="dis", positions=positions)
    made = estimation.estimate(listing, tmp_path / "not" / "there", settings, workers=3)
    assert not (tmp_path / "not").exists()
    assert made.videos == 11 and made.workers == 3 and made.seconds > 0 and made.free_bytes > 0
    conversion.convert(listing, tmp_path / "records", settings, workers=1)
    true_size = sum(path.stat().st_size for path in (tmp_path / "records").glob("*.tfrecord"))
    assert 0.6 * true_size < made.record_bytes < 1.7 * true_size


def test_longer_than_memory(listing, tmp_path, monkeypatch):
    settings = config.RecordSettings(resize="64x48", flow="dis")
    whole = estimation.estimate(listing, tmp_path, settings)
    monkeypatch.setattr(estimation, "_MAX_FRAMES", 10)
    part = estimation.estimate(listing, tmp_path, settings)
    assert part.record_bytes == pytest.approx(whole.record_bytes, rel=0.25)


def test_a_full_disk_is_foreseen():
    made = estimation.Estimate(7, 5, 10**6, 3 * 10**12, 7500.0, 2, 10**9)
    assert str(made).splitlines() == [
        "7 videos, 1 MB of video files; 5 of them converted to find out:",
        "  records need about 3 TB of disk; 1 GB are free",
        "  the conversion takes about 2.1 h with 2 worker(s) like this one",
        "  that is more than is free: take another --output_dir, fewer --positions, or a smaller --resize",
    ]


def test_no_readable_video(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        for name in "xy":
            (tmp_path / label / f"{name}.avi").write_text("no video")
    listing = datasets.list_videos(config.ListingSettings("folder", str(tmp_path)))
    with pytest.raises(ValueError, match="None of 4 videos in .* can be read"):
        estimation.estimate(listing, tmp_path, config.RecordSettings(flow="dis"))


def test_the_command(run_command, listing, tmp_path):
    done = run_command(
        "tfrecords_tools.convert", "--dataset=folder", f"--videos_dir={listing.videos_dir}",
        f"--output_dir={tmp_path / 'records'}", "--resize=64x48", "--flow=dis", "--dry_run",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "") and "records need about" in done.stdout
    assert not (tmp_path / "records").exists()
