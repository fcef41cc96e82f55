r"""Measures training and inference of the models on Keras' JAX backend, in images per second and shares of the peak.

python -m benchmarks.gpu --images=64 --images=128 --images=256

A training step is forward and backward pass and an update by SGD with momentum, on images that lie on the device. Its
arithmetic is counted as 6 floating-point operations for each multiply-add of the forward pass, that of inference as 2.
It needs keras, absl-py and a JAX for the device, and no TensorFlow.
"""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from absl import app, flags, logging

_NETWORKS = flags.DEFINE_multi_enum("network", ["plain", "static", "motion"], ["plain", "static", "motion"], "Which.")
_BACKBONE = flags.DEFINE_string("backbone", "resnet50", "Backbone of all; `plain` is it with a classifier.")
_IMAGES = flags.DEFINE_multi_integer("images", [64, 128, 256], "Images in a batch.")
_FRAMES = flags.DEFINE_integer("frames", 8, "Images in a clip.")
_SIZE = flags.DEFINE_integer("size", 224, "Side of the images in pixels.")
_PRECISION = flags.DEFINE_string("precision", "mixed_bfloat16", "Keras' policy.")
_CAM_GROUPS = flags.DEFINE_integer("cam_groups", 2, "Groups of the CAM convolution.")
_STEPS = flags.DEFINE_integer("steps", 10, "Steps of one measurement.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Measurements; the median counts.")
_PEAK = flags.DEFINE_float("peak_tflops", 0.0, "The chip's peak in 10^12 operations per second; 0 looks it up.")
_CAM_UNITS, _LSTM_UNITS, _CLASSES = 1024, 512, 101

# Dense 16-bit matrix products in 10^12 operations per second, from the makers' data sheets. The first name that is part
# of the device's counts.
_PEAKS = {
    "H100 PCIe": 756.5,
    "H100 NVL": 835.5,
    "H100": 989.4,
    "H200": 989.4,
    "A100": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
    "T4": 65.0,
    "V100": 125.0,
}


def main(argv: Sequence[str]) -> None:
    """Measures and prints a table as Markdown."""
    del argv
    logging.set_verbosity(logging.WARNING)
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Keras loads TensorFlow where it is installed.
    import jax
    import keras

    keras.config.set_dtype_policy(_PRECISION.value)
    device = jax.devices()[0]
    peak = _PEAK.value or next((value for name, value in _PEAKS.items() if name in device.device_kind), 0.0)
    known = f"peak {peak:g} TFLOP/s" if peak else "peak not known: give --peak_tflops"
    print(f"{device.device_kind} ({known}), jax {jax.__version__}, keras {keras.__version__}, {_PRECISION.value}")
    print(f"{_BACKBONE.value}, images of {_SIZE.value}, clips of {_FRAMES.value}, CAM in {_CAM_GROUPS.value} groups\n")
    print("| network | images | training, images/s | share of peak | inference, images/s | share of peak |")
    print("|---|---|---|---|---|---|")
    for network in _NETWORKS.value:
        for images in _IMAGES.value:
            model, multiply_adds = _make_model(network)
            cells = []
            # Training gives its buffers away, so that it comes last; it is shown first.
            for make, operations in ((_inference, 2), (_training, 6)):
                speed = images / _measure(make(network, model, _batch(network, images)))
                share = f"{speed * operations * multiply_adds / (peak * 1e12):.3f}" if peak else "-"
                cells.insert(0, f"{speed:.1f} | {share}")
            print(f"| {network} | {images} | {' | '.join(cells)} |", flush=True)


def _make_model(network: str):  # noqa: ANN202
    """A model and the multiply-adds of its forward pass for one image."""
    import keras

    from tclsta_tf.models import attention_stream, backbones, counting

    keras.utils.clear_session()
    channels = 20 if network == "motion" else 3
    if network == "plain":
        backbone = backbones.build_backbone(_BACKBONE.value)
        classifier = keras.layers.Dense(_CLASSES, dtype="float32")
        model = keras.Sequential([backbone, keras.layers.GlobalAveragePooling2D(), classifier])
        return model, counting.count(_BACKBONE.value, _SIZE.value).multiply_adds
    model = attention_stream.AttentionStream(
        _CLASSES,
        channels,
        _BACKBONE.value,
        cam_units=_CAM_UNITS,
        cam_groups=_CAM_GROUPS.value,
        lstm_units=_LSTM_UNITS,
    )
    model.build((None, _FRAMES.value, _SIZE.value, _SIZE.value, channels))
    return model, counting.count_stream(model, _SIZE.value).multiply_adds


def _batch(network: str, images: int) -> tuple:
    """Images, folded into clips for the attention model, and their labels, on the device."""
    import jax
    import numpy as np

    shape = (_SIZE.value, _SIZE.value, 20 if network == "motion" else 3)
    lead = (images,) if network == "plain" else (images // _FRAMES.value, _FRAMES.value)
    if images % _FRAMES.value:
        raise app.UsageError(f"--images must be a multiple of --frames={_FRAMES.value}. Received: {images}")
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (*lead, *shape), np.uint8)
    return jax.device_put(pixels), jax.device_put(random.integers(0, _CLASSES, lead, np.int32))


def _inference(network: str, model, batch: tuple) -> Callable[[], Any]:  # noqa: ANN001
    import jax

    pixels, _ = batch
    options = {} if network == "plain" else {"heads": False}
    model(pixels, training=False)
    weights = [[variable.value for variable in of] for of in (model.trainable_variables, model.non_trainable_variables)]

    @jax.jit
    def infer(weights: list, pixels: jax.Array) -> jax.Array:
        outputs, _ = model.stateless_call(*weights, pixels, training=False, **options)
        return outputs if network == "plain" else outputs["scores"]

    return lambda: infer(weights, pixels)


def _training(network: str, model, batch: tuple) -> Callable[[], Any]:  # noqa: ANN001
    import jax
    import keras

    pixels, labels = batch
    optimizer = keras.optimizers.SGD(1e-3, momentum=0.9)
    optimizer.build(model.trainable_variables)

    def loss_of(trainable: list, other: list, pixels: jax.Array, labels: jax.Array) -> tuple:
        outputs, other = model.stateless_call(trainable, other, pixels, training=True)
        heads = ("frame_logits", "cam_logits", "temporal_logits")
        every = [outputs] if network == "plain" else [outputs[name] for name in heads]
        cross_entropy = keras.losses.sparse_categorical_crossentropy
        return sum(cross_entropy(labels, logits, from_logits=True).mean() for logits in every), other

    differentiate = jax.value_and_grad(loss_of, has_aux=True)

    def train(state: tuple, pixels: jax.Array, labels: jax.Array) -> tuple:
        trainable, other, momenta = state
        (loss, other), gradients = differentiate(trainable, other, pixels, labels)
        trainable, momenta = optimizer.stateless_apply(momenta, gradients, trainable)
        return (trainable, other, momenta), loss

    compiled = jax.jit(train, donate_argnums=0)
    owners = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    state = tuple([variable.value for variable in variables] for variables in owners)

    def step() -> jax.Array:
        nonlocal state
        state, loss = compiled(state, pixels, labels)
        return loss

    return step


def _measure(step: Callable[[], Any]) -> float:
    """Seconds a step takes."""
    import jax

    jax.block_until_ready(step())  # It compiles.
    taken = []
    for _ in range(_ROUNDS.value):
        start = time.perf_counter()
        for _ in range(_STEPS.value):
            last = step()
        jax.block_until_ready(last)
        taken.append((time.perf_counter() - start) / _STEPS.value)
    return statistics.median(taken)


if __name__ == "__main__":
    app.run(main)
