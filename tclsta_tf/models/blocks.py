"""What the backbones are made of: the scaled input, and normalisation in one of its modes."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from tclsta_tf.layers import batch_normalization as batch_normalization_lib
from tclsta_tf.layers import frozen_batch_normalization, input_scaling

BATCHNORM_MODES = ("batch", "synchronized", "partial", "frozen")


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What a backbone is given; see `build_backbone`."""

    channels: int = 3
    flow_scale: float = 1.0
    pooling: int = 1


def scaled_input(
    inputs: Inputs, scale: float, policy: Any, kind: str = "frames"
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """The input, float32 [b, H, W, channels], and what the first convolution sees.

    Args:
        inputs: what is given.
        scale: factor behind the centring, of frames; that of flow is `flow_scale` times this.
        policy: dtype policy.
        kind: how frames are centred, see `layers.InputScaling`.
    """
    images = keras.Input((None, None, inputs.channels), name="images")
    if inputs.channels != 3:
        kind, scale = "flow", scale * inputs.flow_scale
    scaling = input_scaling.InputScaling(kind, scale, inputs.pooling, dtype=policy, name="input_scaling")
    return images, scaling(images)


def batch_normalization(batchnorm: str, is_first: bool, **config: Any) -> keras.layers.Layer:
    """A batch normalisation layer in one of the modes.

    Args:
        batchnorm: one of `BATCHNORM_MODES`.
        is_first: whether it is the network's first one, which `partial` leaves free.
        **config: of `keras.layers.BatchNormalization`.
    """
    if batchnorm == "frozen" or (batchnorm == "partial" and not is_first):
        return frozen_batch_normalization.FrozenBatchNormalization(**config)
    config = {**config, "synchronized": batchnorm == "synchronized"}
    return batch_normalization_lib.BatchNormalization(**config)


def rebuild(model: keras.Model, batchnorm: str, first_normalization: str, policy: Any) -> keras.Model:
    """A network of keras.applications with its normalisation in one of the modes and its layers of a dtype policy."""

    def rebuild_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = {**layer.get_config(), "dtype": policy}
        if not isinstance(layer, keras.layers.BatchNormalization):
            return type(layer).from_config(config)
        return batch_normalization(batchnorm, layer.name == first_normalization, **config)

    return keras.models.clone_model(model, clone_function=rebuild_layer)


def convolution(
    policy: Any, batchnorm: str | None = None, first: str = "", symmetric: bool = True, **normalization: Any
) -> Callable[..., keras.KerasTensor]:
    """Makes a function that adds a convolution with normalisation and ReLU to a network.

    Args:
        policy: dtype policy.
        batchnorm: mode of the normalisation in front of the ReLU; None for a bias instead.
        first: name of the network's first convolution.
        symmetric: whether margins are alike on all sides, as in other libraries. Keras' "same", which is taken
            otherwise, pads unevenly where the stride is 2.
        **normalization: further arguments of the normalisation.

    Returns:
        A function of (input, filters, size, stride, name, activate=True); without `activate` there is no ReLU.
    """

    def add(
        x: keras.KerasTensor, filters: int, size: int, stride: int, name: str, activate: bool = True
    ) -> keras.KerasTensor:
        padding = "same"
        if symmetric and stride > 1:  # For a stride of 1 both are the same.
            padding = "valid"
            if size > 1:
                x = keras.layers.ZeroPadding2D(size // 2, dtype=policy, name=f"{name}_pad")(x)
        x = keras.layers.Conv2D(
            filters,
            size,
            strides=stride,
            padding=padding,
            use_bias=batchnorm is None,
            kernel_initializer="he_normal",
            dtype=policy,
            name=f"{name}_conv",
        )(x)
        if batchnorm is not None:
            x = batch_normalization(batchnorm, name == first, dtype=policy, name=f"{name}_bn", **normalization)(x)
        return keras.layers.ReLU(dtype=policy, name=f"{name}_relu")(x) if activate else x

    return add
