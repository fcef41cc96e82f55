"""From stored bytes to the range that the backbones were trained on."""

from typing import Any

import keras
import numpy as np
from keras import ops

KINDS = ("frames", "rgb", "standardised", "flow")
# Caffe's ImageNet mean in the order B, G, R: what the ResNet-50 v1 weights expect, without division.
IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)
# ImageNet mean and deviation in the order R, G, B, of values in [0, 1].
IMAGENET_MEAN_RGB = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION_RGB = (0.229, 0.224, 0.225)
# The byte that stands for no motion.
ZERO_FLOW = 128.0
MIDDLE_GREY = 127.5


@keras.saving.register_keras_serializable(package="tclsta_tf")
class InputScaling(keras.layers.Layer):
    """Centres frames or flow as bytes around zero.

    Frames: RGB to BGR, minus the ImageNet mean, times `scale`. `rgb`: minus 127.5, times `scale`; networks for inputs
    in [-1, 1] take 1 / 127.5. `standardised`: RGB / 255, minus the ImageNet mean, divided by its deviation, times
    `scale`. Flow: minus 128, times `scale`, so that no motion is 0;
    with scale 1 one pixel of motion is 6.375 and the range [-128, 127] is about that of frames. The paper leaves the
    scaling of flow open. Computed in float32 (0.4 of a byte would be lost in bfloat16), then cast to the compute dtype.

    Args:
        kind: `frames`, `rgb` or `standardised` (3 channels, RGB), or `flow` (any number of channels).
        scale: float > 0. Default 1.0.
        pooling: int >= 1, side of the squares of pixels of which the mean is taken; pixels that fill no square are left
            out. Default 1.

    Call arguments:
        inputs: uint8 or float [..., channels] in [0, 255].

    Returns:
        float [..., channels] in the layer's compute dtype; with `pooling` [b, H // pooling, W // pooling, channels].

    Raises:
        ValueError: on an unknown `kind`, or a scale or pooling that is not positive.
    """

    def __init__(self, kind: str = "frames", scale: float = 1.0, pooling: int = 1, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        if kind not in KINDS:
            raise ValueError(f"`kind` must be one of {KINDS}. Received: kind={kind!r}")
        if not scale > 0:
            raise ValueError(f"`scale` must be positive. Received: scale={scale}")
        if pooling < 1:
            raise ValueError(f"`pooling` must be at least 1. Received: pooling={pooling}")
        self.kind = kind
        self.scale = float(scale)
        self.pooling = int(pooling)

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """See the class."""
        values = ops.cast(inputs, "float32")
        if self.kind == "frames":
            centred = ops.flip(values, axis=-1) - np.asarray(IMAGENET_MEAN_BGR, "float32")
        elif self.kind == "standardised":
            mean, deviation = (np.asarray(v, "float32") for v in (IMAGENET_MEAN_RGB, IMAGENET_DEVIATION_RGB))
            centred = (values / 255.0 - mean) / deviation
        else:
            centred = values - (ZERO_FLOW if self.kind == "flow" else MIDDLE_GREY)
        if self.pooling > 1:
            centred = ops.average_pool(centred, self.pooling, strides=self.pooling)  # JAX has no default for strides
        return ops.cast(centred * self.scale, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "kind": self.kind, "scale": self.scale, "pooling": self.pooling}
