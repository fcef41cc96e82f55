r"""Measures a trained run on its test part: every stream, every fusion, a report with pictures.

python -m tclsta_tf.evaluate --workdir=run

Learns the fusion weights on the validation part, then reads the test part once and writes
<workdir>/report/metrics.json and <workdir>/report/index.html.
"""

from collections.abc import Sequence

from tclsta_tf import flags as run_flags
from tclsta_tf.recipes import report
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.training import distribution
from tfrecords_tools import cli


def main(argv: Sequence[str]) -> None:
    """Evaluates the run and prints its table."""
    cli.reject_operands(argv)
    run = run_lib.Run(**run_flags.run_arguments())
    distribution.prepare_devices(run.config.device.logical_cpus)
    print(report.evaluate_and_report(run))


if __name__ == "__main__":
    run_flags.define_run_flags()
    cli.run(main)
