"""AlexNet, in the version with one column."""

from typing import Any

import keras

from tclsta_tf.models import blocks


def alexnet(inputs: blocks.Inputs, batchnorm: str, policy: Any) -> keras.Model:
    """AlexNet with one column (Krizhevsky 2014) up to its last convolution: stride 16, D = 256; no normalisation."""
    convolve = blocks.convolution(policy)

    def pool(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return keras.layers.MaxPooling2D(3, 2, dtype=policy, name=name)(x)

    images, x = blocks.scaled_input(inputs, 1.0 / 64.0, policy)  # weights are drawn for inputs around 1
    # 11x11 convolutions with a margin of 2: 224 pixels make 55.
    x = keras.layers.ZeroPadding2D(2, dtype=policy, name="conv1_pad")(x)
    x = keras.layers.Conv2D(64, 11, strides=4, kernel_initializer="he_normal", dtype=policy, name="conv1_conv")(x)
    x = pool(keras.layers.ReLU(dtype=policy, name="conv1_relu")(x), "pool1")
    x = pool(convolve(x, 192, 5, 1, "conv2"), "pool2")
    x = convolve(x, 384, 3, 1, "conv3")
    x = convolve(x, 256, 3, 1, "conv4")
    x = convolve(x, 256, 3, 1, "conv5")
    return keras.Model(images, x, name="alexnet")
