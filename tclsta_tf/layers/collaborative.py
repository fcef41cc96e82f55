"""Collaborative learning of static and motion features, Eq. (7) to (9) and Algorithm 1."""

from typing import Any

import keras
from keras import ops

from tclsta_tf.layers import masking


@keras.saving.register_keras_serializable(package="tclsta_tf")
class CollaborativeLearning(keras.layers.Layer):
    """Algorithm 1 of the paper: the two streams weigh each other's frames in turn.

    With z^s = 1/N at first, each round computes `O^s = sum_i z_i^s v_i^s`, then for the motion side
    `H = tanh(W_m V^m + (W_o^s O^s) 1^T)` (7), `z^m = softmax(w_h^T H)` (8), `O^m = sum_i z_i^m v_i^m` (9), then the
    mirror image, with weights of its own, for the static side. There are no biases, as printed. The weights are the
    same in all rounds (the paper leaves that open). Everything is computed in float32 under 16-bit policies.

    "Until the loss functions converge" is read as a number of unrolled rounds; `convergence` says how far they were
    from a fixed point. `stop_guidance` is the other reading, where each side in turn is trained against a fixed other.

    Args:
        width: int >= 1, rows of H. Default 512.
        rounds: int >= 1, rounds unrolled. Default 3.
        stop_guidance: no gradient flows through a guiding vector, so that the loss on one side trains that side only.
            Default False.

    Call arguments:
        static: float [B, N, D], features of the frames, V^s.
        motion: float [B, N, D], features of the flow, V^m; its D may differ.
        mask: bool [B, N], False for padded positions, or None; the same for both sides.

    Returns:
        dict of float32: `static_weights`, `motion_weights` [B, N], z^s and z^m, rows sum to 1; `static_features`,
        `motion_features` [B, D], the merged V^s z^s and V^m z^m; `convergence` [B, rounds], the largest change of any
        element of z^s or z^m in each round (1/N is where both start).

    Raises:
        ValueError: if `width` or `rounds` is below 1.

    Reference:
        Section III-B.1 of the paper, Eq. (7) to (9), Algorithm 1.
    """

    def __init__(self, width: int = 512, rounds: int = 3, stop_guidance: bool = False, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        if width < 1:
            raise ValueError(f"`width` must be at least 1. Received: width={width}")
        if rounds < 1:
            raise ValueError(f"`rounds` must be at least 1. Received: rounds={rounds}")
        self.width = int(width)
        self.rounds = int(rounds)
        self.stop_guidance = bool(stop_guidance)

        def linear(units: int, name: str) -> keras.layers.Dense:
            return keras.layers.Dense(units, use_bias=False, dtype=masking.float_dtype(self), name=name)

        self.motion_projection = linear(self.width, "motion_projection")  # W_m
        self.static_guidance = linear(self.width, "static_guidance")  # W_o^s, guides the motion side
        self.motion_scorer = linear(1, "motion_scorer")  # w_h^m
        self.static_projection = linear(self.width, "static_projection")  # the mirror image
        self.motion_guidance = linear(self.width, "motion_guidance")
        self.static_scorer = linear(1, "static_scorer")

    def build(self, static_shape: tuple, motion_shape: tuple) -> None:
        """Creates the weights for features of shape [B, N, D] on each side."""
        self.motion_projection.build(motion_shape)
        self.static_guidance.build((static_shape[0], static_shape[-1]))
        self.motion_scorer.build((*motion_shape[:-1], self.width))
        self.static_projection.build(static_shape)
        self.motion_guidance.build((motion_shape[0], motion_shape[-1]))
        self.static_scorer.build((*static_shape[:-1], self.width))

    def call(
        self, static: keras.KerasTensor, motion: keras.KerasTensor, mask: keras.KerasTensor | None = None
    ) -> dict[str, keras.KerasTensor]:
        """See the class."""
        dtype = masking.float_dtype(self)
        static = masking.zero_padding(ops.cast(static, dtype), mask)
        motion = masking.zero_padding(ops.cast(motion, dtype), mask)
        # W V does not change over the rounds.
        projected_static, projected_motion = self.static_projection(static), self.motion_projection(motion)
        static_weights = masking.uniform_weights(static, mask)
        motion_weights = masking.uniform_weights(motion, mask)
        static_features = masking.merge(static_weights, static)
        changes = []
        for _ in range(self.rounds):
            before = static_weights, motion_weights
            hidden = self.embed(projected_motion, self.static_guidance, static_features)
            motion_weights = masking.masked_softmax(self.score(self.motion_scorer, hidden), mask)  # Eq. (8)
            motion_features = masking.merge(motion_weights, motion)  # Eq. (9)
            hidden = self.embed(projected_static, self.motion_guidance, motion_features)
            static_weights = masking.masked_softmax(self.score(self.static_scorer, hidden), mask)  # Eq. (8), mirrored
            static_features = masking.merge(static_weights, static)  # Eq. (9), mirrored
            changes.append(ops.maximum(_change(before[0], static_weights), _change(before[1], motion_weights)))
        return {
            "static_weights": static_weights,
            "motion_weights": motion_weights,
            "static_features": static_features,
            "motion_features": motion_features,
            "convergence": ops.stack(changes, axis=-1),
        }

    def embed(
        self, projected: keras.KerasTensor, guidance: keras.layers.Dense, guide: keras.KerasTensor
    ) -> keras.KerasTensor:
        """H = tanh(W V + (W_o O) 1^T).

        Args:
            projected: float [B, N, width], W V of the guided side.
            guidance: the projection W_o of the guiding vector.
            guide: float [B, D], merged features O of the guiding side.

        Returns:
            float [B, N, width]; the paper's H has the frames as columns.
        """
        if self.stop_guidance:
            guide = ops.stop_gradient(guide)
        return ops.tanh(projected + ops.expand_dims(guidance(guide), 1))  # Eq. (7)

    @staticmethod
    def score(scorer: keras.layers.Dense, hidden: keras.KerasTensor) -> keras.KerasTensor:
        """w_h^T H, the argument of the softmax in Eq. (8): float [B, N, width] -> [B, N]."""
        return ops.squeeze(scorer(hidden), axis=-1)

    def compute_mask(self, *args: Any, **kwargs: Any) -> None:
        """None: no output has a padded axis that a later layer would have to know of."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "width": self.width,
            "rounds": self.rounds,
            "stop_guidance": self.stop_guidance,
        }


def _change(before: keras.KerasTensor, after: keras.KerasTensor) -> keras.KerasTensor:
    """Largest change of any weight: float [B, N] twice -> [B]."""
    return ops.max(ops.abs(after - before), axis=-1)
