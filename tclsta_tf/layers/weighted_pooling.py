"""Weighted pooling, which replaces the last average pooling of the backbone."""

from typing import Any

import keras
from keras import ops

from tclsta_tf.layers import masking


def weighted_average(features: keras.KerasTensor, attention: keras.KerasTensor) -> keras.KerasTensor:
    """Computes alpha = (1/G) sum_{x,y} m~(x,y) A(x,y).

    Args:
        features: float [b, h, w, D], paper symbol A.
        attention: float [b, h, w], mean 1 over the grid.

    Returns:
        float [b, D].
    """
    # A product and a mean, not a matrix product: a map of ones then gives average pooling to the last bit.
    return ops.mean(ops.expand_dims(attention, -1) * features, axis=(1, 2))


@keras.saving.register_keras_serializable(package="tclsta_tf")
class WeightedPooling(keras.layers.Layer):
    """Average pooling over the grid in which each cell counts by its spatial attention.

    `alpha = (1/G) sum_{x,y} m~(x,y) A(x,y)` with G = h * w cells. The paper calls the result the feature output layer.
    A constant map of ones gives average pooling exactly. The mean is taken in float32 under 16-bit policies.

    Call arguments:
        features: float [b, h, w, D], the last map of the backbone.
        attention: float [b, h, w], mean 1 over the grid, or None for average pooling.

    Returns:
        float32 [b, D] (float64 under a float64 policy).

    Reference:
        Section III-A.2 of the paper.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def call(self, features: keras.KerasTensor, attention: keras.KerasTensor | None = None) -> keras.KerasTensor:
        """See the class."""
        dtype = masking.float_dtype(self)
        features = ops.cast(features, dtype)
        if attention is None:
            return ops.mean(features, axis=(1, 2))
        return weighted_average(features, ops.cast(attention, dtype))
