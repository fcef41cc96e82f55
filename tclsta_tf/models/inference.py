"""Streams as they are served: batch normalisation folded into convolutions, and another precision."""

from typing import Any

import keras

from tclsta_tf.models import attention_stream


def fold_batch_normalization(backbone: keras.Model) -> keras.Model:
    """Builds an equal network for inference, in which normalisation is part of the convolution in front of it.

    A convolution w * x + b and the normalisation gamma (y - mean) / sqrt(variance + epsilon) + beta behind it are one
    convolution, w' = w * s and b' = (b - mean) * s + beta with s = gamma / sqrt(variance + epsilon). A normalisation
    with something else in front of it, as those of ResNet v2 before a block, stays.

    Args:
        backbone: made by `build_backbone`; it is not changed.

    Returns:
        A model of the same inputs and outputs; layers keep their names.
    """
    normalizations = _normalizations_behind_convolutions(backbone)
    folded_away = {layer.name for layer in normalizations.values()}

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if layer.name in normalizations:
            config["use_bias"] = True
        return type(layer).from_config(config)

    def call(layer: keras.layers.Layer, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return inputs if layer.name in folded_away else layer(inputs, *args, **kwargs)

    folded = keras.models.clone_model(backbone, clone_function=clone, call_function=call)
    for layer in backbone.layers:
        if layer.name in normalizations:
            folded.get_layer(layer.name).set_weights(_fold(layer, normalizations[layer.name]))
        elif layer.weights and layer.name not in folded_away:
            folded.get_layer(layer.name).set_weights(layer.get_weights())
    return folded


def _normalizations_behind_convolutions(backbone: keras.Model) -> dict[str, keras.layers.Layer]:
    """Finds, by the name of the convolution, each normalisation that is the only one to read a convolution."""
    producers = {id(layer.output): layer for layer in backbone.layers}
    readers: dict[int, int] = {}
    for layer in backbone.layers[1:]:
        for tensor in layer.input if isinstance(layer.input, list) else [layer.input]:
            readers[id(tensor)] = readers.get(id(tensor), 0) + 1
    found = {}
    for layer in backbone.layers:
        if not isinstance(layer, keras.layers.BatchNormalization):
            continue
        before = producers.get(id(layer.input))
        if isinstance(before, keras.layers.Conv2D) and readers[id(layer.input)] == 1 and before.get_config()[
            "activation"
        ] == "linear":  # fmt: skip
            found[before.name] = layer
    return found


def _fold(convolution: keras.layers.Conv2D, normalization: keras.layers.BatchNormalization) -> list[Any]:
    # In float64: the quotient of small numbers would otherwise cost more than the folding gains.
    kernel, *bias = (values.astype("float64") for values in convolution.get_weights())
    named = {weight.name: weight.numpy().astype("float64") for weight in normalization.weights}
    mean, variance = named["moving_mean"], named["moving_variance"]
    scale = named.get("gamma", 1.0) / (variance + normalization.epsilon) ** 0.5
    return [kernel * scale, (sum(bias) - mean) * scale + named.get("beta", 0.0)]


def with_precision(stream: attention_stream.AttentionStream, dtype: str) -> attention_stream.AttentionStream:
    """Builds the same stream with another dtype policy, e.g. `mixed_bfloat16`; the weights stay float32."""
    if stream.dtype_policy.name == dtype:
        return stream
    config = {name: value for name, value in stream.get_config().items() if name != "dtype"}
    other = type(stream).from_config({**config, "dtype": dtype})
    other.build((None, None, *stream.backbone.input.shape[1:3], stream.channels))
    other.set_weights(stream.get_weights())
    return other


class InferenceStream(keras.Model):
    """An `AttentionStream` with folded backbone, for inference only.

    Of the CAM head only the map of the class that is looked at is computed, and of the classifiers only the one that
    scores the video.

    Args:
        stream: built, trained.

    Call arguments:
        clips: uint8 or float [B, T, H, W, channels] in [0, 255].
        training: False or None.
        heads: ignored; there are none.

    Returns:
        What `AttentionStream` returns, without `frame_logits` and `temporal_logits`.
    """

    def __init__(self, stream: attention_stream.AttentionStream) -> None:
        super().__init__(name=stream.name, dtype=stream.dtype_policy, autocast=False)
        self.stream = stream
        self.folded = fold_batch_normalization(stream.backbone)

    def call(self, clips: Any, training: bool | None = None, heads: bool = False) -> dict[str, Any]:
        """See the class."""
        num_frames, *image_shape = clips.shape[1:]
        images = keras.ops.reshape(clips, (-1, *image_shape))  # [B*T, H, W, channels]
        return self.stream.attend(self.folded(images, training=False), num_frames, heads=False)
