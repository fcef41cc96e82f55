import pytest
from absl import flags as absl_flags

from tfrecords_tools import config, flags


def _parse(*arguments: str) -> config.ConvertConfig:
    values = absl_flags.FlagValues()
    flags.define_convert_flags(values)
    values(["convert", "--dataset=folder", "--videos_dir=V", "--output_dir=R", *arguments])
    return flags.convert_config_from_flags(values)


def test_defaults_are_those_of_the_dataclasses():
    assert _parse() == config.ConvertConfig(listing=config.ListingSettings("folder", "V"), output_dir="R")


def test_every_flag_reaches_the_configuration():
    assert _parse(
        "--dataset=hmdb51", "--splits_dir=S", "--classes=a,b", "--seed=3", "--test_fraction=0.5", "--group_pattern=x",
        "--resize=short_side=64", "--flow=farneback", "--positions=4", "--jpeg_quality=90", "--videos_per_shard=5",
        "--workers=6", "--max_bad_videos=7", "--csv_file=C", "--allow_missing",
        "--scheduler=tcp://h:1",
    ) == config.ConvertConfig(
        listing=config.ListingSettings("hmdb51", "V", "S", ("a", "b"), 3, 0.5, "x", "C", True),
        output_dir="R",
        record=config.RecordSettings("short_side=64", "farneback", 4, 90),
        videos_per_shard=5,
        workers=6,
        max_bad_videos=7,
        scheduler="tcp://h:1",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["videos_per_shard", "workers", "max_bad_videos"])
def test_impossible_numbers_are_refused(name):
    with pytest.raises(absl_flags.IllegalFlagValueError, match=name):
        _parse(f"--{name}=-1")
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        config.ConvertConfig(config.ListingSettings("folder", "V"), "R", **{name: -1})


def test_importing_defines_nothing():
    assert "videos_dir" not in absl_flags.FLAGS
