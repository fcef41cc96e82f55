"""Trains the collaborative learning network on the features of both streams."""

import keras
import numpy as np
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.data import features
from tclsta_tf.models import collaborative_network, two_stream
from tclsta_tf.recipes import extract, identity, parts, watch
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.training import distribution, losses, trainer

PART = "collaborative"


def train_collaborative(run: run_lib.Run) -> None:
    """Trains from where it stopped; writes `<workdir>/collaborative/model.keras` at the end."""
    network = run.config.network
    static_file, motion_file = (run.feature_file(stream, run_lib.TRAIN) for stream in config.STREAMS)
    for file in (static_file, motion_file):
        if not file.exists():
            raise ValueError(f"{file} does not exist: run `python -m tclsta_tf.extract_features` first")
    for stream in config.STREAMS:
        identity.verify(run, stream)
    if run.model_file(PART).exists():
        identity.verify(run, PART)
        return
    for stream, file in zip(config.STREAMS, (static_file, motion_file), strict=True):
        if not extract.is_extracted(run, stream, run_lib.TRAIN):
            raise ValueError(
                f"{file} was made by another model than {run.model_file(stream)}: "
                "run `python -m tclsta_tf.extract_features` first"
            )
    parts.prepare(run.config.device)
    strategy = distribution.make_strategy(run.config.device.distribution)
    with strategy.scope():
        model = build_network(run, next(iter(features.paired_videos(static_file, motion_file))))
        if network.collaborative_start == "streams":
            classifiers = {stream: parts.load(run, stream).connection_classifier for stream in config.STREAMS}
            model.start_from(**{stream: layer.get_weights() for stream, layer in classifiers.items()})

    def make_trainer(stage: parts.Stage) -> trainer.Trainer:
        settings = stage.settings

        def forward(batch: trainer.Batch, step: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
            outputs = model(inputs_of(batch, network), training=True)
            smoothing, alternate = settings.label_smoothing, network.alternate_updates
            by_name = losses.collaborative_losses(outputs, batch["labels"], step, alternate, smoothing)
            return by_name, two_stream.merged_scores(outputs)

        def batches(step: int, workers: int, worker: int) -> tf.data.Dataset:
            batch_size, seed = settings.batch_size, stage.seed
            return features.training_pairs(static_file, motion_file, batch_size, seed, step, workers, worker)

        sides = (model.side_variables("motion"), model.side_variables("static")) if network.alternate_updates else None
        return parts.make_trainer(
            run,
            stage,
            variables=model.trainable_variables,
            forward=forward,
            batches=batches,
            validate=lambda step: _validate(run, stage, model, step),
            alternate=sides,
        )

    parts.train_stages(run, PART, model, strategy, make_trainer)


def build_network(run: run_lib.Run, example: dict[str, tf.Tensor]) -> collaborative_network.CollaborativeNetwork:
    """Builds the network for features like those of `example`."""
    network = run.config.network
    model = collaborative_network.CollaborativeNetwork(
        num_classes=len(run.labels),
        preset=network.collaborative_network,
        width=network.collaborative_width,
        rounds=network.collab_rounds,
        stop_guidance=network.alternate_updates,
        dropout=network.collaborative_dropout,
        name=PART,
    )
    model({stream: example[stream][tf.newaxis] for stream in config.STREAMS}, training=False)
    return model


def inputs_of(batch: dict[str, tf.Tensor], network: config.CollaborativeConfig) -> dict[str, tf.Tensor]:
    """V^s and V^m [B, N, D] from a batch of `features.paired_videos`."""
    source, rescale = network.collaborative_input, network.rescale_temporal
    return {
        stream: two_stream.collaborative_features(batch[stream], batch[f"{stream}_temporal"], source, rescale)
        for stream in config.STREAMS
    }


def run_network(run: run_lib.Run, role: str) -> dict[str, np.ndarray]:
    """The trained network's outputs for every video of a role, one row per video.

    Returns:
        The network's outputs by name, float32, and `labels`. Where a video has several clips, each went through the
        network: scores are pooled, weights stand one after the other and sum to 1 over all of them.
    """
    return outputs_on_features(run, parts.load(run, PART), role)


def outputs_on_features(run: run_lib.Run, model: keras.Model, role: str) -> dict[str, np.ndarray]:
    """Like `run_network`, with a model at hand."""
    files = [run.feature_file(stream, role) for stream in config.STREAMS]
    batches = []
    for batch in features.paired_videos(*files).batch(64):
        outputs = model(inputs_of(batch, run.config.network), training=False)
        batches.append({name: value.numpy() for name, value in outputs.items()} | {"labels": batch["labels"].numpy()})
    if not batches:
        return {}
    by_clip = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    clips, pooling = run.clips(role), run.config.data.clip_pooling
    by_video = {}
    for name, values in by_clip.items():
        if name == "labels":
            by_video[name] = values[::clips]
        elif name.endswith("weights"):
            by_video[name] = values.reshape(len(values) // clips, -1) / clips
        else:
            by_video[name] = features.pool(values, clips, pooling if name.endswith("scores") else "mean")
    return by_video


def _validate(run: run_lib.Run, stage: parts.Stage, model: keras.Model, step: int) -> dict[str, float]:
    outputs = outputs_on_features(run, model, run_lib.VALIDATION)
    if not outputs:
        return {}
    scalars = watch.describe(run, stage, step, np.asarray(two_stream.merged_scores(outputs)), outputs["labels"])
    if "convergence" in outputs:  # how much the weights still change in the last round
        scalars["last_round_change"] = float(outputs["convergence"][:, -1].mean())
    return scalars
