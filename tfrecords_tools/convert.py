"""Converts a dataset of video files to TFRecords with frames and optical flow, all its splits at once.

    python -m tfrecords_tools.convert --dataset=folder --videos_dir=VIDEOS --output_dir=RECORDS

writes RECORDS/*.tfrecord (one record per video), labels.txt, manifest.json (written last: what it names is whole) and
quarantine.csv (videos that do not decode, with the reason). The same command given again goes on where it stopped.
"""

from collections.abc import Sequence

from absl import flags as flags_lib

from tfrecords_tools import cli, config, datasets, flags, notes, storage


def main(argv: Sequence[str]) -> None:
    """Runs the command."""
    cli.reject_operands(argv)
    settings = flags.convert_config_from_flags()
    output_dir = storage.path(settings.output_dir)  # Tells what is wrong with it before the work of listing videos.
    if flags_lib.FLAGS.dry_run:
        videos = datasets.list_videos(settings.listing)
        with cli.loading(f"converting a few of {len(videos.videos)} videos to estimate the rest"):
            from tfrecords_tools import estimation
        print(estimation.estimate(videos, output_dir, settings.record, settings.workers))
        return
    convert(settings)


def convert(settings: config.ConvertConfig) -> None:
    """Makes the records and prints what was done.

    Args:
        settings: What to convert, or to import.

    Raises:
        ValueError: Something is wrong with the input; also, when all is done, where more videos than
            `settings.max_bad_videos` are in quarantine.
    """
    videos = datasets.list_videos(settings.listing)
    with cli.loading(f"converting {len(videos.videos)} videos to {settings.output_dir}"):
        from tfrecords_tools import conversion
    summary = conversion.convert(
        videos,
        settings.output_dir,
        settings.record,
        videos_per_shard=settings.videos_per_shard,
        workers=settings.workers,
        seed=settings.listing.seed,
        scheduler=settings.scheduler,
        extracted=settings.extraction,
        announce=notes.say,
    )
    print(summary)
    if len(summary.bad_videos) > settings.max_bad_videos:
        raise ValueError(
            f"{len(summary.bad_videos)} video(s) did not decode, {settings.max_bad_videos} are allowed: see "
            f"{summary.manifest.data_dir / conversion.QUARANTINE_FILE_NAME}. All others are converted. Mend "
            "these files and run the same command again, or allow them with --max_bad_videos"
        )


if __name__ == "__main__":
    flags.define_convert_flags()
    cli.run(main, needs=("dataset", "videos_dir", "output_dir"), goes_on=True)
