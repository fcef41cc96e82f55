"""Networks of keras.applications: ResNet-50 in both versions, and VGG-16."""

from typing import Any

import keras

from tclsta_tf.models import blocks

_SIGNED_UNIT = 1.0 / 127.5


def resnet50(inputs: blocks.Inputs, batchnorm: str, policy: Any) -> keras.Model:
    """ResNet-50 v1 (He et al. 2016a), up to its last activation: stride 32, D = 2048."""
    # Handing the input over as a tensor, not as a shape, is how keras.applications takes 20 channels without a warning.
    images, scaled = blocks.scaled_input(inputs, 1.0, policy)
    template = keras.applications.ResNet50(include_top=False, weights=None, input_tensor=scaled, name="resnet50")
    template = keras.Model(images, template.output, name="resnet50")  # theirs wants its input in a list
    return blocks.rebuild(template, batchnorm, "conv1_bn", policy)


def resnet50v2(inputs: blocks.Inputs, batchnorm: str, policy: Any) -> keras.Model:
    """ResNet-50 v2 (He et al. 2016b), normalised before each convolution, like the release: stride 32, D = 2048."""
    images, scaled = blocks.scaled_input(inputs, _SIGNED_UNIT, policy, kind="rgb")
    template = keras.applications.ResNet50V2(include_top=False, weights=None, input_tensor=scaled, name="resnet50v2")
    template = keras.Model(images, template.output, name="resnet50v2")
    return blocks.rebuild(template, batchnorm, "conv2_block1_preact_bn", policy)


def vgg16(inputs: blocks.Inputs, batchnorm: str, policy: Any) -> keras.Model:
    """VGG-16 (Simonyan and Zisserman 2015) up to its last convolution: stride 16, D = 512; it has no normalisation."""
    images, scaled = blocks.scaled_input(inputs, 1.0, policy)
    template = keras.applications.VGG16(include_top=False, weights=None, input_tensor=scaled, name="vgg16")
    template = keras.Model(images, template.get_layer("block5_conv3").output, name="vgg16")
    return blocks.rebuild(template, batchnorm, "", policy)
