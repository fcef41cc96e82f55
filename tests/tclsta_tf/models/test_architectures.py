"""The networks that the paper names: maps, sizes as published, equality with keras.applications."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tclsta_tf.models import attention_stream, backbones, counting

# Of 64 pixels.
GRIDS = {"resnet50": 2, "resnet50v15": 2, "resnet50v2": 2, "vgg16": 4, "alexnet": 3, "googlenet": 2, "small": 4}


def images(rng, channels=3, size=64):
    return rng.integers(0, 256, (1, size, size, channels)).astype("uint8")


def test_every_backbone_is_tested():
    assert set(GRIDS) == set(backbones.NAMES)


@pytest.mark.parametrize("name", ["resnet50v15", "resnet50v2", "vgg16", "alexnet", "googlenet"])
@pytest.mark.parametrize("channels", [3, 20])
def test_maps_are_grids_that_are_not_negative(rng, name, channels):
    features = np.asarray(backbones.build_backbone(name, channels)(images(rng, channels)))
    assert features.shape[1:3] == (GRIDS[name],) * 2 and features.min() >= 0 and features.max() > 0


@pytest.mark.parametrize("name", ["resnet50v15", "resnet50v2", "vgg16", "alexnet", "googlenet"])
@pytest.mark.parametrize("channels", [3, 20])
def test_a_saved_network_is_the_same(rng, tmp_path, name, channels):
    model, frames = backbones.build_backbone(name, channels), images(rng, channels)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(again(frames)), np.asarray(model(frames)))


@pytest.mark.parametrize(
    ("name", "weights", "multiply_adds", "depth", "grid"),
    [
        ("resnet50", 25.6e6, 3.86e9, 2048, 7),
        ("resnet50v15", 25.6e6, 4.09e9, 2048, 7),
        ("resnet50v2", 25.6e6, 3.48e9, 2048, 7),
        ("vgg16", 138.4e6, 15.5e9, 512, 14),
        ("alexnet", 61.1e6, 0.714e9, 256, 13),
        ("googlenet", 7.0e6, 1.58e9, 1024, 7),
    ],
)
def test_full_networks_have_their_published_sizes(name, weights, multiply_adds, depth, grid):
    size = counting.count(name, classes=1000)
    assert size.weights == pytest.approx(weights, rel=0.01)
    assert size.multiply_adds == pytest.approx(multiply_adds, rel=0.02)
    assert (size.depth, size.grid) == (depth, (grid, grid))
    assert counting.count(name).weights < size.weights


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "module", "layer"),
    [("resnet50v2", keras.applications.resnet_v2, None), ("vgg16", keras.applications.vgg16, "block5_conv3")],
)
def test_applications_equal_their_originals(rng, tmp_path, name, module, layer):
    keras.utils.set_random_seed(1)
    original = (module.ResNet50V2 if name == "resnet50v2" else module.VGG16)(include_top=False, weights=None)
    original.save_weights(tmp_path / "plain.weights.h5")
    frames = images(rng)
    output = original.get_layer(layer).output if layer else original.output
    plain = keras.Model(original.input, output)
    expected = np.asarray(plain(module.preprocess_input(frames.astype("float32"))))
    model = backbones.build_backbone(name, weights=tmp_path / "plain.weights.h5")
    np.testing.assert_allclose(np.asarray(model(frames)), expected, rtol=1e-4, atol=1e-4 * expected.max())
    flow = backbones.build_backbone(name, 20, tmp_path / "plain.weights.h5")
    first = "conv1_conv" if name == "resnet50v2" else "block1_conv1"
    kernel = original.get_layer(first).get_weights()[0]
    np.testing.assert_allclose(flow.get_layer(first).get_weights()[0], np.stack([kernel.mean(2)] * 20, 2), rtol=1e-6)


@pytest.mark.parametrize("mode", ["partial", "frozen"])
@pytest.mark.parametrize(
    ("name", "first"),
    [("resnet50v2", "conv2_block1_preact_bn"), ("resnet50v15", "conv1_bn"), ("googlenet", "conv1_bn")],
)
def test_partial_leaves_the_first_normalisation_free(name, first, mode):
    model = backbones.build_backbone(name, batchnorm=mode)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms[0].name == first
    assert [layer.name for layer in norms if layer.trainable] == ([first] if mode == "partial" else [])


@pytest.mark.parametrize("name", backbones.NAMES)
def test_the_attention_model_stands_on_any_of_them(rng, name):
    model = attention_stream.AttentionStream(4, backbone=name, cam_units=8, lstm_units=8)
    outputs = model(rng.integers(0, 256, (1, 2, 64, 64, 3)).astype("uint8"))
    assert outputs["spatial_attention"].shape == (1, 2, GRIDS[name], GRIDS[name])
    np.testing.assert_allclose(np.asarray(outputs["scores"]).sum(), 1, rtol=1e-5)


@pytest.mark.parametrize("name", ["resnet50", "resnet50v15", "resnet50v2", "vgg16", "alexnet", "googlenet", "small"])
def test_every_layer_with_weights_is_in_one_part(name):
    model = backbones.build_backbone(name)
    stages = backbones.STAGES[name]
    owners = [[stage for stage in stages if layer.name.startswith(stage)] for layer in model.layers if layer.weights]
    # What closes ResNet v2 belongs to no part and is always trained.
    assert all(len(own) == 1 for own in owners[: -1 if name == "resnet50v2" else None])
    order = [stages.index(own[0]) for own in owners if own]
    assert order == sorted(order) and set(order) == set(range(len(stages)))
    assert backbones.stages_until(name, stages[1]) == stages[:2] and backbones.stages_until(name, "") == ()


def test_own_weights_are_inflated_for_flow(tmp_path):
    plain = backbones.build_backbone("resnet50v15")
    plain.save_weights(tmp_path / "plain.weights.h5")
    flow = backbones.build_backbone("resnet50v15", 20, tmp_path / "plain.weights.h5", "partial")
    kernel = plain.get_layer("conv1_conv").get_weights()[0]
    np.testing.assert_allclose(
        flow.get_layer("conv1_conv").get_weights()[0], np.stack([kernel.mean(2)] * 20, 2), rtol=1e-6
    )
    for name in ("conv2_block1_0_conv", "conv5_block3_3_conv"):
        np.testing.assert_array_equal(flow.get_layer(name).get_weights()[0], plain.get_layer(name).get_weights()[0])


@pytest.mark.parametrize("attention", ["none", "sa"])
@pytest.mark.parametrize("channels", [3, 20])
def test_work_of_a_stream_against_tensorflows_profiler(attention, channels):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the profiler is TensorFlow's")
    stream = attention_stream.AttentionStream(
        5, channels=channels, backbone="small", attention=attention, cam_units=16, cam_groups=2
    )
    clips = tf.zeros([1, 4, 64, 64, channels], tf.uint8)
    graph = tf.function(lambda: stream(clips, training=False)).get_concrete_function().graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    counted = tf.compat.v1.profiler.profile(graph, options=options).total_float_ops / 2 / 4
    size = counting.count_stream(stream, 64)
    # The profiler counts additions of biases and the like too.
    assert 1 <= counted / size.multiply_adds < 1.03
    assert size.weights == sum(np.prod(weight.shape) for weight in stream.weights)


def test_work_of_the_temporal_head():
    sizes = []
    for attention in ("none", "ta"):
        stream = attention_stream.AttentionStream(5, backbone="small", attention=attention, lstm_units=12)
        stream(np.zeros([1, 2, 64, 64, 3], np.uint8))
        sizes.append(counting.count_stream(stream, 64).multiply_adds)
    assert sizes[1] - sizes[0] == 4 * 12 * (128 + 12) + 12 * 5
