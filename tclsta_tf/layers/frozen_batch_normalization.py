"""Batch normalisation for training with batches too small to normalise by."""

import keras


@keras.saving.register_keras_serializable(package="tclsta_tf")
class FrozenBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation that always uses its stored averages and never changes.

    Setting `trainable = False` on Keras' layer does the same, until somebody sets `trainable = True` on a model around
    it. This one stays frozen.

    Call arguments:
        inputs: float [..., channels].

    Returns:
        float [..., channels].
    """

    @property
    def trainable(self) -> bool:
        """Always False."""
        return False

    @trainable.setter
    def trainable(self, value: bool) -> None:
        # The parent's setter also marks the variables.
        keras.layers.BatchNormalization.trainable.fset(self, False)
