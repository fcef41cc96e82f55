"""Temporal attention from the affinity of the frames of a clip, Eq. (4) to (6)."""

from typing import Any

import keras
from keras import ops

from tclsta_tf.layers import masking


def affinity_matrix(hidden: keras.KerasTensor, scale: float = 1.0) -> keras.KerasTensor:
    """How alike any two frames of a clip are.

    Args:
        hidden: float [B, T, U], the LSTM's states; the paper's H holds them as columns.
        scale: factor on H^T H before tanh.

    Returns:
        float [B, T, T] in [-1, 1], symmetric.
    """
    return ops.tanh(scale * ops.matmul(hidden, ops.transpose(hidden, (0, 2, 1))))  # Eq. (4)


def frame_relevance(affinity: keras.KerasTensor) -> keras.KerasTensor:
    """The affinity of each frame to the whole clip, gamma: float [B, T, T] -> [B, T] in [-T, T]."""
    return ops.sum(affinity, axis=1)  # Eq. (5)


def attend_frames(alpha: keras.KerasTensor, attention: keras.KerasTensor) -> keras.KerasTensor:
    """Beta: float [B, T, D] features and [B, T] softmax of gamma -> [B, T, D]."""
    return alpha * ops.expand_dims(attention, -1)  # Eq. (6)


@keras.saving.register_keras_serializable(package="tclsta_tf")
class TemporalAffinity(keras.layers.Layer):
    """Weighs the frames of a clip by how much they agree with all others.

    `C = tanh(H^T H)` (4), `gamma = 1^T C` (5), `beta_i = alpha_i exp(gamma_i) / sum_j exp(gamma_j)` (6). It has no
    weights of its own. With 512 LSTM units H^T H is large, tanh saturates and all gamma become T, so that
    beta = alpha / T; `affinity_scale` below 1 keeps it from doing so. Computed in float32 under 16-bit policies.

    Args:
        affinity_scale: float > 0, multiplies H^T H. 1 is Eq. (4) as printed; 1/sqrt(units of the LSTM) is the offered
            alternative. Default 1.0.

    Call arguments:
        hidden: float [B, T, U], states of the LSTM.
        alpha: float [B, T, D], features of the frames.
        mask: bool [B, T], False for padded frames, or None. Padded frames take no weight and give none.

    Returns:
        dict of float32: `attention` [B, T], sums to 1 over T; `beta` [B, T, D].

    Raises:
        ValueError: if `affinity_scale` is not positive.

    Reference:
        Section III-A.3 of the paper, Eq. (4) to (6).
    """

    def __init__(self, affinity_scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        if not affinity_scale > 0:
            raise ValueError(f"`affinity_scale` must be positive. Received: affinity_scale={affinity_scale}")
        self.affinity_scale = float(affinity_scale)

    def call(
        self, hidden: keras.KerasTensor, alpha: keras.KerasTensor, mask: keras.KerasTensor | None = None
    ) -> dict[str, keras.KerasTensor]:
        """See the class."""
        dtype = masking.float_dtype(self)
        hidden = masking.zero_padding(ops.cast(hidden, dtype), mask)  # tanh(0) = 0: padding is akin to no frame
        alpha = masking.zero_padding(ops.cast(alpha, dtype), mask)
        gamma = frame_relevance(affinity_matrix(hidden, self.affinity_scale))
        attention = masking.masked_softmax(gamma, mask)
        return {"attention": attention, "beta": attend_frames(alpha, attention)}

    def compute_mask(self, *args: Any, **kwargs: Any) -> None:
        """None: the outputs carry no mask, padded frames are zero."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "affinity_scale": self.affinity_scale}
