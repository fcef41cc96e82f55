"""Trains the spatial-temporal attention model of one stream."""

import contextlib
import math
import re
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from tclsta_tf.data import pipeline
from tclsta_tf.models import attention_stream, backbones, counting
from tclsta_tf.recipes import frozen, identity, parts, watch
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.training import distribution, losses, trainer
from tfrecords_tools import notes, storage


def train_stream(run: run_lib.Run, stream: str) -> None:
    """Trains `stream` from where it stopped; writes `<workdir>/<stream>/model.keras` at the end.

    Args:
        run: configuration, data and working folder.
        stream: `static` or `motion`.

    Raises:
        ValueError: settings do not go together, or the folder belongs to others.
    """
    train = run.subset(run_lib.TRAIN)
    if run.model_file(stream).exists():
        identity.verify(run, stream)
        return
    base = run.base(stream)
    if base:
        if run.config.device.distribution == distribution.MULTI_WORKER:
            # The others would read the backbone before the chief has written it.
            raise ValueError(f"--{stream}_trains=backbone works on one machine. Use --distribution=none or mirrored")
        train_stream(base, stream)
    parts.prepare(run.config.device)
    strategy = distribution.make_strategy(run.config.device.distribution)
    settings_of_stream = run.config.stream_of(stream)
    frozen_parts = frozen.parts(run, stream)
    with strategy.scope():
        model = build_stream(run, stream, strategy.num_replicas_in_sync)
        if base:
            trained = parts.load(base, stream)
            model.backbone.set_weights(trained.backbone.get_weights())
            model.connection_classifier.set_weights(trained.connection_classifier.get_weights())
    backbone = settings_of_stream.backbone
    free = [v for v in model.trainable_variables if not frozen.is_frozen(v, backbone, frozen_parts)]
    lengths = {stage.frames for stage in getattr(run.config, stream)} if settings_of_stream.cache_frozen else ()
    part = frozen.FrozenPart(run, stream, model) if lengths else None
    caches = {frames: frozen.TrainingClips(run, stream, part, frames) for frames in lengths} if part else {}

    def make_trainer(stage: parts.Stage) -> trainer.Trainer:
        settings = stage.settings
        cache = caches.get(settings.frames)

        def forward(batch: trainer.Batch, step: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
            labels = batch["labels"]
            if part:
                outputs = part.outputs(batch["features"], labels, training=True)
            elif settings.trains == "heads":
                clips = batch["clips"]
                features = model.backbone(tf.reshape(clips, [-1, *clips.shape[2:]]), training=False)
                outputs = model.attend(features, settings.frames, labels=labels, training=True)
            else:
                outputs = model(batch["clips"], labels=labels, training=True)
            by_name = losses.stream_losses(
                outputs, labels, settings_of_stream.video_loss, settings.trains, settings.label_smoothing
            )
            return by_name, outputs["scores"]

        def batches(step: int, workers: int, worker: int) -> tf.data.Dataset:
            if cache:
                return cache.batches(train, stage.seed, settings.batch_size, step)
            return _batches(run, train, stream, stage, step, workers, worker)

        return parts.make_trainer(
            run,
            stage,
            variables=[variable for variable in free if _learns(variable, backbone, settings.trains)],
            forward=forward,
            batches=batches,
            validate=watch.stream_validation(run, stage, stream, model),
            describe=lambda step: _describe(run, train, stage, step),
        )

    size = _describe_size(run, model, free)
    if distribution.is_chief(strategy):
        notes.say(f"{stream}: {size}")
    with run.explaining_damage():
        parts.train_stages(run, stream, model, strategy, make_trainer, size)


def _describe_size(run: run_lib.Run, model: attention_stream.AttentionStream, free: list[keras.Variable]) -> str:
    size = counting.count_stream(model, run.config.data.crop_size)
    trained = sum(math.prod(variable.shape) for variable in free)
    return (
        f"{size.weights / 1e6:.2f} M weights, {trained / 1e6:.2f} M of them trained, "
        f"{size.multiply_adds / 1e9:.2f} G multiply-adds per frame"
    )


def _learns(variable: keras.Variable, backbone: str, trains: str) -> bool:
    is_temporal = "temporal_" in variable.path
    is_head = not frozen.is_frozen(variable, backbone, backbones.STAGES[backbone])
    return {"all": True, "spatial": not is_temporal, "temporal": is_temporal, "heads": is_head}[trains]


def _batches(
    run: run_lib.Run, train: pipeline.Subset, stream: str, stage: parts.Stage, step: int, workers: int, worker: int
) -> tf.data.Dataset:
    settings = stage.settings
    batch_size, seed = settings.batch_size, stage.seed
    if workers > 1 and run.config.data.shard_by == "files":
        train, batch_size, seed = pipeline.share_files(train, workers, worker), batch_size // workers, seed + worker
        workers, worker = 1, 0
    clips = run.clip_settings(stream, settings.frames, seed)
    return pipeline.training_batches(train, stream, clips, batch_size, step, workers, worker)


def _describe(run: run_lib.Run, train: pipeline.Subset, stage: parts.Stage, step: int) -> list[str]:
    if run.config.data.shard_by == "files":
        return []
    return pipeline.batch_ids(train, stage.settings.batch_size, stage.seed, step)


@contextlib.contextmanager
def _naming(flag: str) -> Iterator[None]:
    """Has an error about weights name the flag that they came from."""
    try:
        yield
    except ValueError as error:
        raise ValueError(re.sub(r"`weights((?:=\S+)?)`|\bweights(?==)", rf"{flag}\1", str(error))) from error


def build_stream(run: run_lib.Run, stream: str, replicas: int = 1) -> attention_stream.AttentionStream:
    """Builds a stream's model with the weights that it starts from.

    Args:
        run: configuration and data.
        stream: `static` or `motion`.
        replicas: devices that share a batch.

    Raises:
        ValueError: the weights are not to be had or do not fit.
    """
    stream_config, data = run.config.stream_of(stream), run.config.data
    channels = pipeline.CHANNELS[stream]
    weights, flag = stream_config.backbone_weights, run.config.flag_of(stream, "backbone_weights")
    batchnorm, momentum = stream_config.batchnorm, stream_config.batchnorm_momentum
    cam_init = "he_normal" if stream_config.cam_init == "he_normal" else keras.initializers.RandomNormal(stddev=0.01)
    with _naming(flag), contextlib.ExitStack() as stack:
        if weights not in ("none", "imagenet"):
            weights = str(stack.enter_context(storage.staged(storage.path(weights))))
        model = attention_stream.AttentionStream(
            num_classes=len(run.labels),
            channels=channels,
            backbone=stream_config.backbone,
            attention=stream_config.attention,
            cam_units=stream_config.cam_units,
            cam_groups=stream_config.cam_groups,
            cam_pool=stream_config.cam_pool,
            cam_class=stream_config.cam_class,
            lstm_units=stream_config.lstm_units,
            affinity_scale=stream_config.affinity_scale,
            # The batch is the whole batch, however many devices share it.
            batchnorm="synchronized" if batchnorm == "batch" and replicas > 1 else batchnorm,
            batchnorm_momentum=None if momentum == -1 else momentum,
            backbone_weights=None if weights == "none" else weights,
            cam_bias=stream_config.cam_bias,
            cam_kernel_initializer=cam_init,
            input_pooling=stream_config.input_pooling,
            flow_scale=stream_config.flow_scale,
            dropout=stream_config.dropout,
            name=stream,
        )
    model(np.zeros([1, 2, data.crop_size, data.crop_size, channels], np.uint8), training=False)
    return model
