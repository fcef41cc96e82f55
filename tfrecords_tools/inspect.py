"""Shows what a folder of records holds.

    python -m tfrecords_tools.inspect RECORDS

prints settings, partitions, the keys of a record, a histogram of lengths and the counts per class, and writes a contact
sheet of frames with their flow (`contact_sheet.png` in the current folder unless --output says otherwise).
"""

from collections.abc import Sequence

from absl import app, flags

from tfrecords_tools import cli, storage


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the command's flags."""
    flags.DEFINE_string("output", "contact_sheet.png", 'The contact sheet; "" for none.', flag_values=values)
    flags.DEFINE_integer("videos", 8, "Videos in the contact sheet.", lower_bound=1, flag_values=values)


def main(argv: Sequence[str]) -> None:
    """Runs the command."""
    if len(argv) != 2:
        raise app.UsageError(f"one folder is wanted, {len(argv) - 1} given: python -m tfrecords_tools.inspect RECORDS")
    data_dir, output = storage.path(argv[1]), storage.path(flags.FLAGS.output)
    if flags.FLAGS.output and output.suffix not in (".png", ".jpg"):
        raise app.UsageError(f"--output must end in .png or .jpg, not {output}")
    with cli.loading(f"reading the records in {data_dir}"):
        from tfrecords_tools import inspection
        from tfrecords_tools.flow import drawing

    print(inspection.describe(data_dir))
    if flags.FLAGS.output:
        drawing.write_picture(output, inspection.draw_contact_sheet(data_dir, flags.FLAGS.videos))
        print(f"\n{output}: contact sheet")


if __name__ == "__main__":
    define_flags()
    cli.run(main)
