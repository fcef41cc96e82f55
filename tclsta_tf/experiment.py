r"""Runs the whole recipe: both streams, features, collaborative network, fusion, evaluation, report, exported model.

python -m tclsta_tf.experiment --flagfile=configs/demo.cfg --data_dir=records --workdir=run

Finished steps are skipped and a broken one goes on where it stopped, so the way to resume is to run it again.

--ablation makes every table of the paper: the streams without attention and with one of the two (Table VI), the
collaborative network and the fusion alone and together (VII), other fusions (VIII), the speed of each part (IX).
--variants=none,sa trains some rows of Table VI only.

--refit then trains the same recipe on all videos, those of the test part too, in <workdir>/refit: the classifier to be
shipped. Its accuracy cannot be measured any more; that of the run itself says what to expect. It takes a
single run, such as one of those below: --workdir=<workdir>/seed-0 --refit.

--splits=1,2,3 does all of it for each split in <workdir>/split-1 and so on, --leave_one_group_out for each group left
out (UCF50), --seeds=0,1,2 for each seed; <workdir>/report then holds mean and deviation. None of these runs is
exported: tclsta_tf.export --workdir=<workdir>/split-1 does it.
"""

from collections.abc import Sequence

from absl import flags

from tclsta_tf import config
from tclsta_tf import flags as run_flags
from tfrecords_tools import cli

_ABLATION = flags.DEFINE_bool("ablation", False, "Make Tables VI to IX: every attention variant, and the speeds.")
_VARIANTS = flags.DEFINE_list("variants", [], "Attention variants to train beside --attention, e.g. --variants=none.")
_REFIT = flags.DEFINE_bool("refit", False, "Train the recipe on all videos at last, and export that.")


def main(argv: Sequence[str]) -> None:
    """Runs all steps that are not finished."""
    cli.reject_operands(argv)
    members_flags = run_flags.member_arguments()
    variants = list(config.ATTENTION_VARIANTS) if _ABLATION.value else _VARIANTS.value
    for variant in variants:
        if variant not in config.ATTENTION_VARIANTS:
            raise ValueError(f"--variants must name {', '.join(config.ATTENTION_VARIANTS)}. Received: {variant!r}")
    arguments = run_flags.run_arguments()
    with cli.loading(f"experiment in {arguments['workdir']}"):
        from tclsta_tf.recipes import experiment, protocol
        from tclsta_tf.recipes import run as run_lib
        from tclsta_tf.training import distribution
    run = run_lib.Run(**arguments)
    distribution.prepare_devices(run.config.device.logical_cpus)
    members = protocol.make_members(run, **members_flags) or protocol.load(run)
    if members is None:
        experiment.run_single(run, variants, _ABLATION.value, _REFIT.value, show=print)
        return
    if _REFIT.value:
        first = next(iter(members.runs.values())).workdir
        raise ValueError(
            f"--refit takes one run, and {run.workdir} is an experiment over several. Leave --splits, --seeds and "
            f"--leave_one_group_out away and give the folder of one of them: --workdir={first}"
        )
    experiment.run_members(run, members, variants, _ABLATION.value, show=print)


if __name__ == "__main__":
    run_flags.define_run_flags()
    run_flags.define_member_flags()
    cli.run(main, needs=("data_dir", "workdir"), goes_on=True)
