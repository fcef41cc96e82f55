"""ResNet-50 v1.5, which keras.applications lacks."""

from typing import Any

import keras

from tclsta_tf.models import blocks

# Bytes in one mean deviation of ImageNet's channels: flow then has about the range that frames have.
_DEVIATION = 255.0 * 0.226
_EPSILON = 1e-5
_BLOCKS = {"conv2": (64, 3), "conv3": (128, 4), "conv4": (256, 6), "conv5": (512, 3)}


def resnet50v15(inputs: blocks.Inputs, batchnorm: str, policy: Any) -> keras.Model:
    """ResNet-50 v1.5 up to its last activation: stride 32, D = 2048.

    Like v1, but the 3x3 convolution has the stride, not the 1x1 in front of it; margins are alike on all sides,
    convolutions have no bias, and frames are divided by ImageNet's deviation.
    """
    convolve = blocks.convolution(policy, batchnorm, first="conv1", epsilon=_EPSILON)
    scale = 1.0 if inputs.channels == 3 else 1.0 / _DEVIATION
    images, x = blocks.scaled_input(inputs, scale, policy, kind="standardised")
    x = convolve(x, 64, 7, 2, "conv1")
    x = keras.layers.ZeroPadding2D(1, dtype=policy, name="pool1_pad")(x)  # 0 is no maximum behind a ReLU
    x = keras.layers.MaxPooling2D(3, 2, dtype=policy, name="pool1_pool")(x)
    for stage, (filters, count) in _BLOCKS.items():
        for block in range(1, count + 1):
            name = f"{stage}_block{block}"
            stride = 2 if block == 1 and stage != "conv2" else 1
            shortcut = convolve(x, 4 * filters, 1, stride, f"{name}_0", activate=False) if block == 1 else x
            x = convolve(x, filters, 1, 1, f"{name}_1")
            x = convolve(x, filters, 3, stride, f"{name}_2")
            x = convolve(x, 4 * filters, 1, 1, f"{name}_3", activate=False)
            x = keras.layers.Add(dtype=policy, name=f"{name}_add")([shortcut, x])
            x = keras.layers.ReLU(dtype=policy, name=f"{name}_out")(x)
    return keras.Model(images, x, name="resnet50v15")
