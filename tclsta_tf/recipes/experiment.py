"""The whole recipe of a run, or of an experiment of several: what is not finished is done, then all of it is shown."""

import sys
from collections.abc import Callable, Sequence

from tclsta_tf.recipes import export, fusion, protocol, report, speed, steps
from tclsta_tf.recipes import run as run_lib
from tfrecords_tools import notes


def run_single(
    run: run_lib.Run, variants: Sequence[str], ablation: bool, refit: bool, show: Callable[[str], None]
) -> None:
    """Trains, evaluates and exports one run.

    Args:
        run: the run.
        variants: attention variants to train besides its own.
        ablation: whether speeds are measured and all tables shown.
        refit: whether the recipe is at last trained on all videos, and that is exported.
        show: is given tables and paths.
    """
    refitted = run.refit() if refit else None  # what it cannot do shows before anything is trained
    steps.run_steps(run, _steps(run, variants, ablation))
    exported = export.export(run, run.workdir / "export", keep_equal=True)
    if run.has_test_part:
        _show_tables(run, ablation, show)
    show(f"model:  {exported}")
    if refitted:
        notes.say(f"== {refitted.workdir}", sys.stdout)
        steps.run_steps(refitted, steps.training_steps(refitted, []))
        fusion.adopt(run, refitted)
        exported = export.export(refitted, refitted.workdir / "export", keep_equal=True)
        show(f"model trained on all videos:  {exported}")


def run_members(
    run: run_lib.Run, members: protocol.Members, variants: Sequence[str], ablation: bool, show: Callable[[str], None]
) -> None:
    """Trains and evaluates runs that differ in split and seed, and reports on all of them.

    Args:
        run: of the folder that holds them.
        members: the runs.
        variants: attention variants to train besides their own.
        ablation: whether speeds are measured and all tables shown.
        show: is given tables and paths.

    Raises:
        ValueError: no videos are left to compare them on.
    """
    if not run.has_test_part:
        raise ValueError("--train_on=all leaves nothing to compare splits, seeds or groups on: give one run")
    protocol.save(run, members)
    for member in members.runs.values():
        notes.say(f"== {member.workdir}", sys.stdout)
        steps.run_steps(member, _steps(member, variants, ablation))
    report.report_members(run, members)
    _show_tables(run, ablation, show)


def _steps(run: run_lib.Run, variants: Sequence[str], ablation: bool) -> list[steps.Step]:
    if not run.has_test_part:
        return [*steps.training_steps(run, variants), steps.Step("fusion", lambda: fusion.learn_fusion(run))]
    last = [steps.Step("evaluate", lambda: report.evaluate_and_report(run, keep_equal=True))]
    if ablation:
        last.insert(0, steps.Step("speed", lambda: speed.measure_speed(run)))
    return [*steps.training_steps(run, variants), *last]


def _show_tables(run: run_lib.Run, all_of_them: bool, show: Callable[[str], None]) -> None:
    show(f"\n{report.read_tables(run, all_of_them)}\n\nreport: {run.report_dir / 'index.html'}")
