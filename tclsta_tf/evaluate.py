r"""Measures a trained run on its test part: every stream, every fusion, a report with pictures.

python -m tclsta_tf.evaluate --workdir=run

Learns the fusions on videos of the training part, then reads the test part once and writes <workdir>/report/:
metrics.json, scores.npz, tables as text, Markdown and CSV, and index.html. Of an experiment over splits or seeds it
measures every run and then their mean. --test_crops=10, --test_clips=K and --frame_protocol=one test in other ways.
"""

from collections.abc import Sequence

from tclsta_tf import flags as run_flags
from tclsta_tf.recipes import protocol, report
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.training import distribution
from tfrecords_tools import cli


def main(argv: Sequence[str]) -> None:
    """Evaluates the run and prints its tables."""
    cli.reject_operands(argv)
    members_flags = run_flags.member_arguments()
    run = run_lib.Run(**run_flags.run_arguments())
    distribution.prepare_devices(run.config.device.logical_cpus)
    members = protocol.make_members(run, **members_flags) or protocol.load(run)
    for single in members.runs.values() if members else [run]:
        report.evaluate_and_report(single)
    if members:
        report.report_members(run, members)
    print(f"{report.read_tables(run)}\n\nreport: {run.report_dir / 'index.html'}")


if __name__ == "__main__":
    run_flags.define_run_flags()
    run_flags.define_member_flags()
    cli.run(main)
