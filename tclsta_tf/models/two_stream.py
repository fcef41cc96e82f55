"""The whole classifier: both streams, the collaborative network and the per-class fusion of their scores."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

STREAMS = ("static", "motion")


def collaborative_features(alpha: Any, temporal_attention: Any, source: str = "beta", rescale: bool = False) -> Any:
    """The features V = [v_1, ..., v_N] of one stream that enter the collaborative network.

    Args:
        alpha: float32 [B, N, D], frame features after spatial attention.
        temporal_attention: float32 [B, N], sums to 1 over N.
        source: `beta` applies the temporal attention, `alpha` leaves it out.
        rescale: multiplies beta by N, so that it is as large as alpha where all frames count alike.

    Returns:
        float32 [B, N, D].

    Raises:
        ValueError: for an unknown source.
    """
    if source == "alpha":
        return alpha
    if source != "beta":
        raise ValueError(f"`source` must be 'beta' or 'alpha'. Received: source={source!r}")
    beta = alpha * ops.expand_dims(temporal_attention, -1)  # Eq. (6); the softmax over gamma is `temporal_attention`
    return beta * ops.cast(ops.shape(alpha)[1], beta.dtype) if rescale else beta


def merged_scores(outputs: dict[str, Any]) -> Any:
    """[B, C]: the release network's one softmax, or the mean of the paper network's two (row +CLN of Table VII)."""
    if "scores" in outputs:
        return outputs["scores"]
    return (outputs["static_scores"] + outputs["motion_scores"]) / 2


@keras.saving.register_keras_serializable(package="tclsta_tf")
class TwoStream(keras.Model):
    """Frames and flow of a video in, class scores and every attention out.

    Args:
        static: `AttentionStream` of frames.
        motion: `AttentionStream` of flow stacks.
        network: `CollaborativeNetwork`.
        fusion_weights: [C, 2], rows sum to 1: how much each class trusts the static and the motion head; unused by
            the release network, which has one head.
        source: see `collaborative_features`.
        rescale: see `collaborative_features`.
        name: of the model.

    Call arguments:
        inputs: {"frames": uint8 or float [B, N, H, W, 3] in [0, 255], "flow": [B, N, H, W, 20] in [0, 255]}.

    Returns:
        Dict of float32: `scores` [B, C] (rows do not sum to 1, since each class has weights of its own),
        `static_scores`, `motion_scores` [B, C] of the heads that were fused, and for each stream
        `<stream>_spatial_attention` [B, N, h, w], `<stream>_temporal_attention` [B, N],
        `<stream>_collaborative_weights` [B, N], `<stream>_frame_features` [B, N, D], alpha, and `<stream>_features`
        [B, D], the sum of beta; and `fusion_weights` [B, C, 2], where there are two heads to be fused.

    Reference:
        Peng, Zhao, Zhang, IEEE TCSVT 2018, Fig. 3.
    """

    def __init__(
        self,
        static: keras.Model,
        motion: keras.Model,
        network: keras.Model,
        fusion_weights: Sequence[Sequence[float]],
        source: str = "beta",
        rescale: bool = False,
        name: str = "two_stream",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.static = static
        self.motion = motion
        self.network = network
        self.fusion_weights = [[float(weight) for weight in pair] for pair in fusion_weights]
        self.source = source
        self.rescale = rescale

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> dict[str, Any]:
        """See the class."""
        clips = {"static": inputs["frames"], "motion": inputs["flow"]}
        streams = {name: getattr(self, name)(clips[name], training=training, heads=False) for name in STREAMS}
        features = {
            name: collaborative_features(
                ops.cast(streams[name]["alpha"], "float32"),
                ops.cast(streams[name]["temporal_attention"], "float32"),
                self.source,
                self.rescale,
            )
            for name in STREAMS
        }
        merged = self.network(features, training=training)
        outputs = {}
        for name in STREAMS:
            # The release network has one head; what remains to tell of a stream then is its own score.
            outputs[f"{name}_scores"] = merged.get(f"{name}_scores", streams[name]["scores"])
            outputs[f"{name}_spatial_attention"] = streams[name]["spatial_attention"]
            outputs[f"{name}_temporal_attention"] = streams[name]["temporal_attention"]
            outputs[f"{name}_collaborative_weights"] = merged[f"{name}_weights"]
            outputs[f"{name}_frame_features"] = streams[name]["alpha"]
            outputs[f"{name}_features"] = ops.sum(streams[name]["beta"], axis=1)
        if "scores" in merged:
            outputs["scores"] = merged["scores"]
        else:
            weights = ops.convert_to_tensor(self.fusion_weights, "float32")  # [C, 2]
            pairs = ops.stack([outputs[f"{name}_scores"] for name in STREAMS], axis=-1)  # [B, C, 2]
            outputs["scores"] = ops.sum(weights * pairs, axis=-1)  # Eq. (14)
            outputs["fusion_weights"] = ops.broadcast_to(weights, ops.shape(pairs))
        return {name: ops.cast(value, "float32") for name, value in outputs.items()}

    def get_config(self) -> dict[str, Any]:
        """Everything `__init__` takes."""
        parts = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in (*STREAMS, "network")}
        settings = {"fusion_weights": self.fusion_weights, "source": self.source, "rescale": self.rescale}
        return {**super().get_config(), **parts, **settings}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TwoStream":
        """Inverse of `get_config`."""
        parts = {name: keras.saving.deserialize_keras_object(config[name]) for name in (*STREAMS, "network")}
        return cls(**{**config, **parts})
