r"""Measures a trained run on its test part: every stream, every fusion, a report with pictures.

python -m tclsta_tf.evaluate --workdir=run

Learns the fusions on videos of the training part, then reads the test part once and writes <workdir>/report/:
metrics.json, scores.npz, tables as text, Markdown and CSV, and index.html. Of an experiment over splits or seeds it
measures every run and then their mean.

--test_crops=10, --test_clips=K and --frame_protocol=one test in other ways; with --report=ten_crops the report goes to
<workdir>/ten_crops instead, and that of the usual way stays.
"""

from collections.abc import Sequence

from absl import flags

from tclsta_tf import config
from tclsta_tf import flags as run_flags
from tfrecords_tools import cli

_REPORT = flags.DEFINE_string("report", config.REPORT, "Name of the report's folder in the working folder.")


def main(argv: Sequence[str]) -> None:
    """Evaluates the run and prints its tables."""
    cli.reject_operands(argv)
    members_flags = run_flags.member_arguments()
    if "/" in _REPORT.value or _REPORT.value in ("", ".", "..", *config.FOLDERS, *config.PARTS):
        raise flags.Error(f"--report must be a name of its own, like ten_crops. Received: --report={_REPORT.value}")
    run_flags.require_folder("workdir")
    arguments = run_flags.run_arguments()
    with cli.loading(f"evaluating {arguments['workdir']}"):
        from tclsta_tf.recipes import protocol, report
        from tclsta_tf.recipes import run as run_lib
        from tclsta_tf.training import distribution
    run = run_lib.Run(**arguments, report=_REPORT.value)
    distribution.prepare_devices(run.config.device.logical_cpus)
    if not run.has_test_part:
        raise ValueError(
            f"{run.workdir} is trained on all videos (--train_on=all): there is no test part to measure it on"
        )
    members = protocol.make_members(run, **members_flags) or protocol.load(run)
    for single in members.runs.values() if members else [run]:
        report.evaluate_and_report(single)
    if members:
        report.report_members(run, members)
    print(f"{report.read_tables(run)}\n\nreport: {run.report_dir / 'index.html'}")


if __name__ == "__main__":
    run_flags.define_run_flags()
    run_flags.define_member_flags()
    cli.run(main, needs=("workdir",))
