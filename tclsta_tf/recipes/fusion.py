"""Learns how a run fuses its streams, on videos of the training part; the test part is closed here."""

import dataclasses
import json
from typing import Any

import numpy as np

from tclsta_tf import config
from tclsta_tf.data import features
from tclsta_tf.fusion import adaptive_weights, cross_validation, early_svm, multiple_kernel, score_fusion
from tclsta_tf.recipes import extract, results, scores, train_collaborative
from tclsta_tf.recipes import run as run_lib
from tfrecords_tools import manifest

_SCORES_FILE = "fusion_scores.npz"


@dataclasses.dataclass(frozen=True)
class Samples:
    """Scores that fusion is learned on.

    Attributes:
        source: where they come from, as `config.FusionConfig.awl_scores`.
        videos: whose they are.
        streams: `static` and `motion` -> float [n, C].
        heads: the same of the collaborative network's two heads; empty for the release network, which has one.
    """

    source: str
    videos: scores.Videos
    streams: dict[str, np.ndarray]
    heads: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Fusion:
    """What was learned.

    Attributes:
        source: where the scores came from that it was learned on.
        num_videos: of how many videos they were.
        streams: method of `adaptive_weights.METHODS` -> weights of the streams, float64 [C, 2].
        heads: weights of the network's heads by the method of the run, float64 [C, 2]; None for the release network.
        settings: name of each pair of weights -> the settings that were chosen for it.
        method: the method of the run.
        late: best weights of static and motion for all classes alike.
        early: support vector machine on the features of both streams.
        kernels: multiple kernel learning on the scores of both streams.
    """

    source: str
    num_videos: int
    streams: dict[str, np.ndarray]
    heads: np.ndarray | None
    settings: dict[str, cross_validation.AdaptiveSettings]
    method: str
    late: tuple[float, float]
    early: early_svm.EarlySVM
    kernels: multiple_kernel.MultipleKernelSVM

    @property
    def final_weights(self) -> np.ndarray:
        """Weights of the final row: of the heads where there are two, else of the streams."""
        return self.streams[self.method] if self.heads is None else self.heads

    def to_json(self) -> dict[str, Any]:
        """What a reader wants to know, in plain values."""
        kernel_weights = self.kernels.kernel_weights.mean(axis=0)
        return {
            "fitted_on": self.source,
            "videos": self.num_videos,
            "method": self.method,
            "settings": {name: dataclasses.asdict(chosen) for name, chosen in self.settings.items()},
            "late_grid": list(self.late),
            "svm_c": self.early.cost,
            "mkl_kernel_weights": dict(zip(self.kernels.kernel_names, kernel_weights.tolist(), strict=True)),
        }


def learn_fusion(run: run_lib.Run) -> Fusion:
    """Learns every fusion; saves the weights to `<workdir>/fusion.json`, what they are fitted on to fusion_scores.npz.

    Where the validation part is empty, it learns on the training part, as the paper's letter has it. Features that are
    not there yet are extracted: clips and crops may be others than those the run was trained with.
    """
    for stream in config.STREAMS:
        extract.extract(run, stream, (run_lib.TRAIN, run_lib.VALIDATION))
    samples = read_samples(run)
    settings = run.config.fusion
    chosen, weights = {}, {}
    for method in adaptive_weights.METHODS:
        weights[method], chosen[f"streams/{method}"] = _fit(run, samples.streams, samples.videos, method)
    heads = None
    if samples.heads:
        heads, chosen[f"heads/{settings.awl}"] = _fit(run, samples.heads, samples.videos, settings.awl)
    (static, motion), labels = (samples.streams[stream] for stream in config.STREAMS), samples.videos.labels
    learned = Fusion(
        source=samples.source,
        num_videos=len(samples.videos),
        streams=weights,
        heads=heads,
        settings=chosen,
        method=settings.awl,
        late=cross_validation.choose_late_weights(static, motion, labels),
        early=_fit_early(run),
        kernels=multiple_kernel.fit_multiple_kernels(
            static, motion, labels, norm=settings.mkl_norm, cost=settings.mkl_c, seed=run.config.device.seed
        ),
    )
    values = {"labels": list(run.labels), **learned.to_json(), "streams": weights[settings.awl].tolist()}
    if heads is not None:
        values["heads"] = heads.tolist()
    rows = samples.streams | {f"{name} head": found for name, found in samples.heads.items()}
    kept = results.Scores(samples.videos, tuple(run.labels), rows)
    run.fusion_file.parent.mkdir(parents=True, exist_ok=True)
    results.write_scores(run.fusion_file.with_name(_SCORES_FILE), kept)
    manifest.write_atomically(run.fusion_file, json.dumps(values, indent=1) + "\n")
    return learned


def adopt(learned: run_lib.Run, run: run_lib.Run) -> None:
    """Gives a run the fusion weights that another one has learned, where it has no videos to learn its own on."""
    text = learned.fusion_file.read_text(encoding="utf-8")
    if not run.fusion_file.exists() or run.fusion_file.read_text(encoding="utf-8") != text:
        manifest.write_atomically(run.fusion_file, text)


def read_samples(run: run_lib.Run) -> Samples:
    """The scores that fusion is learned on."""
    source = run.config.fusion.awl_scores
    if source == "kfold":
        parts = [_samples_of(fold, run_lib.VALIDATION, source) for fold in run.folds()]
        return Samples(
            source,
            scores.concatenate([part.videos for part in parts]),
            _concatenate([part.streams for part in parts]),
            _concatenate([part.heads for part in parts]),
        )
    if source == "validation" and len(run.subset(run_lib.VALIDATION)):
        return _samples_of(run, run_lib.VALIDATION, source)
    return _samples_of(run, run_lib.TRAIN, "train")


def _samples_of(run: run_lib.Run, role: str, source: str) -> Samples:
    for stream in config.STREAMS:
        extract.extract(run, stream, (role,))  # already there, unless it is tested in another way than it was trained
    network = train_collaborative.run_network(run, role)
    heads = {stream: network[f"{stream}_scores"] for stream in config.STREAMS if f"{stream}_scores" in network}
    streams = {stream: scores.stream_scores(run, stream, role) for stream in config.STREAMS}
    return Samples(source, scores.videos(run, role), streams, heads)


def _concatenate(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _fit(
    run: run_lib.Run, pair: dict[str, np.ndarray], videos: scores.Videos, method: str
) -> tuple[np.ndarray, cross_validation.AdaptiveSettings]:
    settings = run.config.fusion
    labelled = pair["static"], pair["motion"], videos.labels
    chosen = cross_validation.choose_adaptive(
        *labelled,
        groups=videos.groups,
        method=method,
        trade_offs=settings.awl_lambda,
        floors=settings.awl_floor,
        strengths=settings.awl_strength,
        folds=settings.awl_folds,
        seed=run.config.device.seed,
    )
    return chosen.fit(*labelled), chosen


def _fit_early(run: run_lib.Run) -> early_svm.EarlySVM:
    """Fits on the features of the videos that the streams were trained on; C, if open, on the held-out ones."""
    costs, held_out = run.config.fusion.svm_c, None
    if len(costs) > 1:
        if not len(run.subset(run_lib.VALIDATION)):
            raise ValueError("--svm_c has several values and there is no validation part to choose on: give one value")
        labels = scores.videos(run, run_lib.VALIDATION).labels
        held_out = (*read_attended(run, run_lib.VALIDATION), labels)
    static, motion = read_attended(run, run_lib.TRAIN)
    labels = scores.videos(run, run_lib.TRAIN).labels
    return early_svm.fit_early(
        static, motion, labels, len(run.labels), costs, held_out=held_out, seed=run.config.device.seed
    )


def read_attended(run: run_lib.Run, role: str) -> tuple[np.ndarray, np.ndarray]:
    """Features of both streams for every video of a role, averaged with their attention: float32 [n, D] each."""
    static, motion = (run.feature_file(stream, role) for stream in config.STREAMS)
    return features.read_attended(static, run.clips(role)), features.read_attended(motion, run.clips(role))


def fuse_streams(run: run_lib.Run, learned: Fusion, static: np.ndarray, motion: np.ndarray) -> dict[str, np.ndarray]:
    """Every fusion of the two streams of the test part, which must be open.

    Args:
        run: trained.
        learned: from `learn_fusion`.
        static: float [n, C].
        motion: float [n, C].

    Returns:
        Row name of metrics.json, `fusion/...`, -> float [n, C].
    """
    fused = {"fusion/late": score_fusion.late_fusion(static, motion)}
    for text, ratio in run.config.fusion.late_ratios().items():
        fused[f"fusion/late-{text}"] = score_fusion.late_fusion(static, motion, ratio)
    fused["fusion/late-grid"] = score_fusion.late_fusion(static, motion, learned.late)
    fused["fusion/early"] = learned.early.scores(*read_attended(run, run_lib.TEST))
    fused["fusion/mkl"] = learned.kernels.scores(static, motion)
    for method, weights in learned.streams.items():
        name = "fusion/awl" if method == learned.method else f"fusion/awl-{method}"
        fused[name] = adaptive_weights.fuse_adaptive(static, motion, weights)
    return fused


def fuse_heads(learned: Fusion, network: dict[str, np.ndarray]) -> np.ndarray:
    """The whole method: the collaborative network's two heads fused by Eq. (14), float [n, C]."""
    heads = network["static_scores"], network["motion_scores"]
    return adaptive_weights.fuse_adaptive(*heads, learned.final_weights)
