"""The collaborative learning network on the features of both streams, as printed and as released."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tclsta_tf.layers import collaborative, guided_attention, masking

PRESETS = ("paper", "release")
SIDES = ("static", "motion")


@keras.saving.register_keras_serializable(package="tclsta_tf")
class CollaborativeNetwork(keras.Model):
    """Two streams that decide together which frames count.

    `paper`: Algorithm 1, then dense and softmax on each of the two merged features, a loss on each. `release`: both
    sets are embedded (dense D to D, tanh, dropout); motion attends by itself, static guided by motion, motion guided by
    the attended static, each with weights of its own; the sum of the two attended vectors goes through dropout, dense,
    tanh, dropout, dense to one softmax. Computed in float32 under 16-bit policies.

    Args:
        num_classes: int >= 1, C.
        preset: `paper` or `release`. Default `paper`.
        width: int >= 1, hidden size of the attention (rows of H). Default 512.
        rounds: int >= 1, rounds of Algorithm 1; `paper` only. Default 3.
        stop_guidance: see `layers.CollaborativeLearning`; `paper` only. Default False.
        dropout: float in [0, 1), `release` only: Algorithm 1 has none. Default 0.5.
        hidden_units: int >= 1, size of the dense layer before the last, `release` only. Default 2048.
        seed: int or None, start of the dropout's random numbers. Default None (Keras' global seed).
        name: of the model and of its variables' paths. Default `collaborative_network`.

    Call arguments:
        inputs: dict `{"static": float [B, N, D], "motion": float [B, N, D]}`, features of the trained streams.
        mask: bool [B, N], False for padded positions, or None.
        training: bool, whether dropout is on.

    Returns:
        dict of float32. `paper`: `static_logits`, `motion_logits`, `static_scores`, `motion_scores` [B, C],
        `static_weights`, `motion_weights` [B, N], `static_features`, `motion_features` [B, D], `convergence`
        [B, rounds]. `release`: `logits`, `scores` [B, C], `static_weights`, `motion_weights` [B, N].

    Raises:
        ValueError: on an argument outside its range, or features of different sizes in the `release` preset.

    Reference:
        Section III-B.1 of the paper, Algorithm 1; the authors' release.
    """

    def __init__(
        self,
        num_classes: int,
        preset: str = "paper",
        width: int = 512,
        rounds: int = 3,
        stop_guidance: bool = False,
        dropout: float = 0.5,
        hidden_units: int = 2048,
        seed: int | None = None,
        name: str = "collaborative_network",
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, name=name, **kwargs)
        if num_classes < 1:
            raise ValueError(f"`num_classes` must be at least 1. Received: num_classes={num_classes}")
        if preset not in PRESETS:
            raise ValueError(f"`preset` must be one of {PRESETS}. Received: preset={preset!r}")
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}")
        if hidden_units < 1:
            raise ValueError(f"`hidden_units` must be at least 1. Received: hidden_units={hidden_units}")
        self.num_classes = int(num_classes)
        self.preset = preset
        self.width = int(width)
        self.rounds = int(rounds)
        self.stop_guidance = bool(stop_guidance)
        self.dropout = float(dropout)
        self.hidden_units = int(hidden_units)
        self.seed = seed
        dtype = masking.float_dtype(self)
        if preset == "paper":
            self.collaborative = collaborative.CollaborativeLearning(
                width, rounds, stop_guidance, dtype=dtype, name="collaborative"
            )
            self.static_classifier = keras.layers.Dense(num_classes, dtype=dtype, name="static_classifier")
            self.motion_classifier = keras.layers.Dense(num_classes, dtype=dtype, name="motion_classifier")
        else:
            self.attentions = [
                guided_attention.GuidedAttention(
                    width,
                    guided=guided,
                    dropout=dropout,
                    seed=None if seed is None else seed + position,
                    dtype=dtype,
                    name=attention,
                )
                for position, (attention, guided) in enumerate(
                    (("motion_attention", False), ("static_attention", True), ("guided_motion_attention", True)), 1
                )
            ]
            self.hidden = keras.layers.Dense(self.hidden_units, activation="tanh", dtype=dtype, name="hidden")
            self.classifier = keras.layers.Dense(num_classes, dtype=dtype, name="classifier")
            self.seed_generator = keras.random.SeedGenerator(seed, name=f"{name}_dropout")

    def build(self, inputs_shape: dict[str, tuple]) -> None:
        """Creates the weights for {"static": [B, N, D], "motion": [B, N, D]}."""
        if set(inputs_shape) != set(SIDES):
            raise ValueError(f"`inputs` must have the keys {SIDES}. Received: keys={tuple(inputs_shape)}")
        static, motion = tuple(inputs_shape["static"]), tuple(inputs_shape["motion"])
        merged_static, merged_motion = (static[0], static[-1]), (motion[0], motion[-1])
        if self.preset == "paper":
            self.collaborative.build(static, motion)
            self.static_classifier.build(merged_static)
            self.motion_classifier.build(merged_motion)
            return
        if static[-1] != motion[-1]:
            raise ValueError(
                "`inputs` must have features of one size, the release network adds them. "
                f"Received: static.shape={static}, motion.shape={motion}"
            )
        dtype = masking.float_dtype(self)
        self.embeddings = {
            side: keras.layers.Dense(static[-1], activation="tanh", dtype=dtype, name=f"{side}_embedding")
            for side in SIDES
        }
        for side in SIDES:
            self.embeddings[side].build(static)
        by_itself, static_by_motion, motion_by_static = self.attentions
        by_itself.build(motion)
        static_by_motion.build(static, merged_motion)
        motion_by_static.build(motion, merged_static)
        self.hidden.build(merged_static)
        self.classifier.build((static[0], self.hidden_units))

    def call(
        self, inputs: dict[str, keras.KerasTensor], mask: keras.KerasTensor | None = None, training: bool | None = None
    ) -> dict[str, keras.KerasTensor]:
        """See the class."""
        if isinstance(mask, dict):  # Keras fills in what the inputs carry, None or a mask each, where none is given
            mask = mask["static"]
        if self.preset == "paper":
            return self._call_paper(inputs["static"], inputs["motion"], mask)
        return self._call_release(inputs["static"], inputs["motion"], mask, training)

    def _call_paper(
        self, static: keras.KerasTensor, motion: keras.KerasTensor, mask: keras.KerasTensor | None
    ) -> dict[str, keras.KerasTensor]:
        outputs = self.collaborative(static, motion, mask=mask)
        static_logits = self.static_classifier(outputs["static_features"])
        motion_logits = self.motion_classifier(outputs["motion_features"])
        return {
            **outputs,
            "static_logits": static_logits,
            "motion_logits": motion_logits,
            "static_scores": ops.softmax(static_logits, axis=-1),
            "motion_scores": ops.softmax(motion_logits, axis=-1),
        }

    def _call_release(
        self,
        static: keras.KerasTensor,
        motion: keras.KerasTensor,
        mask: keras.KerasTensor | None,
        training: bool | None,
    ) -> dict[str, keras.KerasTensor]:
        def drop(values: keras.KerasTensor) -> keras.KerasTensor:
            if not training or self.dropout == 0:
                return values
            return keras.random.dropout(values, self.dropout, seed=self.seed_generator)

        # What is attended and merged below are these embedded features.
        static = drop(self.embeddings["static"](masking.zero_padding(static, mask)))
        motion = drop(self.embeddings["motion"](masking.zero_padding(motion, mask)))
        by_itself, static_by_motion, motion_by_static = self.attentions
        summary = by_itself(motion, mask=mask, training=training)["attended"]
        attended_static = static_by_motion(static, summary, mask=mask, training=training)
        attended_motion = motion_by_static(motion, attended_static["attended"], mask=mask, training=training)
        merged = attended_static["attended"] + attended_motion["attended"]
        logits = self.classifier(drop(self.hidden(drop(merged))))
        return {
            "logits": logits,
            "scores": ops.softmax(logits, axis=-1),
            "static_weights": attended_static["weights"],
            "motion_weights": attended_motion["weights"],
        }

    def side_variables(self, side: str) -> list:
        """The trainable variables of one side, for `alternate_updates`: an optimizer step on them leaves the other be.

        Args:
            side: `static` or `motion`, the side that is guided and classified.

        Returns:
            The variables of its projection, scorer and classifier, and of the projection of what guides it.

        Raises:
            ValueError: on another side, or in the `release` preset, whose one loss belongs to both.
        """
        if side not in SIDES or self.preset != "paper":
            raise ValueError(
                f"`side` must be one of {SIDES}, in the paper preset. Received: side={side!r}, preset={self.preset!r}"
            )
        layer = self.collaborative
        if side == "static":
            layers = (layer.static_projection, layer.motion_guidance, layer.static_scorer, self.static_classifier)
        else:
            layers = (layer.motion_projection, layer.static_guidance, layer.motion_scorer, self.motion_classifier)
        return [variable for part in layers for variable in part.trainable_variables]

    def start_from(self, static: Sequence[np.ndarray], motion: Sequence[np.ndarray]) -> None:
        """Lets both classifiers start as those of the streams and all frames count alike: late fusion of the streams.

        The paper leaves the start open. The streams' classifiers have learned from many clips of each video, with
        dropout; those of this network see one clip of each, and started anew they learn it by heart.

        Args:
            static: kernel float [D, C] and bias float [C] of the static stream's connection classifier.
            motion: the same of the motion stream.

        Raises:
            ValueError: in the `release` preset, which has one classifier for both.
        """
        if self.preset != "paper":
            raise ValueError(f"`start_from` needs the paper preset. Received: preset={self.preset!r}")
        layer = self.collaborative
        for scorer in (layer.static_scorer, layer.motion_scorer):
            scorer.set_weights([np.zeros_like(weight) for weight in scorer.get_weights()])  # Eq. (8): z = 1 / N
        self.static_classifier.set_weights(static)
        self.motion_classifier.set_weights(motion)

    def compute_mask(self, *args: Any, **kwargs: Any) -> None:
        """None: the outputs carry no mask."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "preset": self.preset,
            "width": self.width,
            "rounds": self.rounds,
            "stop_guidance": self.stop_guidance,
            "dropout": self.dropout,
            "hidden_units": self.hidden_units,
            "seed": self.seed,
        }
