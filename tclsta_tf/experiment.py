r"""Runs the whole recipe: both streams, features, collaborative network, fusion, evaluation, report, exported model.

python -m tclsta_tf.experiment --flagfile=configs/demo.cfg --data_dir=records --workdir=run

Finished steps are skipped and a broken one goes on where it stopped, so the way to resume is to run it again.
`--ablation` also trains the streams without attention and with one of the two (Table VI of the paper); `--variants`
picks some of these rows.
"""

from collections.abc import Sequence

from absl import flags

from tclsta_tf import config
from tclsta_tf import flags as run_flags
from tclsta_tf.recipes import export as export_lib
from tclsta_tf.recipes import report, steps
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.training import distribution
from tfrecords_tools import cli, storage

_ABLATION = flags.DEFINE_bool("ablation", False, "Train every attention variant: none, sa, ta and sta.")
_VARIANTS = flags.DEFINE_list("variants", [], "Attention variants to train beside --attention, e.g. --variants=none.")


def main(argv: Sequence[str]) -> None:
    """Runs all steps that are not finished."""
    cli.reject_operands(argv)
    run = run_lib.Run(**run_flags.run_arguments())
    distribution.prepare_devices(run.config.device.logical_cpus)
    variants = list(config.ATTENTION_VARIANTS) if _ABLATION.value else _VARIANTS.value
    for variant in variants:
        if variant not in config.ATTENTION_VARIANTS:
            raise ValueError(f"--variants must name {', '.join(config.ATTENTION_VARIANTS)}. Received: {variant!r}")
    table: list[str] = []
    exported: list[storage.AnyPath] = []
    last = [
        steps.Step("evaluate", lambda: table.append(report.evaluate_and_report(run))),
        steps.Step("export", lambda: exported.append(export_lib.export(run, run.workdir / "export", keep_equal=True))),
    ]
    steps.run_steps(run, [*steps.training_steps(run, variants), *last])
    print(f"\n{table[0]}\n\nreport: {run.report_dir / 'index.html'}\nmodel:  {exported[0]}")


if __name__ == "__main__":
    run_flags.define_run_flags()
    cli.run(main)
