"""Trains the collaborative learning network on the features of both streams."""

import keras
import numpy as np
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.data import features
from tclsta_tf.evaluation import metrics
from tclsta_tf.models import collaborative_network, two_stream
from tclsta_tf.recipes import parts
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.training import checkpoints, distribution, losses, optimizers, summaries, trainer

PART = "collaborative"


def train_collaborative(run: run_lib.Run) -> None:
    """Trains from where it stopped; writes `<workdir>/collaborative/model.keras` at the end."""
    settings, network = run.config.collaborative, run.config.network
    files = tuple(run.feature_file(stream, run_lib.TRAIN) for stream in config.STREAMS)
    static_file, motion_file = files
    for file in files:
        if not file.exists():
            raise ValueError(f"{file} does not exist: run `python -m tclsta_tf.extract_features` first")
    for stream in config.STREAMS:
        run.verify(stream)
    if run.model_file(PART).exists():
        run.verify(PART)
        return
    parts.prepare(run.config.device)
    strategy = distribution.make_strategy(run.config.device.distribution)
    with strategy.scope():
        model = build_network(run, next(iter(features.paired_videos(*files))))
        optimizer = optimizers.make_optimizer(settings)
        optimizer.build(model.trainable_variables)
        keeper = checkpoints.Checkpoints(str(run.part_dir(PART) / "checkpoints"), model, optimizer)

    sides = (model.side_variables("motion"), model.side_variables("static")) if network.alternate_updates else None

    def forward(batch: trainer.Batch, step: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        outputs = model(inputs_of(batch, network), training=True)
        losses_by_name = losses.collaborative_losses(outputs, batch["labels"], step, network.alternate_updates)
        return losses_by_name, two_stream.merged_scores(outputs)

    seed = run.config.device.seed
    loop = trainer.Trainer(
        model=model,
        optimizer=optimizer,
        forward=forward,
        batches=lambda step: features.training_pairs(static_file, motion_file, settings.batch_size, seed, step),
        settings=settings,
        strategy=strategy,
        validate=lambda: _validate(run, model),
        checkpoints=keeper,
        summaries=summaries.Summaries(str(run.part_dir(PART) / "logs"), parts.configuration_card(run)),
        name=PART,
        alternate=sides,
    )
    run.claim(PART)
    loop.train()
    parts.save(run, PART, model)


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
        The network's outputs by name, float32, and `labels`.
    """
    return outputs_on_features(run, parts.load(run, PART), role)


def outputs_on_features(run: run_lib.Run, model: keras.Model, role: str) -> dict[str, np.ndarray]:
    """Like `run_network`, with a model at hand."""
    files = [run.feature_file(stream, role) for stream in config.STREAMS]
    batches = []
    for batch in features.paired_videos(*files).batch(64):
        outputs = model(inputs_of(batch, run.config.network), training=False)
        batches.append({name: value.numpy() for name, value in outputs.items()} | {"labels": batch["labels"].numpy()})
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]} if batches else {}


def _validate(run: run_lib.Run, model: keras.Model) -> dict[str, float]:
    outputs = outputs_on_features(run, model, run_lib.VALIDATION)
    if not outputs:
        return {}
    result = metrics.summarise(np.asarray(two_stream.merged_scores(outputs)), outputs["labels"])
    return {"validation_accuracy": result["overall_accuracy"]}
