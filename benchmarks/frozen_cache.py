r"""Measures a training step on stored features of the frozen part beside one that computes them (--cache_frozen).

python -m benchmarks.frozen_cache

prints the times, taken in turn, and their ratio, the bytes of a clip's features, and what their 16 bits change.
"""

import functools
import statistics
import time
from collections.abc import Sequence

from absl import app, flags

_BACKBONE = flags.DEFINE_string("backbone", "resnet50", "Backbone.")
_WEIGHTS = flags.DEFINE_string("backbone_weights", None, "Its weights; random ones by default.")
_ATTENTION = flags.DEFINE_string("attention", "sta", "Attention.")
_UNTIL = flags.DEFINE_list("until", ["conv3", "conv4", "conv5"], "Last frozen parts.")
_SIZE = flags.DEFINE_integer("size", 224, "Side of the frames in pixels.")
_FRAMES = flags.DEFINE_integer("frames", 8, "Frames in a clip, of which there is one in a batch.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Steps of each kind; the median counts.")


def main(argv: Sequence[str]) -> None:
    """Measures and prints a table as Markdown."""
    del argv
    import numpy as np
    import tensorflow as tf

    from tclsta_tf import config
    from tclsta_tf.models import attention_stream, backbones
    from tclsta_tf.recipes import frozen
    from tclsta_tf.training import gradients, losses

    shape = (1, _FRAMES.value, _SIZE.value, _SIZE.value, 3)
    clips = tf.constant(np.random.default_rng(0).integers(0, 256, shape), tf.uint8)
    labels = tf.zeros([1], tf.int32)
    model = attention_stream.AttentionStream(
        101,
        backbone=_BACKBONE.value,
        attention=_ATTENTION.value,
        batchnorm="frozen",
        backbone_weights=_WEIGHTS.value,
    )
    model(clips, training=False)
    settings = config.TrainConfig(batch_size=1, frames=_FRAMES.value)
    print(f"{_BACKBONE.value}, attention {_ATTENTION.value}, a clip of {_FRAMES.value} frames of {_SIZE.value}\n")
    columns = (
        "step on clips, s",
        "step on features, s",
        "ratio",
        "features of a clip, MB",
        "change of loss",
        "of scores",
    )
    print(f"| frozen until | {' | '.join(columns)} |")
    print("|" + "---|" * (1 + len(columns)))
    for until in _UNTIL.value:
        parts = backbones.stages_until(_BACKBONE.value, until)
        trained = [v for v in model.trainable_variables if not frozen.is_frozen(v, _BACKBONE.value, parts)]
        first, second = backbones.split(model.backbone, _BACKBONE.value, until)
        features = tf.cast(tf.cast(first(clips[0], training=False), tf.float16), tf.float32)

        def on_clips(batch, step):  # noqa: ANN001, ANN202
            outputs = model(batch["clips"], training=True)
            return losses.stream_losses(outputs, batch["labels"]), outputs["scores"]

        def on_features(batch, step, second=second):  # noqa: ANN001, ANN202
            grid = batch["features"] if second is None else second(batch["features"], training=True)
            outputs = model.attend(grid, _FRAMES.value, training=True)
            return losses.stream_losses(outputs, batch["labels"]), outputs["scores"]

        kinds = (
            (on_clips, {"clips": clips, "labels": labels}),
            (on_features, {"features": features, "labels": labels}),
        )
        (loss, scores), (stored_loss, stored_scores) = (_evaluate(*forward(batch, 0)) for forward, batch in kinds)
        steps = []
        for forward, batch in kinds:
            computer = gradients.Gradients(forward, trained, settings)
            step = tf.function(functools.partial(_step, computer, batch), autograph=False)
            step()
            steps.append(step)
        taken: list[list[float]] = [[], []]
        for _ in range(_ROUNDS.value):
            for step, seconds in zip(steps, taken, strict=True):
                start = time.perf_counter()
                step().numpy()
                seconds.append(time.perf_counter() - start)
        whole, stored = (statistics.median(seconds) for seconds in taken)
        size = 2 * np.prod(features.shape) / 1e6
        changes = f"{abs(stored_loss / loss - 1):.1e} | {np.abs(stored_scores - scores).max():.1e}"
        print(f"| {until} | {whole:.3f} | {stored:.3f} | {whole / stored:.1f} | {size:.2f} | {changes} |")


def _evaluate(by_name, scores):  # noqa: ANN001, ANN202
    return sum(float(loss[0]) for loss in by_name.values()), scores.numpy()


def _step(computer, batch):  # noqa: ANN001, ANN202
    import tensorflow as tf

    shares, values = computer.of_batch(batch, tf.constant(0, tf.int64))
    # The gradients are made use of, so that none is left out.
    return values["loss"] + 0.0 * tf.add_n([tf.reduce_sum(share) for share in shares])


if __name__ == "__main__":
    app.run(main)
