"""A classifier of one stream alone, which answers in the form of the whole one."""

from typing import Any

import keras
from keras import ops


class SingleStream(keras.Model):
    """Frames of a video in, class scores and the attention of the static stream out (row frame+STA of Table VI).

    Args:
        static: `AttentionStream` of frames, or `InferenceStream`.
        name: of the model.

    Call arguments:
        inputs: {"frames": uint8 or float [B, N, H, W, 3] in [0, 255]}.

    Returns:
        Dict of float32: `scores` and `static_scores` [B, C], the same; `static_spatial_attention` [B, N, h, w];
        `static_temporal_attention` [B, N]; `static_frame_features` [B, N, D]; `static_features` [B, D].
    """

    def __init__(self, static: keras.Model, name: str = "single_stream", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.static = static

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> dict[str, Any]:
        """See the class."""
        stream = self.static(inputs["frames"], training=training, heads=False)
        outputs = {
            "scores": stream["scores"],
            "static_scores": stream["scores"],
            "static_spatial_attention": stream["spatial_attention"],
            "static_temporal_attention": stream["temporal_attention"],
            "static_frame_features": stream["alpha"],
            "static_features": ops.sum(stream["beta"], axis=1),
        }
        return {name: ops.cast(value, "float32") for name, value in outputs.items()}
