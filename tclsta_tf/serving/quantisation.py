"""Weights in 8 bits: a quarter of the disk and of the memory; arithmetic stays floating point."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

_SMALLEST = 4096  # weights; smaller kernels would save nothing worth their error


class Int8Weights(tf.Module):
    """The large kernels of a model as integers in [-127, 127] with one scale for each output channel.

    Convolutions, dense layers and the kernels of the LSTM; biases, and tables of fewer than 4,096 numbers, stay as they
    are. A weight is off by at most half of 1/127 of the largest one of its channel.

    Args:
        model: built.
    """

    def __init__(self, model: keras.Model) -> None:
        super().__init__(name="int8_weights")
        self._kernels = [v for v in model.variables if len(v.shape) >= 2 and np.prod(v.shape) >= _SMALLEST]
        self.values, self.scales = [], []
        for kernel in self._kernels:
            values, scales = quantise(keras.ops.convert_to_numpy(kernel))
            self.values.append(tf.Variable(values, trainable=False, name=f"{kernel.path}_int8"))
            self.scales.append(tf.Variable(scales, trainable=False, name=f"{kernel.path}_scale"))

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """Within it the model computes with these weights instead of its own."""
        kernels = zip(self._kernels, self.values, self.scales, strict=True)
        restored = [(kernel, tf.cast(values, tf.float32) * scales) for kernel, values, scales in kernels]
        with keras.StatelessScope(state_mapping=restored):
            yield


def quantise(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rounds a kernel to integers.

    Args:
        kernel: float32 [..., channels].

    Returns:
        int8 of the same shape, in [-127, 127], and float32 [channels], what to multiply them by.
    """
    largest = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)))
    scales = np.where(largest > 0, largest / 127.0, 1.0).astype(np.float32)
    return np.rint(kernel / scales).astype(np.int8), scales
