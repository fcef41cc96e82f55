"""Streams for inference: equal to those that were trained, with fewer layers."""

import keras
import numpy as np
import pytest

from tclsta_tf.models import attention_stream, backbones, inference


def _draw_statistics(backbone, rng):
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            positive = ("gamma", "moving_variance")
            layer.set_weights(
                [
                    rng.uniform(0.5, 1.5, weight.shape) if weight.name in positive else rng.normal(0, 0.3, weight.shape)
                    for weight in layer.weights
                ]
            )


# Of ResNet v2 those normalisations stay that stand in front of a block.
@pytest.mark.parametrize(
    ("name", "left"), [("resnet50", 0), ("resnet50v15", 0), ("resnet50v2", 17), ("googlenet", 0), ("small", 0)]
)
def test_folding_changes_no_output(rng, name, left):
    backbone = backbones.build_backbone(name, 20)
    _draw_statistics(backbone, rng)
    folded = inference.fold_batch_normalization(backbone)
    images = rng.integers(0, 256, (2, 64, 64, 20)).astype("uint8")
    expected = np.asarray(backbone(images, training=False))
    np.testing.assert_allclose(folded(images), expected, atol=2e-5 * np.abs(expected).max())
    kept = [layer for layer in folded.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(kept) == left
    assert len(folded.weights) < len(backbone.weights)


@pytest.mark.parametrize("mode", ["partial", "frozen"])
def test_frozen_normalisation_is_folded_too(rng, mode):
    backbone = backbones.build_backbone("small", 3, batchnorm=mode)
    _draw_statistics(backbone, rng)
    folded = inference.fold_batch_normalization(backbone)
    images = rng.integers(0, 256, (1, 48, 48, 3)).astype("uint8")
    np.testing.assert_allclose(folded(images), backbone(images, training=False), rtol=1e-4, atol=1e-4)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in folded.layers)


def test_a_convolution_that_something_else_reads_too_is_left_alone(rng):
    images = keras.Input((8, 8, 3))
    convolved = keras.layers.Conv2D(4, 3, name="shared")(images)
    normalised = keras.layers.BatchNormalization(name="bn")(convolved)
    network = keras.Model(images, keras.layers.Add()([convolved, normalised]))
    _draw_statistics(network, rng)
    folded = inference.fold_batch_normalization(network)
    sample = rng.normal(size=(1, 8, 8, 3)).astype("float32")
    np.testing.assert_allclose(folded(sample), network(sample, training=False), atol=1e-6)
    assert any(isinstance(layer, keras.layers.BatchNormalization) for layer in folded.layers)


def test_the_stream_answers_as_before_without_the_heads_of_training(rng):
    stream = attention_stream.AttentionStream(5, backbone="small", cam_units=8, lstm_units=8)
    clips = rng.integers(0, 256, (2, 3, 48, 48, 3)).astype("uint8")
    expected = stream(clips, training=False)
    _draw_statistics(stream.backbone, rng)
    expected = stream(clips, training=False)
    found = inference.InferenceStream(stream)(clips)
    assert set(found) == set(expected) - {"frame_logits", "temporal_logits"}
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_another_precision_keeps_the_weights(rng):
    stream = attention_stream.AttentionStream(5, backbone="small", cam_units=8, lstm_units=8)
    clips = rng.integers(0, 256, (1, 2, 48, 48, 3)).astype("uint8")
    expected = stream(clips, training=False)
    other = inference.with_precision(stream, "mixed_bfloat16")
    assert other.backbone.output.dtype == "bfloat16" and stream.backbone.output.dtype == "float32"
    for before, after in zip(stream.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert 0 < np.abs(np.asarray(other(clips)["scores"]) - expected["scores"]).max() < 0.02
    assert inference.with_precision(stream, "float32") is stream
