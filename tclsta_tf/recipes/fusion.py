"""Learns the per-class fusion weights of a run, on the validation part; the test part is not opened here."""

import json

import numpy as np

from tclsta_tf.data import features
from tclsta_tf.fusion import adaptive_weights
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.recipes import train_collaborative
from tfrecords_tools import manifest


def learn_fusion(run: run_lib.Run) -> dict[str, np.ndarray]:
    """Fits the weights of the two streams and of the collaborative network's two heads, and saves them.

    Where the validation part is empty, the weights are fitted on the training part, as the paper's letter has it.

    Returns:
        {"streams": float64 [C, 2], "heads": float64 [C, 2]}; no "heads" for the release network, which has one.
    """
    streams = {stream: features.read(run.feature_file(stream, run_lib.VALIDATION)) for stream in ("static", "motion")}
    role = run_lib.VALIDATION if len(streams["static"]["labels"]) else run_lib.TRAIN
    if role == run_lib.TRAIN:
        streams = {stream: features.read(run.feature_file(stream, role)) for stream in streams}
    static, motion = streams["static"], streams["motion"]
    heads = train_collaborative.run_network(run, role)
    weights = {"streams": _fit(run, static["scores"], motion["scores"], static["labels"])}
    if "static_scores" in heads:
        weights["heads"] = _fit(run, heads["static_scores"], heads["motion_scores"], heads["labels"])
    values = {
        "labels": list(run.labels),
        "fitted_on": role,
        "videos": len(static["labels"]),
        **{name: pairs.tolist() for name, pairs in weights.items()},
    }
    manifest.write_atomically(run.fusion_file, json.dumps(values, indent=1) + "\n")
    return weights


def _fit(run: run_lib.Run, static: np.ndarray, motion: np.ndarray, labels: np.ndarray) -> np.ndarray:
    settings = run.config.fusion
    return adaptive_weights.fit_adaptive_weights(
        static,
        motion,
        labels,
        method=settings.awl,
        trade_off=settings.awl_lambda,
        floor=settings.awl_floor,
        strength=settings.awl_strength,
    )
