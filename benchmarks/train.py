r"""Measures what the attention model costs beside a plain classifier on the same backbone, in training and inference.

python -m benchmarks.train

prints the ratio of times, measured in turn, and that of the multiply-adds.
"""

import functools
import statistics
import time
from collections.abc import Callable, Sequence

from absl import app, flags

_BACKBONE = flags.DEFINE_string("backbone", "resnet50", "Backbone of both.")
_SIZE = flags.DEFINE_integer("size", 224, "Side of the frames in pixels.")
_CLIPS = flags.DEFINE_integer("clips", 1, "Clips in a batch.")
_FRAMES = flags.DEFINE_integer("frames", 8, "Frames in a clip.")
_CAM_GROUPS = flags.DEFINE_integer("cam_groups", 2, "Groups of the CAM convolution.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Steps of each kind; the median counts.")
_XLA = flags.DEFINE_bool("xla", False, "Compile by XLA.")
_CAM_UNITS, _LSTM_UNITS, _CLASSES = 1024, 512, 101


def main(argv: Sequence[str]) -> None:
    """Measures and prints a table as Markdown."""
    del argv
    import keras
    import numpy as np
    import tensorflow as tf

    from tclsta_tf import config
    from tclsta_tf.models import attention_stream, backbones, counting
    from tclsta_tf.recipes import parts
    from tclsta_tf.training import gradients, losses, optimizers, schedules

    parts.fix_orders()  # As in training.
    clips = np.random.default_rng(0).integers(0, 256, (_CLIPS.value, _FRAMES.value, _SIZE.value, _SIZE.value, 3))
    batch = {"clips": tf.constant(clips, tf.uint8), "labels": tf.zeros([_CLIPS.value], tf.int32)}
    stream = attention_stream.AttentionStream(
        _CLASSES, backbone=_BACKBONE.value, cam_units=_CAM_UNITS, cam_groups=_CAM_GROUPS.value, lstm_units=_LSTM_UNITS
    )
    stream(batch["clips"], training=False)
    plain = keras.Sequential(
        [backbones.build_backbone(_BACKBONE.value), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(_CLASSES)]
    )
    plain(batch["clips"][0], training=False)

    def stream_forward(part: gradients.Batch, step: tf.Tensor) -> tuple:
        outputs = stream(part["clips"], training=True)
        return losses.stream_losses(outputs, part["labels"]), outputs["scores"]

    def plain_forward(part: gradients.Batch, step: tf.Tensor) -> tuple:
        logits = tf.reshape(plain(_fold(part["clips"]), training=True), [_CLIPS.value, _FRAMES.value, _CLASSES])
        return {"only": losses.cross_entropy(logits, part["labels"])}, logits[:, 0]

    settings = config.TrainConfig(batch_size=_CLIPS.value, frames=_FRAMES.value)
    steps: dict[str, dict[str, Callable[[], object]]] = {"training": {}, "inference": {}}
    for name, model, forward in (("attention", stream, stream_forward), ("plain", plain, plain_forward)):
        schedule = schedules.make_schedule(settings)
        optimizer = optimizers.make_optimizer(settings, schedule)
        optimizer.build(model.trainable_variables)
        computer = gradients.Gradients(forward, model.trainable_variables, settings, _XLA.value)
        steps["training"][name] = tf.function(functools.partial(_train, optimizer, computer, batch), autograph=False)
    steps["inference"]["attention"] = tf.function(
        lambda: stream(batch["clips"], training=False, heads=False)["scores"], jit_compile=_XLA.value
    )
    steps["inference"]["plain"] = tf.function(
        lambda: plain(_fold(batch["clips"]), training=False), jit_compile=_XLA.value
    )
    size = counting.count(_BACKBONE.value, _SIZE.value)
    more = counting.count_stream(stream, _SIZE.value).multiply_adds / size.multiply_adds
    shape = f"{_CLIPS.value} x {_FRAMES.value} frames of {_SIZE.value}"
    print(f"{_BACKBONE.value}, {shape}, CAM in {_CAM_GROUPS.value} groups\n")
    print("| step | attention, s | plain, s | ratio of times | ratio of multiply-adds | one by the other |")
    print("|---|---|---|---|---|---|")
    for kind, pair in steps.items():
        seconds = _measure(pair)
        ratio = seconds["attention"] / seconds["plain"]
        print(
            f"| {kind} | {seconds['attention']:.3f} | {seconds['plain']:.3f} | {ratio:.3f} | {more:.3f} "
            f"| {ratio / more:.3f} |"
        )


def _train(optimizer, computer, batch):  # noqa: ANN001, ANN202
    import tensorflow as tf

    shares, values = computer.of_batch(batch, tf.constant(0, tf.int64))
    optimizer.apply(computer.finish(shares), computer.variables)
    return values["loss"]


def _fold(clips):  # noqa: ANN001, ANN202
    import tensorflow as tf

    return tf.reshape(clips, [-1, *clips.shape[2:]])


def _measure(steps: dict[str, Callable[[], object]]) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for attempt in range(_ROUNDS.value + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step().numpy()
            if attempt:  # The first one compiles.
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in taken.items()}


if __name__ == "__main__":
    app.run(main)
