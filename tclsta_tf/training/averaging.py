"""An exponential moving average of the weights, which is often better than the last ones."""

import contextlib
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf


class WeightAverage:
    """Averages of variables over the steps. Make it under the strategy's scope, update it outside of the replicas.

    Args:
        variables: what is averaged.
        decay: share of the old average that a step keeps, in (0, 1). In the first steps it is smaller, (1 + t) / (10 +
            t), so that the start does not weigh on the average for long.
    """

    def __init__(self, variables: Sequence[keras.Variable], decay: float) -> None:
        self._decay = decay
        self._pairs = [
            (variable, tf.Variable(variable.value, trainable=False, name="average")) for variable in variables
        ]

    @property
    def state(self) -> dict[str, tf.Variable]:
        """What a checkpoint has to save."""
        return {variable.path: average for variable, average in self._pairs}

    def update(self, step: tf.Tensor) -> None:
        """Takes the variables as they are after step number `step`, counted from 0."""
        steps = tf.cast(step, tf.float32)
        decay = tf.minimum(self._decay, (1.0 + steps) / (10.0 + steps))
        for variable, average in self._pairs:
            average.assign(average + tf.cast(1.0 - decay, average.dtype) * (variable.value - average))

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Puts the averages in place of the variables for a while."""
        kept = [variable.numpy() for variable, _ in self._pairs]
        self.put_in_place()
        try:
            yield
        finally:
            for (variable, _), value in zip(self._pairs, kept, strict=True):
                variable.assign(value)

    def put_in_place(self) -> None:
        """Puts the averages in place of the variables for good."""
        for variable, average in self._pairs:
            variable.assign(average.numpy())
