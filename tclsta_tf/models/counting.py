"""How large a network is: its weights, and the multiply-adds of one image."""

import dataclasses
import math

import keras

from tclsta_tf.models import backbones

# What the full classifier has above its last map: a pooling window and stride, and the fully connected layers below the
# classifier. The others average the map.
_HEADS = {"vgg16": ((2, 2), (4096, 4096)), "alexnet": ((3, 2), (4096, 4096))}


@dataclasses.dataclass(frozen=True)
class Size:
    """Size of a network.

    Attributes:
        weights: Number of weights, stored averages of batch normalisation included.
        multiply_adds: Of the convolutions and dense layers, for one image.
        depth: Channels of the last map, D.
        grid: Height and width of that map.
    """

    weights: int
    multiply_adds: int
    depth: int
    grid: tuple[int, int]


def count(name: str, size: int = 224, classes: int = 0, channels: int = 3) -> Size:
    """Counts a backbone, or with `classes` the full classifier that it was published as.

    Args:
        name: of the backbone.
        size: side of the image in pixels.
        classes: of the classifier; 0 for the backbone alone.
        channels: of the image, or of the stack of flow fields.
    """
    backbone = backbones.build_backbone(name, channels)
    convolutions = [layer for layer in backbone.layers if isinstance(layer, keras.layers.Conv2D)]
    every = keras.Model(backbone.input, [*(layer.output for layer in convolutions), backbone.output])
    *shapes, (_, height, width, depth) = every.compute_output_shape((1, size, size, channels))
    multiply_adds = sum(
        math.prod(layer.kernel.shape) * shape[1] * shape[2] for layer, shape in zip(convolutions, shapes, strict=True)
    )
    weights = backbone.count_params()
    if classes:
        inputs = depth
        hidden: tuple[int, ...] = ()
        if name in _HEADS:
            (window, stride), hidden = _HEADS[name]
            inputs = depth * math.prod((side - window) // stride + 1 for side in (height, width))
        for units in (*hidden, classes):
            weights += (inputs + 1) * units
            multiply_adds += inputs * units
            inputs = units
    return Size(weights, multiply_adds, depth, (height, width))
