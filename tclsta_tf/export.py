r"""Writes the trained classifier as one SavedModel that needs TensorFlow and no code of this project.

python -m tclsta_tf.export --workdir=run --output_dir=model
python -m tclsta_tf.export --workdir=run --output_dir=frames_only --motion=none --quantise=int8

The model is <output_dir>/1. It takes raw frames of a video and computes their optical flow itself; signatures, outputs
and files are described in docs/exported_model.md. All settings of the run are those that the working folder was made
with.
"""

from collections.abc import Sequence

from absl import flags

from tclsta_tf import flags as run_flags
from tfrecords_tools import cli, storage

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a trained and evaluated run.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of the exported model; version 1 is made inside.")


def main(argv: Sequence[str]) -> None:
    """Exports the run."""
    cli.reject_operands(argv)
    output_dir = storage.path(run_flags.require(_OUTPUT_DIR.name))
    arguments = run_flags.arguments_of(str(run_flags.require_folder(_WORKDIR.name)))
    settings = run_flags.export_config_from_flags()
    with cli.loading(f"exporting {arguments['workdir']}"):
        from tclsta_tf.recipes import export as export_lib
        from tclsta_tf.recipes import run as run_lib
        from tclsta_tf.training import distribution
    run = run_lib.Run(**arguments)
    distribution.prepare_devices(run.config.device.logical_cpus)
    print(f"model: {export_lib.export(run, output_dir, settings)}")


if __name__ == "__main__":
    run_flags.define_export_flags()
    cli.run(main, needs=("workdir", "output_dir"))
