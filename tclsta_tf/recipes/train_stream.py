"""Trains the spatial-temporal attention model of one stream."""

import contextlib

import keras
import numpy as np
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.data import pipeline
from tclsta_tf.evaluation import metrics
from tclsta_tf.models import attention_stream
from tclsta_tf.recipes import parts
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.training import checkpoints, distribution, losses, optimizers, summaries, trainer
from tfrecords_tools import storage


def train_stream(run: run_lib.Run, stream: str) -> None:
    """Trains `stream` from where it stopped; writes `<workdir>/<stream>/model.keras` at the end.

    Args:
        run: configuration, data and working folder.
        stream: `static` or `motion`.
    """
    settings: config.TrainConfig = getattr(run.config, stream)
    train = run.subset(run_lib.TRAIN)
    if run.model_file(stream).exists():
        run.verify(stream)
        return
    parts.prepare(run.config.device)
    strategy = distribution.make_strategy(run.config.device.distribution)
    with strategy.scope():
        model = build_stream(run, stream, strategy.num_replicas_in_sync)
        optimizer = optimizers.make_optimizer(settings)
        optimizer.build(model.trainable_variables)
        keeper = checkpoints.Checkpoints(str(run.part_dir(stream) / "checkpoints"), model, optimizer)

    def forward(batch: trainer.Batch, step: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        labels = batch["labels"]
        outputs = model(batch["clips"], labels=labels, training=True)
        return losses.stream_losses(outputs, labels, run.config.stream.video_loss), outputs["scores"]

    data = run.config.data
    loop = trainer.Trainer(
        model=model,
        optimizer=optimizer,
        forward=forward,
        batches=lambda step: pipeline.training_batches(
            train,
            stream,
            num_frames=settings.frames,
            crop_size=data.crop_size,
            batch_size=settings.batch_size,
            seed=run.config.device.seed,
            first_step=step,
            sampling_method=data.sampling,
            mirror=data.mirror,
            shuffle_buffer=data.shuffle_buffer,
        ),
        settings=settings,
        strategy=strategy,
        validate=validation(run, stream, model, settings.frames),
        checkpoints=keeper,
        summaries=summaries.Summaries(str(run.part_dir(stream) / "logs"), parts.configuration_card(run)),
        name=stream,
    )
    run.claim(stream)  # only now: what is wrong with the flags has shown itself
    with run.explaining_damage():
        loop.train()
    parts.save(run, stream, model)


def build_stream(run: run_lib.Run, stream: str, replicas: int = 1) -> attention_stream.AttentionStream:
    """Builds a stream's model with fresh (or ImageNet) weights."""
    stream_config, data = run.config.stream, run.config.data
    channels = pipeline.CHANNELS[stream]
    weights = stream_config.backbone_weights
    batchnorm = stream_config.batchnorm
    with contextlib.ExitStack() as stack:
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
            backbone_weights=None if weights == "none" else weights,
            name=stream,
        )
    model(np.zeros([1, 2, data.crop_size, data.crop_size, channels], np.uint8), training=False)
    return model


def validation(run: run_lib.Run, stream: str, model: keras.Model, num_frames: int) -> trainer.Callable:
    """A function that measures `model` on the validation part, for the curves of the training."""
    subset = run.subset(run_lib.VALIDATION)
    data = run.config.data

    @tf.function(input_signature=[pipeline.clip_spec(stream, num_frames, data.crop_size)])
    def scores_of(clips: tf.Tensor) -> tf.Tensor:
        return model(clips, training=False, heads=False)["scores"]

    def validate() -> dict[str, float]:
        if not len(subset):
            return {}
        batches = pipeline.video_batches(subset, stream, num_frames, data.crop_size, 8, data.sampling)
        pairs = [(scores_of(batch["clips"]).numpy(), batch["labels"].numpy()) for batch in batches]
        scores, labels = (np.concatenate(column) for column in zip(*pairs, strict=True))
        return {"validation_accuracy": metrics.summarise(scores, labels)["overall_accuracy"]}

    return validate
