"""Dynamic loss scaling for float16, whose smallest number exceeds many gradients (Micikevicius et al. 2018)."""

import tensorflow as tf

_START = 2.0**15
_GROW_AFTER = 2000  # steps without overflow
_FACTOR = 2.0


class LossScaling:
    """A factor on the loss that is halved where the gradient overflows and doubled after a long time without.

    Make it under the strategy's scope; use it outside of the replicas.
    """

    def __init__(self) -> None:
        self._scale = tf.Variable(_START, trainable=False, name="loss_scale")
        self._good_steps = tf.Variable(0, dtype=tf.int64, trainable=False, name="good_steps")

    @property
    def scale(self) -> tf.Tensor:
        """The factor."""
        return tf.convert_to_tensor(self._scale)

    @property
    def state(self) -> dict[str, tf.Variable]:
        """What a checkpoint has to save."""
        return {"scale": self._scale, "good_steps": self._good_steps}

    def update(self, finite: tf.Tensor) -> None:
        """Takes note of a step, whose gradient was `finite` or not."""
        good_steps = tf.where(finite, self._good_steps + 1, 0)
        grows = good_steps >= _GROW_AFTER
        scale = tf.where(finite, tf.where(grows, self._scale * _FACTOR, self._scale), self._scale / _FACTOR)
        self._scale.assign(tf.maximum(scale, 1.0))
        self._good_steps.assign(tf.where(grows, tf.zeros_like(good_steps), good_steps))


def count_not_finite(gradients: list[tf.Tensor]) -> tf.Tensor:
    """Counts the gradients that hold a number that is not finite."""
    return tf.add_n([tf.cast(~tf.reduce_all(tf.math.is_finite(gradient)), tf.int32) for gradient in gradients])
