r"""Writes what the trained streams say about every video: features, scores, spatial and temporal attention.

python -m tclsta_tf.extract_features --workdir=run

The files are <workdir>/features/<stream>-<train|validation|test>.tfrecord; finished ones are kept.
"""

from collections.abc import Sequence

from tclsta_tf import config
from tclsta_tf import flags as run_flags
from tfrecords_tools import cli


def main(argv: Sequence[str]) -> None:
    """Extracts the features of both streams."""
    cli.reject_operands(argv)
    run_flags.require_folder("workdir")
    arguments = run_flags.run_arguments()
    with cli.loading(f"extracting the features of both streams in {arguments['workdir']}"):
        from tclsta_tf.recipes import evaluate, extract
        from tclsta_tf.recipes import run as run_lib
        from tclsta_tf.training import distribution
    run = run_lib.Run(**arguments)
    distribution.prepare_devices(run.config.device.logical_cpus)
    if run.has_test_part:
        with run_lib.open_test_part():  # nothing is chosen here
            evaluate.note_test_part_read(run, "extract_features")
            for stream in config.STREAMS:
                extract.extract(run, stream)
    else:
        for stream in config.STREAMS:
            extract.extract(run, stream, (run_lib.TRAIN, run_lib.VALIDATION))
    print(f"features: {run.workdir / 'features'}")


if __name__ == "__main__":
    run_flags.define_run_flags()
    cli.run(main, needs=("workdir",), goes_on=True)
