"""GoogLeNet with batch normalisation."""

from typing import Any

import keras

from tclsta_tf.models import blocks

# Filters of each module's branches: 1x1; 1x1, 3x3; 1x1, 5x5; 1x1 behind the pooling (Szegedy et al. 2015, Table 1).
_MODULES = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(inputs: blocks.Inputs, batchnorm: str, policy: Any) -> keras.Model:
    """GoogLeNet (Szegedy et al. 2015) without auxiliary heads, up to its last module: stride 32, D = 1024.

    Batch normalisation takes the place of local response normalisation and of biases (Ioffe and Szegedy 2015).
    """
    convolve = blocks.convolution(policy, batchnorm, first="conv1")

    def pool(x: keras.KerasTensor, stride: int, name: str) -> keras.KerasTensor:
        return keras.layers.MaxPooling2D(3, stride, padding="same", dtype=policy, name=name)(x)

    def inception(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        one, reduce3, three, reduce5, five, pooled = _MODULES[name]
        branches = [
            convolve(x, one, 1, 1, f"{name}_1x1"),
            convolve(convolve(x, reduce3, 1, 1, f"{name}_3x3_reduce"), three, 3, 1, f"{name}_3x3"),
            convolve(convolve(x, reduce5, 1, 1, f"{name}_5x5_reduce"), five, 5, 1, f"{name}_5x5"),
            convolve(pool(x, 1, f"{name}_pool"), pooled, 1, 1, f"{name}_pool_proj"),
        ]
        return keras.layers.Concatenate(dtype=policy, name=f"{name}_output")(branches)

    # Batch normalisation undoes the division; an untrained network starts with features around 1.
    images, x = blocks.scaled_input(inputs, 1.0 / 64.0, policy)
    x = pool(convolve(x, 64, 7, 2, "conv1"), 2, "pool1")
    x = convolve(convolve(x, 64, 1, 1, "conv2_reduce"), 192, 3, 1, "conv2")
    x = pool(x, 2, "pool2")
    for name in _MODULES:
        if name in ("inception4a", "inception5a"):
            x = pool(x, 2, f"{name}_downsample")
        x = inception(x, name)
    return keras.Model(images, x, name="googlenet")
