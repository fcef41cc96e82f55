r"""Fuses the scores of two streams, of this project or of any other program, and measures the result.

python -m tclsta_tf.fuse --static=rgb.npz --motion=flow.csv
python -m tclsta_tf.fuse --static=run/report/scores.npz:frame+STA --motion=run/report/scores.npz:flow+STA \
    --fit_static=val_rgb.csv --fit_motion=val_flow.csv --output_dir=fused

A score file is a CSV file with the header `id,label,group,CLASS,CLASS,...` and a line per video, or an .npz file with
the keys `scores` [videos, classes], `ids`, `labels`, `groups` and `classes`. Labels and groups may be missing, in .npz
all but `scores`. A file with several rows of scores is followed by :ROW. Videos are matched by id.

late and late-A:B fuse as they are. late-grid, awl-lp, awl-regularised and mkl learn on the fit files: labelled scores
of other videos, which the streams were not trained on either. Where --awl_... lists several values, cross-validation
on the fit files chooses among them, with whole groups held out. Labels of the videos to be fused are used to measure
and for nothing else.

Prints the accuracies. With --output_dir also writes fused-METHOD.npz, metrics.json with the weights of each class and
the values chosen, and fusion_weights-METHOD.png.
"""

from collections.abc import Sequence

from absl import app, flags

from tclsta_tf.recipes import fuse_settings
from tfrecords_tools import cli, storage

_DEFAULTS = fuse_settings.FuseSettings()
_STATIC = flags.DEFINE_string("static", None, "Scores of the static stream: FILE.csv, FILE.npz or FILE.npz:ROW.")
_MOTION = flags.DEFINE_string("motion", None, "Scores of the motion stream for the same videos.")
_FIT_STATIC = flags.DEFINE_string("fit_static", None, "Scores of the static stream that weights are learned on.")
_FIT_MOTION = flags.DEFINE_string("fit_motion", None, "Scores of the motion stream that weights are learned on.")
_METHODS = flags.DEFINE_list(
    "methods", list(_DEFAULTS.methods), "Ways to fuse, separated by commas; late-A:B for static weight A, motion B."
)
_LAMBDA = flags.DEFINE_list("awl_lambda", list(map(str, _DEFAULTS.trade_offs)), "Values of AWL's lambda, >= 0.")
_FLOOR = flags.DEFINE_list("awl_floor", list(map(str, _DEFAULTS.floors)), "Smallest weights of awl-lp, 0 to 0.5.")
_STRENGTH = flags.DEFINE_list(
    "awl_strength", list(map(str, _DEFAULTS.strengths)), "Weights of the entropy term of awl-regularised, > 0."
)
_MKL_NORM = flags.DEFINE_float("mkl_norm", _DEFAULTS.mkl_norm, "p of mkl: 1 prefers few kernels.", lower_bound=1.0)
_MKL_COST = flags.DEFINE_float("mkl_cost", _DEFAULTS.mkl_cost, "C of the SVMs of mkl, > 0.")
_LOGITS = flags.DEFINE_list("logits", [], "Streams whose files hold logits: static, motion or static,motion.")
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder for the fused scores and figures; default: none is written."
)
_SEED = flags.DEFINE_integer("seed", _DEFAULTS.seed, "Seed of folds and draws.", lower_bound=0)


def main(argv: Sequence[str]) -> None:
    """Fuses the files and prints the table."""
    cli.reject_operands(argv)
    for flag in (_STATIC, _MOTION):
        if not flag.value:
            raise app.UsageError(f"--{flag.name} is missing: FILE.csv, FILE.npz or FILE.npz:ROW")
    if (_FIT_STATIC.value is None) != (_FIT_MOTION.value is None):
        raise app.UsageError("--fit_static and --fit_motion belong together: give both or none")
    if not set(_LOGITS.value) <= {"static", "motion"}:
        raise app.UsageError(f"--logits takes static, motion or static,motion, not {','.join(_LOGITS.value)}")
    settings = fuse_settings.FuseSettings(
        methods=tuple(_METHODS.value),
        trade_offs=_numbers(_LAMBDA),
        floors=_numbers(_FLOOR),
        strengths=_numbers(_STRENGTH),
        mkl_norm=_MKL_NORM.value,
        mkl_cost=_MKL_COST.value,
        seed=_SEED.value,
    )
    with cli.loading():  # a second, not of TensorFlow: nothing to tell
        from tclsta_tf.recipes import fuse_scores
    print(
        fuse_scores.fuse_files(
            _STATIC.value,
            _MOTION.value,
            _FIT_STATIC.value,
            _FIT_MOTION.value,
            settings,
            _LOGITS.value,
            storage.path(_OUTPUT_DIR.value) if _OUTPUT_DIR.value else None,
        )
    )


def _numbers(flag: flags.FlagHolder) -> tuple[float, ...]:
    try:
        return tuple(float(text) for text in flag.value)
    except ValueError:
        raise app.UsageError(f"--{flag.name} takes numbers separated by commas, not {','.join(flag.value)}") from None


if __name__ == "__main__":
    cli.run(main, needs=("static", "motion"))
