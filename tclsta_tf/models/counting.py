"""How large a network is: its weights, and the multiply-adds of one image."""

import dataclasses
import math

import keras

from tclsta_tf.models import attention_stream, backbones

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


def count(name: str, size: int = 224, classes: int = 0) -> Size:
    """Counts a backbone, or with `classes` the full classifier that it was published as.

    Args:
        name: of the backbone.
        size: side of the image in pixels.
        classes: of the classifier; 0 for the backbone alone.
    """
    own = _count_backbone(backbones.build_backbone(name), size)
    if not classes:
        return own
    weights, multiply_adds, inputs = own.weights, own.multiply_adds, own.depth
    hidden: tuple[int, ...] = ()
    if name in _HEADS:
        (window, stride), hidden = _HEADS[name]
        inputs = own.depth * math.prod((side - window) // stride + 1 for side in own.grid)
    for units in (*hidden, classes):
        weights += (inputs + 1) * units
        multiply_adds += inputs * units
        inputs = units
    return dataclasses.replace(own, weights=weights, multiply_adds=multiply_adds)


def count_stream(stream: attention_stream.AttentionStream, size: int) -> Size:
    """Counts the model of a stream; what a frame costs, heads included.

    Args:
        stream: built.
        size: side of the frames in pixels.
    """
    own = _count_backbone(stream.backbone, size)
    cells = math.prod(own.grid)
    heads = own.depth * stream.num_classes  # the connection classifier
    if stream.has_spatial_attention:
        cam = stream.class_activation
        heads += cells * sum(math.prod(convolution.kernel.shape) for convolution in cam.convolutions)
        heads += math.prod(cam.kernel.shape) + cells * cam.kernel.shape[0]  # all classes' logits, one class's map
    if stream.has_temporal_attention:
        layers = (stream.temporal_lstm, stream.temporal_classifier)
        kernels = [weight for layer in layers for weight in layer.trainable_weights if weight.ndim > 1]
        heads += sum(math.prod(kernel.shape) for kernel in kernels)
    return dataclasses.replace(own, weights=stream.count_params(), multiply_adds=own.multiply_adds + heads)


def _count_backbone(backbone: keras.Model, size: int) -> Size:
    convolutions = [layer for layer in backbone.layers if isinstance(layer, keras.layers.Conv2D)]
    every = keras.Model(backbone.input, [*(layer.output for layer in convolutions), backbone.output])
    *shapes, (_, height, width, depth) = every.compute_output_shape((1, size, size, backbone.input.shape[-1]))
    multiply_adds = sum(
        math.prod(layer.kernel.shape) * shape[1] * shape[2] for layer, shape in zip(convolutions, shapes, strict=True)
    )
    return Size(backbone.count_params(), multiply_adds, depth, (height, width))
