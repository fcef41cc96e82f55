"""Checks a folder of records: manifest, hashes, checksums, every record and image, labels, and the splits.

    python -m tfrecords_tools.verify RECORDS

prints a table and every fault. The exit status is 0 where all is well and 1 where anything is wrong. Beside damaged and
lost files it finds what spoils an evaluation: videos that are in training and test, or whose group is.
"""

from collections.abc import Sequence

from absl import app, flags

from tfrecords_tools import cli, notes, storage


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the command's flags."""
    flags.DEFINE_integer("workers", 0, "Processes; 0 for one per processor core.", lower_bound=0, flag_values=values)


def main(argv: Sequence[str]) -> int:
    """Runs the command."""
    if len(argv) != 2:
        raise app.UsageError(f"one folder is wanted, {len(argv) - 1} given: python -m tfrecords_tools.verify RECORDS")
    data_dir = storage.path(argv[1])
    with cli.loading(f"checking the records in {data_dir}"):
        from tfrecords_tools import manifest, verification

    total = sum(partition.videos for partition in manifest.Manifest.load(data_dir).partitions.values())
    with notes.bar(total=total, unit="video") as progress:
        report = verification.verify(data_dir, flags.FLAGS.workers, progress.update)
    print(report)
    return 1 if report.faults else 0


if __name__ == "__main__":
    define_flags()
    cli.run(main)
