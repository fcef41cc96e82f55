"""One attention step of the collaborative network that the authors released."""

from typing import Any

import keras
from keras import ops

from tclsta_tf.layers import masking


@keras.saving.register_keras_serializable(package="tclsta_tf")
class GuidedAttention(keras.layers.Layer):
    """Weighs the vectors of a set, by themselves or guided by another vector.

    `z = softmax(w^T dropout(tanh(W V + b + (U g) 1^T)))`, result `sum_i z_i v_i`. The linear maps of the release have
    biases throughout; those of U and w are left out here, since b already shifts the sum and softmax does not see a
    shift of all scores. Everything is computed in float32 under 16-bit policies.

    Args:
        width: int >= 1, size of the hidden layer. Default 512.
        guided: whether a guiding vector takes part. Default True.
        dropout: float in [0, 1), rate after tanh. Default 0.5.
        seed: int or None, start of the dropout's random numbers. Default None (Keras' global seed).

    Call arguments:
        values: float [B, N, D], the vectors.
        guide: float [B, E], the guiding vector g; only where `guided`.
        mask: bool [B, N], False for padded vectors, or None.
        training: bool, whether dropout is on.

    Returns:
        dict of float32: `weights` [B, N], rows sum to 1; `attended` [B, D].

    Raises:
        ValueError: on an argument outside its range, or where `guide` is given to a layer that is not guided, or
            missing from one that is.

    Reference:
        The collaborative network of the authors' release; Section III-B.1 of the paper describes another form.
    """

    def __init__(
        self, width: int = 512, guided: bool = True, dropout: float = 0.5, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if width < 1:
            raise ValueError(f"`width` must be at least 1. Received: width={width}")
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}")
        self.width = int(width)
        self.guided = bool(guided)
        self.dropout = float(dropout)
        self.seed = seed
        dtype = masking.float_dtype(self)
        self.projection = keras.layers.Dense(self.width, dtype=dtype, name="projection")
        if self.guided:
            self.guidance = keras.layers.Dense(self.width, use_bias=False, dtype=dtype, name="guidance")
        self.scorer = keras.layers.Dense(1, use_bias=False, dtype=dtype, name="scorer")
        # Not a Dropout layer: that would name its random state by a counter of the process.
        self.seed_generator = keras.random.SeedGenerator(seed, name=f"{self.name}_dropout")

    def build(self, values_shape: tuple, guide_shape: tuple | None = None) -> None:
        """Creates the weights for values [B, N, D] and a guide [B, E]."""
        if self.guided != (guide_shape is not None):
            raise ValueError(
                f"`guide` must be given if and only if the layer is guided. Received: guided={self.guided}, "
                f"guide.shape={guide_shape}"
            )
        self.projection.build(values_shape)
        if self.guided:
            self.guidance.build(guide_shape)
        self.scorer.build((*values_shape[:-1], self.width))

    def call(
        self,
        values: keras.KerasTensor,
        guide: keras.KerasTensor | None = None,
        mask: keras.KerasTensor | None = None,
        training: bool | None = None,
    ) -> dict[str, keras.KerasTensor]:
        """See the class."""
        dtype = masking.float_dtype(self)
        values = masking.zero_padding(ops.cast(values, dtype), mask)
        hidden = self.projection(values)
        if self.guided:
            hidden = hidden + ops.expand_dims(self.guidance(ops.cast(guide, dtype)), 1)
        hidden = ops.tanh(hidden)
        if training and self.dropout > 0:
            hidden = keras.random.dropout(hidden, self.dropout, seed=self.seed_generator)
        weights = masking.masked_softmax(ops.squeeze(self.scorer(hidden), axis=-1), mask)
        return {"weights": weights, "attended": masking.merge(weights, values)}

    def compute_mask(self, *args: Any, **kwargs: Any) -> None:
        """None: no output has a padded axis that a later layer would have to know of."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "width": self.width,
            "guided": self.guided,
            "dropout": self.dropout,
            "seed": self.seed,
        }
