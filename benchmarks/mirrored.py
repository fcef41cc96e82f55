r"""Measures the step of a training that is mirrored over two devices beside that of one device with the same batch.

python -m benchmarks.mirrored

Both devices are logical ones on the CPU and share its cores with the one that is compared to. Prints seconds a step,
measured in turn in one process, and their ratio; also that of the processor's time, which other work on the machine
hardly changes.
"""

import functools
import tempfile
import time
from collections.abc import Callable, Sequence

from absl import app, flags, logging

_BACKBONES = flags.DEFINE_list("backbones", ["small", "resnet50"], "Backbones of the attention model.")
_SIZE = flags.DEFINE_integer("size", 224, "Side of the frames in pixels.")
_CLIPS = flags.DEFINE_integer("clips", 4, "Clips in a batch, that of all devices together.")
_FRAMES = flags.DEFINE_integer("frames", 4, "Frames in a clip.")
_BATCHNORM = flags.DEFINE_enum("batchnorm", "batch", ["batch", "partial", "frozen"], "As in training.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Steps of each kind; the median counts.")
_CLASSES = 101


def main(argv: Sequence[str]) -> None:
    """Measures and prints a table as Markdown."""
    del argv
    logging.set_verbosity(logging.WARNING)  # TensorFlow would tell of every reduction.
    import numpy as np

    from tclsta_tf.recipes import parts
    from tclsta_tf.training import distribution

    distribution.prepare_devices(logical_cpus=2)
    parts.fix_orders()  # As in training.
    strategies = {name: distribution.make_strategy(name) for name in ("none", "mirrored")}
    shape = f"{_CLIPS.value} x {_FRAMES.value} frames of {_SIZE.value}"
    print(f"{shape} in a step, batch normalisation: {_BATCHNORM.value}\n")
    print("| backbone | one device, s | two devices, s | ratio | ratios of single rounds | ratio of processor time |")
    print("|---|---|---|---|---|---|")
    for backbone in _BACKBONES.value:
        with tempfile.TemporaryDirectory() as folder:
            steps = {name: _make_step(strategy, backbone, folder) for name, strategy in strategies.items()}
            taken = _measure(steps)
        (one, one_busy), (two, two_busy) = (np.median(taken[name], axis=0) for name in ("none", "mirrored"))
        ratios = np.sort(np.divide(taken["mirrored"], taken["none"])[:, 0])
        print(
            f"| {backbone} | {one:.3f} | {two:.3f} | {two / one:.3f} | {ratios[0]:.2f} to {ratios[-1]:.2f} "
            f"| {two_busy / one_busy:.3f} |",
            flush=True,
        )


def _make_step(strategy, backbone: str, folder: str) -> Callable[[], None]:  # noqa: ANN001
    """One step of the training loop, reading of the batch and checks of the loss included."""
    import keras
    import tensorflow as tf

    from tclsta_tf import config
    from tclsta_tf.models import attention_stream
    from tclsta_tf.training import checkpoints, distribution, losses, optimizers, schedules, summaries, trainer

    keras.utils.set_random_seed(0)
    settings = config.TrainConfig(batch_size=_CLIPS.value, frames=_FRAMES.value)
    batchnorm = _BATCHNORM.value
    if batchnorm == "batch" and strategy.num_replicas_in_sync > 1:
        batchnorm = "synchronized"
    with strategy.scope():
        model = attention_stream.AttentionStream(_CLASSES, backbone=backbone, batchnorm=batchnorm)
        model.build((None, _FRAMES.value, _SIZE.value, _SIZE.value, 3))
        schedule = schedules.make_schedule(settings)
        optimizer = optimizers.make_optimizer(settings, schedule)
        optimizer.build(model.trainable_variables)

    def forward(batch, step):  # noqa: ANN001, ANN202
        outputs = model(batch["clips"], training=True)
        return losses.stream_losses(outputs, batch["labels"]), outputs["scores"]

    def batches(step: int, workers: int, worker: int) -> tf.data.Dataset:
        clips = tf.random.stateless_uniform(
            [_CLIPS.value, _FRAMES.value, _SIZE.value, _SIZE.value, 3], (0, 0), 0, 256, tf.int32
        )
        batch = {"clips": tf.cast(clips, tf.uint8), "labels": tf.range(_CLIPS.value) % _CLASSES}
        return tf.data.Dataset.from_tensors(batch).repeat()

    loop = trainer.Trainer(
        model=model,
        variables=model.trainable_variables,
        forward=forward,
        batches=batches,
        settings=settings,
        strategy=strategy,
        optimizer=optimizer,
        schedule=schedule,
        checkpoints=functools.partial(checkpoints.Checkpoints, folder, model, optimizer),
        validate=lambda step: {},
        summaries=summaries.Summaries(None, ""),
        name="static",
    )
    iterator = iter(distribution.distribute(strategy, lambda count, index: batches(0, count, index)))

    def step() -> None:
        values, _ = loop._many_steps(iterator, tf.constant(0, tf.int64), tf.constant(1, tf.int64))
        values["loss"].numpy()

    return step


def _measure(steps: dict[str, Callable[[], None]]) -> dict[str, list[tuple[float, float]]]:
    """Seconds of every step of each kind, by the clock and of all cores together."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for attempt in range(_ROUNDS.value + 1):
        for name, step in steps.items():
            start, busy = time.perf_counter(), time.process_time()
            step()
            if attempt:  # The first one compiles.
                taken[name].append((time.perf_counter() - start, time.process_time() - busy))
    return taken


if __name__ == "__main__":
    app.run(main)
