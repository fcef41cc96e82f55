"""The spatial-temporal attention model, one for each of the two streams."""

import pathlib
from typing import Any

import keras
from keras import ops

from tclsta_tf.layers import class_activation, lstm_cell, masking, temporal_affinity, weighted_pooling
from tclsta_tf.models import backbones

ATTENTION_VARIANTS = ("none", "sa", "ta", "sta")


@keras.saving.register_keras_serializable(package="tclsta_tf")
class AttentionStream(keras.Model):
    """Classifies a clip, weighing the cells of each frame and the frames of the clip.

    A backbone gives a map of features per frame. A CAM head finds the spatial attention, weighted pooling makes one
    vector alpha of each frame. An LSTM over the alphas gives the temporal attention and beta_i = alpha_i times its
    share. `scores` is softmax(dense(sum_i beta_i)) with the connection classifier, the one that also classifies single
    frames. The clip's frames are folded into the batch for the backbone.

    Padded frames change nothing. They are replaced by the clip's first valid frame before the backbone sees them, so
    whatever they hold is harmless; with statistics of the batch in training these copies count.

    Args:
        num_classes: int >= 1, C.
        channels: 3 for RGB frames, 2L (20) for stacks of flow fields. Default 3.
        backbone: one of `backbones.NAMES`. Default `resnet50`.
        attention: rows of Table VI. `none`: average pooling, frames count alike; `sa`: CAM head and weighted pooling;
            `ta`: temporal head; `sta`: both. Default `sta`.
        cam_units: int, channels of the CAM convolution, K. Default 1024.
        cam_groups: 1 or 2 (release). Default 1.
        cam_pool: `mean` or `sum`; see `layers.ClassActivation`. Default `mean`.
        cam_class: `predicted`, `label` or `expected`; see `layers.ClassActivation`. Default `predicted`.
        lstm_units: int, size of the LSTM's state. Default 512.
        affinity_scale: float > 0, factor on H^T H; see `layers.TemporalAffinity`. Default 1.0.
        batchnorm: `batch`, `synchronized`, `partial` or `frozen`; see `backbones.build_backbone`. Default `batch`.
        backbone_weights: None, `imagenet` or a path; see `backbones.build_backbone`. It is used once and not part of
            the config, so a loaded model does not ask for the file. Default None.
        cam_bias: float, initial bias of the CAM convolution (release: 1). Default 0.
        cam_kernel_initializer: of the CAM convolution (release: gaussian 0.01). Default `he_normal`.
        flow_scale: float > 0, factor on flow bytes minus 128. Default 1.0.
        input_pooling: int >= 1, side of the squares of pixels whose mean the backbone sees. Default 1.
        batchnorm_momentum: float in [0, 1) or None; see `backbones.build_backbone`. Default None.
        dropout: float in [0, 1), rate of dropout in front of the classifiers. Default 0.
        name: of the model and of its variables' paths. Default `attention_stream`.

    Call arguments:
        clips: uint8 or float [B, T, H, W, channels] in [0, 255]: RGB, or u1, v1, u2, v2, ... with zero motion at 128.
        mask: bool [B, T], False for padded frames, or None.
        labels: int [B] or None; used by `cam_class="label"` in training only.
        training: bool.
        heads: False leaves out `frame_logits` and `temporal_logits`, which only training needs. Default True.

    Returns:
        dict of float32 (G = h * w cells, D features): `frame_logits` [B, T, C]; `cam_logits` [B, T, C] (`sa`, `sta`);
        `temporal_logits` [B, T, C] (`ta`, `sta`); `spatial_attention` [B, T, h, w], mean 1 over the cells;
        `temporal_attention` [B, T], sums to 1; `alpha` [B, T, D]; `beta` [B, T, D]; `video_logits` [B, C]; `scores`
        [B, C], their softmax. Padded frames have attention and beta 0; their other values are finite and mean nothing.

    Raises:
        ValueError: on an argument outside its range, or clips of another rank or number of channels.

    Reference:
        Section III-A of the paper, Eq. (1) to (6).
    """

    def __init__(
        self,
        num_classes: int,
        channels: int = 3,
        backbone: str = "resnet50",
        attention: str = "sta",
        cam_units: int = 1024,
        cam_groups: int = 1,
        cam_pool: str = "mean",
        cam_class: str = "predicted",
        lstm_units: int = 512,
        affinity_scale: float = 1.0,
        batchnorm: str = "batch",
        backbone_weights: str | pathlib.Path | None = None,
        cam_bias: float = 0.0,
        cam_kernel_initializer: str | dict | keras.initializers.Initializer = "he_normal",
        flow_scale: float = 1.0,
        input_pooling: int = 1,
        batchnorm_momentum: float | None = None,
        dropout: float = 0.0,
        name: str = "attention_stream",
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, name=name, **kwargs)
        if num_classes < 1:
            raise ValueError(f"`num_classes` must be at least 1. Received: num_classes={num_classes}")
        if attention not in ATTENTION_VARIANTS:
            raise ValueError(f"`attention` must be one of {ATTENTION_VARIANTS}. Received: attention={attention!r}")
        if lstm_units < 1:
            raise ValueError(f"`lstm_units` must be at least 1. Received: lstm_units={lstm_units}")
        self.num_classes = int(num_classes)
        self.channels = int(channels)
        self.backbone_name = backbone
        self.attention = attention
        self._settings = {
            "cam_units": cam_units,
            "cam_groups": cam_groups,
            "cam_pool": cam_pool,
            "cam_class": cam_class,
            "lstm_units": lstm_units,
            "affinity_scale": affinity_scale,
            "batchnorm": batchnorm,
            "cam_bias": cam_bias,
            "cam_kernel_initializer": keras.initializers.serialize(keras.initializers.get(cam_kernel_initializer)),
            "flow_scale": flow_scale,
            "input_pooling": input_pooling,
            "batchnorm_momentum": batchnorm_momentum,
            "dropout": dropout,
        }
        policy = self.dtype_policy
        self.backbone = backbones.build_backbone(
            backbone,
            self.channels,
            backbone_weights,
            batchnorm,
            flow_scale,
            input_pooling,
            batchnorm_momentum,
            dtype=policy,
        )
        if self.has_spatial_attention:
            self.class_activation = class_activation.ClassActivation(
                self.num_classes,
                units=cam_units,
                groups=cam_groups,
                pool=cam_pool,
                cam_class=cam_class,
                convolution_bias=cam_bias,
                kernel_initializer=cam_kernel_initializer,
                dtype=policy,
                name="class_activation",
            )
        self.weighted_pooling = weighted_pooling.WeightedPooling(dtype=policy, name="weighted_pooling")
        self.dropout = keras.layers.Dropout(dropout, dtype=policy, name="dropout")
        logits_dtype = masking.float_dtype(self)
        self.connection_classifier = keras.layers.Dense(
            self.num_classes, dtype=logits_dtype, name="connection_classifier"
        )
        if self.has_temporal_attention:
            # A plain RNN around the cell, not keras.layers.LSTM: cuDNN's kernel can neither be compiled by XLA nor take
            # a mask with gaps, and ten steps gain nothing from it.
            self.temporal_lstm = keras.layers.RNN(
                lstm_cell.LSTMCell(lstm_units, dtype=policy, name="lstm_cell"),
                return_sequences=True,
                dtype=policy,
                name="temporal_lstm",
            )
            self.temporal_affinity = temporal_affinity.TemporalAffinity(
                affinity_scale, dtype=policy, name="temporal_affinity"
            )
            self.temporal_classifier = keras.layers.Dense(
                self.num_classes, dtype=logits_dtype, name="temporal_classifier"
            )

    @property
    def has_spatial_attention(self) -> bool:
        """Whether there is a CAM head."""
        return self.attention in ("sa", "sta")

    @property
    def has_temporal_attention(self) -> bool:
        """Whether there is a temporal head."""
        return self.attention in ("ta", "sta")

    def build(self, clips_shape: tuple) -> None:
        """Creates the weights for clips of shape [B, T, H, W, channels]."""
        if len(clips_shape) != 5 or clips_shape[-1] != self.channels:
            raise ValueError(
                f"`clips` must be [B, T, H, W, {self.channels}]. Received: clips.shape={tuple(clips_shape)}"
            )
        map_shape = self.backbone.compute_output_shape((None, *clips_shape[2:]))
        alpha_shape = (clips_shape[0], clips_shape[1], map_shape[-1])
        if self.has_spatial_attention:
            self.class_activation.build(map_shape)
        self.connection_classifier.build(alpha_shape)
        if self.has_temporal_attention:
            self.temporal_lstm.build(alpha_shape)
            self.temporal_classifier.build((*alpha_shape[:-1], self._settings["lstm_units"]))

    def call(
        self,
        clips: keras.KerasTensor,
        mask: keras.KerasTensor | None = None,
        labels: keras.KerasTensor | None = None,
        training: bool | None = None,
        heads: bool = True,
    ) -> dict[str, keras.KerasTensor]:
        """See the class."""
        num_frames, *image_shape = ops.shape(clips)[1:]
        images = ops.reshape(clips, (-1, *image_shape))  # [B*T, H, W, channels]
        if mask is not None:
            mask = ops.cast(mask, "bool")
            images = _replace_padding(images, mask, num_frames)
        return self.attend(self.backbone(images, training=training), num_frames, mask, labels, training, heads)

    def attend(
        self,
        features: keras.KerasTensor,
        num_frames: int,
        mask: keras.KerasTensor | None = None,
        labels: keras.KerasTensor | None = None,
        training: bool | None = None,
        heads: bool = True,
    ) -> dict[str, keras.KerasTensor]:
        """What stands above the backbone; `call` is this on the backbone's output.

        Args:
            features: float [B*T, h, w, D], the frames of a clip one after the other.
            num_frames: T.
            mask: see the class, as are the others and what is returned.
            labels: likewise.
            training: likewise.
            heads: likewise.
        """
        outputs = {}

        def unfold(values: keras.KerasTensor) -> keras.KerasTensor:  # [B*T, ...] -> [B, T, ...]
            return ops.reshape(values, (-1, num_frames, *ops.shape(values)[1:]))

        if self.has_spatial_attention:
            frame_labels = None if labels is None else ops.repeat(labels, num_frames)
            spatial = self.class_activation(features, labels=frame_labels, training=training)
            alpha = unfold(self.weighted_pooling(features, spatial["attention"]))
            outputs["cam_logits"] = unfold(spatial["logits"])
            outputs["spatial_attention"] = unfold(spatial["attention"])
        else:
            alpha = unfold(self.weighted_pooling(features))
            outputs["spatial_attention"] = ops.ones_like(unfold(features)[..., 0], dtype=alpha.dtype)
        if self.has_temporal_attention:
            hidden = self.temporal_lstm(alpha, mask=mask, training=training)  # [B, T, U]
            temporal = self.temporal_affinity(hidden, alpha, mask=mask)
            outputs["temporal_attention"], outputs["beta"] = temporal["attention"], temporal["beta"]
            if heads:
                outputs["temporal_logits"] = self.temporal_classifier(self.dropout(hidden, training=training))
        else:
            outputs["temporal_attention"] = masking.uniform_weights(alpha, mask)
            outputs["beta"] = temporal_affinity.attend_frames(alpha, outputs["temporal_attention"])
        if mask is not None:
            outputs["spatial_attention"] = ops.where(
                mask[:, :, None, None], outputs["spatial_attention"], ops.zeros_like(outputs["spatial_attention"])
            )
        if heads:
            outputs["frame_logits"] = self.connection_classifier(self.dropout(alpha, training=training))
        video = self.dropout(ops.sum(outputs["beta"], axis=1), training=training)
        video_logits = self.connection_classifier(video)
        return {
            **outputs,
            "alpha": alpha,
            "video_logits": video_logits,
            "scores": ops.softmax(video_logits, axis=-1),
        }

    def compute_mask(self, *args: Any, **kwargs: Any) -> None:
        """None: the outputs carry no mask."""
        return None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, without `backbone_weights`."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "channels": self.channels,
            "backbone": self.backbone_name,
            "attention": self.attention,
            **self._settings,
        }


def _replace_padding(images: keras.KerasTensor, mask: keras.KerasTensor, num_frames: Any) -> keras.KerasTensor:
    """Puts the clip's first valid frame in place of each padded one: [B*T, ...] and bool [B, T] -> [B*T, ...]."""
    positions = ops.broadcast_to(ops.arange(num_frames, dtype="int32"), ops.shape(mask))
    first_valid = ops.cast(ops.argmax(ops.cast(mask, "int32"), axis=1, keepdims=True), "int32")
    clip_start = (ops.cumsum(ops.ones_like(first_valid), axis=0) - 1) * num_frames  # without needing to know B
    return ops.take(images, ops.reshape(clip_start + ops.where(mask, positions, first_valid), (-1,)), axis=0)
