"""Fuses score files of two streams, of this project or of any other program."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tclsta_tf.data import score_files
from tclsta_tf.evaluation import metrics
from tclsta_tf.fusion import adaptive_weights, cross_validation, multiple_kernel, score_fusion
from tclsta_tf.recipes import fuse_settings
from tclsta_tf.reports import figures, tables
from tfrecords_tools import manifest, storage

Pair: TypeAlias = tuple[score_files.ScoreFile, score_files.ScoreFile]
"""Static and motion scores of the same videos, aligned, in [0, 1]."""


@dataclasses.dataclass(frozen=True)
class Fused:
    """What fusion made of the streams' scores.

    Attributes:
        scores: method -> float64 [n, C]. Those of "mkl" are decision values, all others lie in [0, 1].
        weights: method -> float64 [C, 2], for methods that weigh each class by itself: weights of the static and the
            motion stream, rows that sum to 1; of "mkl" each stream's part of the sum of the kernels' weights.
        settings: method -> the settings that were given or chosen.
        kernel_weights: float64 [C, 6] of "mkl", or None.
    """

    scores: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    settings: dict[str, dict[str, Any]]
    kernel_weights: np.ndarray | None = None


def fuse_files(
    static: str,
    motion: str,
    fit_static: str | None = None,
    fit_motion: str | None = None,
    settings: fuse_settings.FuseSettings | None = None,
    logits: Sequence[str] = (),
    output_dir: storage.AnyPath | None = None,
) -> str:
    """Fuses the score files of two streams and measures the result.

    Args:
        static: File of the static stream's scores, see `data.score_files`.
        motion: File of the motion stream's scores of the same videos.
        fit_static: File of scores of other videos, with labels, to learn weights on: videos that the stream was
            not trained on. None leaves out the methods that learn.
        fit_motion: File of the motion stream's scores of those.
        settings: How to fuse; None for the defaults.
        logits: Streams, "static" and "motion", whose files hold logits.
        output_dir: Where to write `fused-METHOD.npz`, `metrics.json` and `fusion_weights-METHOD.png`; made where it
            is missing. None writes nothing.

    Returns:
        The table of results, and a line for what was left out.

    Raises:
        ValueError: Where files or settings are not as they should be. Nothing is written then.
        OSError: Where a file cannot be read or written.
    """
    settings = settings or fuse_settings.FuseSettings()
    if (fit_static is None) != (fit_motion is None):
        raise ValueError("`fit_static` and `fit_motion` belong together: give both or none")
    learned = [method for method in settings.methods if fuse_settings.needs_fit(method)]
    notes = []
    if fit_static is None and learned:
        reason = (
            f"{', '.join(learned)} left out: their weights are learned. Give --fit_static and --fit_motion, scores "
            "with labels of other videos, which the streams were not trained on"
        )
        kept = tuple(method for method in settings.methods if method not in learned)
        if not kept:
            raise ValueError(reason)
        settings = dataclasses.replace(settings, methods=kept)
        notes.append(reason)
    test = read_pair(static, motion, logits)
    if test[0].labels is None:
        if output_dir is None:
            raise ValueError(
                f"neither {static} nor {motion} has labels to measure the result by, and without --output_dir "
                "nothing would be written"
            )
        notes.append(f"nothing is measured: neither {static} nor {motion} has labels")
    fit = None
    if fit_static is not None and fit_motion is not None and learned:
        fit = read_fit_pair(fit_static, fit_motion, test, logits)
        if test[0].classes is None:  # then those of the fit files, whose columns are the same
            test = (dataclasses.replace(test[0], classes=fit[0].classes), test[1])
    fused = fuse(test[0].scores, test[1].scores, fit, settings)
    results: dict[str, dict[str, float | int]] = {}
    if test[0].labels is not None:
        rows = {"static": test[0].scores, "motion": test[1].scores, **fused.scores}
        results = {name: metrics.summarise(scores, test[0].labels) for name, scores in rows.items()}
    if output_dir is not None:
        files = {"static": static, "motion": motion, "fit_static": fit_static, "fit_motion": fit_motion}
        values = {
            "files": files,
            "num_classes": test[0].scores.shape[1],
            "num_test_videos": len(test[0].scores),
            "num_fit_videos": len(fit[0].scores) if fit else 0,
            "results": results,
            "settings": fused.settings,
        }
        write(output_dir, test[0], fused, values)
    text = ""
    if results:
        text = tables.accuracy_table(results, caption=f"{static} and {motion}: {len(test[0].scores)} videos").to_text()
    return "\n".join([*text.splitlines(), *notes])


def read_pair(static: str, motion: str, logits: Sequence[str] = ()) -> Pair:
    """Reads the scores of two streams and brings them into one order.

    Args:
        static: File of the static stream.
        motion: File of the motion stream.
        logits: Streams, "static" and "motion", whose files hold logits.

    Raises:
        ValueError: Where a file is not as it should be, or the files do not belong together.
    """
    files = [
        score_files.load(text).probabilities(logits=stream in logits)
        for stream, text in (("static", static), ("motion", motion))
    ]
    return score_files.align(*files)


def read_fit_pair(static: str, motion: str, test: Pair, logits: Sequence[str] = ()) -> Pair:
    """Reads the scores that weights are learned on, with the classes in the order of the test files.

    Raises:
        ValueError: As `read_pair`; where labels are missing, or a video is in the test files too.
    """
    first, second = (score_files.reorder_classes(file, test[0]) for file in read_pair(static, motion, logits))
    if first.labels is None:
        raise ValueError(f"neither {static} nor {motion} has labels; without them no weights can be learned")
    if test[0].ids is not None and first.ids is not None:
        shared = sorted(set(test[0].ids.tolist()) & set(first.ids.tolist()))
        if shared:
            raise ValueError(
                f"{static} holds {len(shared)} of the videos to be fused, e.g. {shared[0]!r}; weights must be learned "
                "on other videos, or their result means nothing"
            )
    elif {static, motion} & {test[0].name, test[1].name}:
        raise ValueError(f"{static} and {motion} must be other files than those to be fused")
    return first, second


def fuse(
    static_scores: np.ndarray, motion_scores: np.ndarray, fit: Pair | None, settings: fuse_settings.FuseSettings
) -> Fused:
    """Fuses the scores of two streams by each method. The true classes of these videos are not known here.

    Args:
        static_scores: float64 [n, C] in [0, 1].
        motion_scores: float64 [n, C] in [0, 1], of the same videos.
        fit: Scores and labels of other videos, which weights are learned on; None where no method learns.
        settings: How to fuse.
    """
    result = Fused({}, {}, {})
    for method in settings.methods:
        if not fuse_settings.needs_fit(method):
            pair = fuse_settings.ratio(method)
            result.scores[method] = score_fusion.late_fusion(static_scores, motion_scores, pair)
            result.settings[method] = {"weights": list(pair)}
            continue
        if fit is None or fit[0].labels is None:
            raise ValueError(f"`fit` must hold scores and labels for the method {method!r}. Received: fit={fit}")
        samples = (fit[0].scores, fit[1].scores, fit[0].labels)
        if method == "late-grid":
            pair = cross_validation.choose_late_weights(*samples)
            result.scores[method] = score_fusion.late_fusion(static_scores, motion_scores, pair)
            result.settings[method] = {"weights": list(pair)}
        elif method == "mkl":
            machine = multiple_kernel.fit_multiple_kernels(
                *samples, norm=settings.mkl_norm, cost=settings.mkl_cost, seed=settings.seed
            )
            by_stream = machine.kernel_weights.reshape(len(machine.present), 2, -1).sum(axis=2)
            result.scores[method] = machine.scores(static_scores, motion_scores)
            result.weights[method] = by_stream / by_stream.sum(axis=1, keepdims=True)
            result.settings[method] = {
                "norm": settings.mkl_norm,
                "cost": settings.mkl_cost,
                "videos": len(machine.rows),
                "largest_gap": float(machine.gaps.max()),
            }
            result = dataclasses.replace(result, kernel_weights=machine.kernel_weights)
        else:
            chosen = cross_validation.choose_adaptive(
                *samples,
                fit[0].groups,
                method.removeprefix("awl-"),
                settings.trade_offs,
                settings.floors,
                settings.strengths,
                seed=settings.seed,
            )
            result.weights[method] = chosen.fit(*samples)
            result.scores[method] = adaptive_weights.fuse_adaptive(static_scores, motion_scores, result.weights[method])
            result.settings[method] = dataclasses.asdict(chosen)
    return result


def write(output_dir: storage.AnyPath, test: score_files.ScoreFile, fused: Fused, values: dict[str, Any]) -> None:
    """Writes scores, figures of merit and weights.

    Args:
        output_dir: Made where it is missing.
        test: Ids, labels, groups and classes of the videos.
        fused: What to write.
        values: Further entries of `metrics.json`.
    """
    names = test.class_names
    values["fusion_weights"] = {
        method: dict(zip(names, weights.tolist(), strict=True)) for method, weights in fused.weights.items()
    }
    if fused.kernel_weights is not None:
        values["kernel_weights"] = {
            name: dict(zip(multiple_kernel.KERNEL_NAMES, row.tolist(), strict=True))
            for name, row in zip(names, fused.kernel_weights, strict=True)
        }
    output_dir.mkdir(parents=True, exist_ok=True)
    for method, scores in fused.scores.items():
        score_files.save(
            output_dir / f"fused-{file_name(method)}.npz", dataclasses.replace(test, scores=scores, name=method)
        )
    for method, weights in fused.weights.items():
        with storage.created(output_dir / f"fusion_weights-{file_name(method)}.png") as partial:
            partial.write_bytes(figures.to_png(figures.fusion_weights(names, weights)))
    manifest.write_atomically(output_dir / "metrics.json", json.dumps(values, indent=1) + "\n")


def file_name(method: str) -> str:
    """A method's name without the colon, which file systems and score files give a meaning of its own."""
    return method.replace(":", "-")
