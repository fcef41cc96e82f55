r"""Takes frames and flow that other tools have extracted into TFRecords, without computing or compressing them anew.

    python -m tfrecords_tools.import_frames --layout=tsn --dataset=ucf101 --splits_dir=LISTS --frames_dir=FRAMES \
      --output_dir=RECORDS

reads FRAMES/<class>/<video>/img_00001.jpg, flow_x_00001.jpg, flow_y_00001.jpg and so on, and writes what `convert`
writes. Every image is decoded once to see that it is whole. Restart, workers and quarantine are those of `convert`.
"""

from collections.abc import Sequence

from tfrecords_tools import cli, convert, flags


def main(argv: Sequence[str]) -> None:
    """Runs the command."""
    cli.reject_operands(argv)
    convert.convert(flags.import_config_from_flags())


if __name__ == "__main__":
    flags.define_import_flags()
    cli.run(main, needs=("layout", "dataset", "frames_dir", "output_dir"), goes_on=True)
