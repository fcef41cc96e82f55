r"""Trains one part of the classifier; run again, it goes on where it stopped.

python -m tclsta_tf.train --flagfile=configs/demo.cfg --data_dir=records --split=1 --workdir=run --part=static

Parts: `static` and `motion`, the attention models of frames and of optical flow; then, after
`python -m tclsta_tf.extract_features`, `collaborative`. The trained part is <workdir>/<part>/model.keras.
Watch the training with `tensorboard --logdir=<workdir>`.
"""

from collections.abc import Sequence

from absl import flags

from tclsta_tf import config
from tclsta_tf import flags as run_flags
from tfrecords_tools import cli

_PART = flags.DEFINE_enum("part", None, config.PARTS, "What to train: static, motion or collaborative.")


def main(argv: Sequence[str]) -> None:
    """Trains `--part`."""
    cli.reject_operands(argv)
    part = run_flags.require(_PART.name)
    arguments = run_flags.run_arguments()
    with cli.loading(f"training {part} in {arguments['workdir']}"):
        from tclsta_tf.recipes import run as run_lib
        from tclsta_tf.recipes import train_collaborative, train_stream
        from tclsta_tf.training import distribution
    run = run_lib.Run(**arguments)
    distribution.prepare_devices(run.config.device.logical_cpus)
    if part in config.STREAMS:
        train_stream.train_stream(run, part)
    else:
        train_collaborative.train_collaborative(run)
    print(f"{part} is trained: {run.model_file(part)}")


if __name__ == "__main__":
    run_flags.define_run_flags()
    cli.run(main, needs=("part", "data_dir", "workdir"), goes_on=True)
