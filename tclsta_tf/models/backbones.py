"""Convolutional networks that turn an image, or a stack of flow fields, into a grid of features.

Every backbone starts from the stored bytes and scales them itself. Freeze one by leaving its variables out of the
optimizer: setting `trainable = False` would also switch Keras' batch normalisation to its stored averages.
"""

import pathlib
import warnings
from typing import Any

import keras
import numpy as np

from tclsta_tf.layers import frozen_batch_normalization, input_scaling

BATCHNORM_MODES = ("batch", "synchronized", "partial", "frozen")


def inflate_first_convolution(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Makes a convolution for RGB one for any number of channels (cross-modality initialisation, TSN).

    Args:
        kernel: float [height, width, 3, filters].
        channels: int >= 1, e.g. 20 for a stack of ten flow fields.

    Returns:
        float [height, width, channels, filters]: the mean over RGB, repeated.

    Raises:
        ValueError: if `kernel` does not have four axes.
    """
    if kernel.ndim != 4:
        raise ValueError(f"`kernel` must be [height, width, 3, filters]. Received: kernel.shape={kernel.shape}")
    return np.repeat(kernel.mean(axis=2, keepdims=True), channels, axis=2)


def build_backbone(
    name: str,
    channels: int = 3,
    weights: str | pathlib.Path | None = None,
    batchnorm: str = "batch",
    flow_scale: float = 1.0,
    dtype: str | keras.DTypePolicy | None = None,
) -> keras.Model:
    """Builds a backbone.

    Args:
        name: `resnet50` (v1 of keras.applications, stride 32, D = 2048) or `small` (about 0.3 million weights, stride
            16, D = 128, for CPUs and tests).
        channels: 3 for RGB frames, an even number 2L for stacks of L flow fields. Default 3.
        weights: None (random), `imagenet` (`resnet50` only; Keras downloads it), or the path of a `.weights.h5` file of
            the same backbone for RGB. With flow its first convolution is inflated.
        batchnorm: `batch`: statistics of the batch in training, as `training` says. `synchronized`: the same over all
            replicas (TensorFlow only). `partial`: `batch` in the first layer, `frozen` in all others (TSN). `frozen`:
            always the stored averages, nothing trainable. Default `batch`.
        flow_scale: float > 0, factor on flow bytes minus 128; see `layers.InputScaling`. `small` divides both kinds of
            input by 64 besides. Default 1.0.
        dtype: policy of the layers. None: Keras' global policy.

    Returns:
        A model from uint8 or float [b, H, W, channels] in [0, 255] to float [b, h, w, D], not negative.

    Raises:
        ValueError: on an unknown name or mode, a number of channels that is neither 3 nor even, or weights that are
            not to be had or belong to another architecture.
    """
    if name not in _BUILDERS:
        raise ValueError(f"`name` must be one of {tuple(_BUILDERS)}. Received: name={name!r}")
    if batchnorm not in BATCHNORM_MODES:
        raise ValueError(f"`batchnorm` must be one of {BATCHNORM_MODES}. Received: batchnorm={batchnorm!r}")
    if batchnorm == "synchronized" and keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"`batchnorm='synchronized'` needs the TensorFlow backend. Received: backend={keras.backend.backend()}"
        )
    if channels != 3 and (channels < 2 or channels % 2):
        raise ValueError(f"`channels` must be 3 (RGB) or even (u and v of flow). Received: channels={channels}")
    policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
    builder, first_convolution = _BUILDERS[name]
    backbone = builder(channels, batchnorm, flow_scale, policy)
    if weights is not None:
        _copy_weights(_pretrained(name, weights), backbone, first_convolution)
    return backbone


def _scaled_input(channels: int, scale: float, policy: Any) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The input, float32 [b, H, W, channels], and what the first convolution sees."""
    kind = "frames" if channels == 3 else "flow"
    images = keras.Input((None, None, channels), name="images")
    return images, input_scaling.InputScaling(kind, scale, dtype=policy, name="input_scaling")(images)


def _batch_normalization(batchnorm: str, **config: Any) -> keras.layers.Layer:
    """A batch normalisation layer in one of the modes, `partial` excepted."""
    if batchnorm == "frozen":
        return frozen_batch_normalization.FrozenBatchNormalization(**config)
    return keras.layers.BatchNormalization(**{**config, "synchronized": batchnorm == "synchronized"})


def _resnet50(channels: int, batchnorm: str, flow_scale: float, policy: Any) -> keras.Model:
    # Handing the input over as a tensor, not as a shape, is how keras.applications takes 20 channels without a warning.
    images, scaled = _scaled_input(channels, 1.0 if channels == 3 else flow_scale, policy)
    template = keras.applications.ResNet50(include_top=False, weights=None, input_tensor=scaled, name="resnet50")
    template = keras.Model(images, template.output, name="resnet50")  # theirs wants its input in a list
    if batchnorm == "batch" and policy.name == keras.config.dtype_policy().name:
        return template

    def rebuild(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = {**layer.get_config(), "dtype": policy}
        if not isinstance(layer, keras.layers.BatchNormalization):
            return type(layer).from_config(config)
        mode = batchnorm
        if mode == "partial":
            mode = "batch" if layer.name == "conv1_bn" else "frozen"
        return _batch_normalization(mode, **config)

    return keras.models.clone_model(template, clone_function=rebuild)


def _small(channels: int, batchnorm: str, flow_scale: float, policy: Any) -> keras.Model:
    """A 5x5 stem of 32 filters, then 3x3 convolutions with 64, 96 and 128, each of stride 2; a residual one on top."""

    def convolve(x: Any, filters: int, size: int, stride: int, name: str, activate: bool = True) -> Any:
        mode = batchnorm
        if mode == "partial":
            mode = "batch" if name == "stem" else "frozen"
        x = keras.layers.Conv2D(
            filters,
            size,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            dtype=policy,
            name=f"{name}_conv",
        )(x)
        # Momentum 0.9: a run of a few hundred steps must not be tested with averages that are still on their way.
        x = _batch_normalization(mode, momentum=0.9, dtype=policy, name=f"{name}_bn")(x)
        return keras.layers.ReLU(dtype=policy, name=f"{name}_relu")(x) if activate else x

    # Batch normalisation undoes the division; it only lets an untrained network start with features around 1.
    images, scaled = _scaled_input(channels, (1.0 if channels == 3 else flow_scale) / 64.0, policy)
    # Motion is told by how u and v change over the ten fields of a stack: the stem needs room for many such patterns.
    x = convolve(scaled, 32, 5, 2, "stem")
    x = convolve(x, 64, 3, 2, "stage2")
    x = convolve(x, 96, 3, 2, "stage3")
    x = convolve(x, 128, 3, 2, "stage4")
    x = keras.layers.Add(dtype=policy, name="stage4_add")([x, convolve(x, 128, 3, 1, "stage4_block1", activate=False)])
    x = keras.layers.ReLU(dtype=policy, name="stage4_out")(x)
    return keras.Model(images, x, name="small")


# Builder and the name of the convolution that reads the image.
_BUILDERS = {"resnet50": (_resnet50, "conv1_conv"), "small": (_small, "stem_conv")}


def _pretrained(name: str, weights: str | pathlib.Path) -> keras.Model:
    """The backbone for RGB with the given weights."""
    if weights == "imagenet":
        if name != "resnet50":
            raise ValueError(f"`weights='imagenet'` exists for resnet50 only. Received: name={name!r}")
        try:
            return keras.applications.ResNet50(include_top=False, weights="imagenet")
        except Exception as error:  # Keras raises a bare Exception where the download fails
            raise ValueError(
                "`weights='imagenet'` could not be downloaded; give the path of a weights file instead. "
                f"Received: {error}"
            ) from error
    path = pathlib.Path(weights)
    if not path.is_file():
        raise ValueError(f"`weights` must be None, 'imagenet' or an existing file. Received: weights={str(weights)!r}")
    if name == "resnet50":
        source = keras.applications.ResNet50(include_top=False, weights=None)
    else:
        source = build_backbone(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a file that does not fit draws a hundred warnings before the error
            source.load_weights(path)
    except (ValueError, KeyError, OSError) as error:
        raise ValueError(
            f"`weights` must be a .weights.h5 file of the backbone {name!r} for 3 channels. "
            f"Received: weights={str(weights)!r}, which does not fit it"
        ) from error
    return source


def _copy_weights(source: keras.Model, target: keras.Model, first_convolution: str) -> None:
    """Copies all weights by layer name, the first convolution inflated to the target's channels where they differ."""
    for layer in source.layers:
        values = layer.get_weights()
        if not values:
            continue
        receiver = target.get_layer(layer.name)
        if layer.name == first_convolution and receiver.kernel.shape != layer.kernel.shape:
            values[0] = inflate_first_convolution(values[0], receiver.kernel.shape[2])
        receiver.set_weights(values)
