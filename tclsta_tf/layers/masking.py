"""Softmax and averages over sets of which some elements are padding.

Tensors hold the set in the axis that a mask (bool, True for valid elements) names: [B, N], or [B, N, D] for values.
"""

import keras
from keras import ops

# The lowest float32. Finite, so that a set without a valid element gives zeros instead of NaN.
_PADDED_LOGIT = -3.4028235e38


def float_dtype(layer: keras.Layer) -> str:
    """The dtype in which `layer` computes softmax, tanh and exp: its own, but float32 where that has only 16 bits."""
    return keras.backend.result_type(layer.compute_dtype, "float32")


def masked_softmax(logits: keras.KerasTensor, mask: keras.KerasTensor | None = None) -> keras.KerasTensor:
    """Softmax over the last axis in which padded elements get exactly 0.

    Args:
        logits: float [B, N], any range: the largest valid one is subtracted before exp.
        mask: bool [B, N] or None (all valid).

    Returns:
        float [B, N] in [0, 1], rows sum to 1 (to 0 where nothing is valid).
    """
    if logits.shape[-1] == 1:  # One frame has all the weight, and Keras would warn that it has.
        return ops.ones_like(logits) if mask is None else ops.cast(mask, logits.dtype)
    if mask is None:
        return ops.softmax(logits, axis=-1)
    valid = ops.cast(mask, "bool")
    weights = ops.softmax(ops.where(valid, logits, ops.full_like(logits, _PADDED_LOGIT)), axis=-1)
    return ops.where(valid, weights, ops.zeros_like(weights))


def zero_padding(values: keras.KerasTensor, mask: keras.KerasTensor | None) -> keras.KerasTensor:
    """Sets padded vectors to 0, so that 0 * inf cannot arise from whatever they held.

    Args:
        values: float [B, N, D].
        mask: bool [B, N] or None (all valid).

    Returns:
        float [B, N, D].
    """
    if mask is None:
        return values
    return ops.where(ops.expand_dims(ops.cast(mask, "bool"), -1), values, ops.zeros_like(values))


def uniform_weights(values: keras.KerasTensor, mask: keras.KerasTensor | None = None) -> keras.KerasTensor:
    """1/N for each of the N valid vectors and 0 for padding.

    Args:
        values: float [B, N, D], used for its shape and dtype only.
        mask: bool [B, N] or None (all valid).

    Returns:
        float [B, N], rows sum to 1.
    """
    valid = ops.ones_like(values[..., 0]) if mask is None else ops.cast(mask, values.dtype)
    return valid / ops.maximum(ops.sum(valid, axis=-1, keepdims=True), 1.0)


def merge(weights: keras.KerasTensor, values: keras.KerasTensor) -> keras.KerasTensor:
    """sum_i weights_i values_i, Eq. (9): float [B, N] and [B, N, D] -> [B, D]."""
    return ops.squeeze(ops.matmul(ops.expand_dims(weights, 1), values), axis=1)
