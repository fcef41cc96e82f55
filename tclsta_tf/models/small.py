"""A network of 0.3 million weights, for CPUs and for tests."""

from typing import Any

import keras

from tclsta_tf.models import blocks


def small(inputs: blocks.Inputs, batchnorm: str, policy: Any) -> keras.Model:
    """A 5x5 stem of 32 filters, then 3x3 convolutions with 64, 96 and 128, each of stride 2; a residual one on top."""
    # Momentum 0.9: a run of a few hundred steps must not be tested with averages that are still on their way.
    convolve = blocks.convolution(policy, batchnorm, first="stem", symmetric=False, momentum=0.9)
    # Batch normalisation undoes the division; it only lets an untrained network start with features around 1.
    images, scaled = blocks.scaled_input(inputs, 1.0 / 64.0, policy)
    # Motion is told by how u and v change over the ten fields of a stack: the stem needs room for many such patterns.
    x = convolve(scaled, 32, 5, 2, "stem")
    x = convolve(x, 64, 3, 2, "stage2")
    x = convolve(x, 96, 3, 2, "stage3")
    x = convolve(x, 128, 3, 2, "stage4")
    x = keras.layers.Add(dtype=policy, name="stage4_add")([x, convolve(x, 128, 3, 1, "stage4_block1", activate=False)])
    x = keras.layers.ReLU(dtype=policy, name="stage4_out")(x)
    return keras.Model(images, x, name="small")
