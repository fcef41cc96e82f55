import keras
import numpy as np
import pytest

from tclsta_tf.models import backbones


def images(rng, channels=3, batch=2, size=32):
    return rng.integers(0, 256, (batch, size, size, channels)).astype("uint8")


def batchnorms(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


@pytest.fixture(scope="module")
def resnet50_file(tmp_path_factory):
    """Weights of a plain ResNet-50 from keras.applications with statistics that are not the initial ones."""
    keras.utils.set_random_seed(1)
    model = keras.applications.ResNet50(include_top=False, weights=None)
    for layer in batchnorms(model):
        gamma, beta, mean, variance = layer.get_weights()
        layer.set_weights([gamma, beta, mean + 0.01, variance * 1.1])
    path = tmp_path_factory.mktemp("weights") / "resnet50.weights.h5"
    model.save_weights(path)
    return path, model


def test_inflation_by_hand():
    kernel = np.array([3.0, 6.0, 9.0, 1.0, 2.0, 6.0]).reshape(1, 2, 3, 1)
    inflated = backbones.inflate_first_convolution(kernel, 4)
    np.testing.assert_array_equal(inflated, [[[[6], [6], [6], [6]], [[3], [3], [3], [3]]]])
    with pytest.raises(ValueError, match="`kernel` must be"):
        backbones.inflate_first_convolution(kernel[0], 4)


@pytest.mark.parametrize("channels", [3, 20])
def test_small_contract(layer_contract, rng, tmp_path, channels):
    def make(dtype=None):
        return backbones.build_backbone("small", channels, dtype=dtype)

    model = make()
    paths = [f"{layer.name}/{w.name}" for layer in model.layers for w in layer.weights]
    assert 200_000 < model.count_params() < 400_000
    # TensorFlow's convolutions on a CPU also add up in 16 bits.
    layer_contract.check(make, {"images": images(rng, channels)}, paths, tmp_path, mixed_tolerance=0.2)
    assert paths[0] == "stem_conv/kernel"


@pytest.mark.parametrize(("size", "grid"), [(96, 6), (112, 7)])
def test_small_has_stride_16(size, grid):
    assert backbones.build_backbone("small").compute_output_shape((None, size, size, 3)) == (None, grid, grid, 128)


def test_small_trains_from_scratch(rng):
    """Eight images learnt by heart, tested with the stored averages: batch normalisation has settled too."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [backbones.build_backbone("small"), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss, metrics=["accuracy"], jit_compile=False)
    x, y = images(rng, batch=8).astype("float32"), np.arange(8) % 4
    model.fit(x, y, batch_size=8, epochs=25, verbose=0, shuffle=False)
    assert model.evaluate(x, y, batch_size=8, verbose=0)[1] == 1


@pytest.mark.parametrize("mode", ["batch", "partial", "frozen"])
def test_batchnorm_modes(rng, mode):
    model = backbones.build_backbone("small", batchnorm=mode)
    model.trainable = True
    norms = batchnorms(model)
    names = [layer.name for layer in norms]
    free = {"batch": names, "partial": ["stem_bn"], "frozen": []}[mode]
    assert [layer.name for layer in norms if layer.trainable] == free
    before = {layer.name: layer.get_weights() for layer in norms}
    model(images(rng), training=False)
    assert all(np.array_equal(layer.get_weights()[2], before[layer.name][2]) for layer in norms)
    model(images(rng), training=True)
    assert [n.name for n in norms if not np.array_equal(n.get_weights()[2], before[n.name][2])] == free


def test_synchronized_batchnorm():
    if keras.backend.backend() == "tensorflow":
        assert all(
            layer.synchronized for layer in batchnorms(backbones.build_backbone("small", batchnorm="synchronized"))
        )
        assert not any(layer.synchronized for layer in batchnorms(backbones.build_backbone("small")))
    else:
        with pytest.raises(ValueError, match="needs the TensorFlow backend"):
            backbones.build_backbone("small", batchnorm="synchronized")


def test_resnet50_for_flow(rng, resnet50_file, recwarn):
    path, plain = resnet50_file
    model = backbones.build_backbone("resnet50", 20, path, "partial", dtype="mixed_bfloat16")
    assert not [warning for warning in recwarn if issubclass(warning.category, UserWarning)]
    assert model.input.shape == (None, None, None, 20)
    assert [layer.name for layer in batchnorms(model) if layer.trainable] == ["conv1_bn"]
    assert len(batchnorms(model)) == 53
    for layer in plain.layers:
        for i, expected in enumerate(layer.get_weights()):
            if layer.name == "conv1_conv" and i == 0:
                expected = np.stack([expected.mean(2)] * 20, axis=2)
            np.testing.assert_allclose(model.get_layer(layer.name).get_weights()[i], expected, rtol=1e-6)
    assert model(images(rng, 20, size=64)).shape == (2, 2, 2, 2048)
    assert {layer.compute_dtype for layer in model.layers if layer.weights} == {"bfloat16"}


@pytest.mark.slow
def test_resnet50_for_frames_equals_keras_applications(rng, resnet50_file):
    path, plain = resnet50_file
    model = backbones.build_backbone("resnet50", weights=path)
    frames = images(rng, size=64)
    expected = plain(keras.applications.resnet50.preprocess_input(frames.astype("float32")))
    assert np.asarray(expected).std() > 0.1
    np.testing.assert_allclose(np.asarray(model(frames)), np.asarray(expected), rtol=1e-4, atol=1e-4)


def test_small_weights_of_a_file(tmp_path):
    plain = backbones.build_backbone("small")
    plain.save_weights(tmp_path / "small.weights.h5")
    model = backbones.build_backbone("small", 20, str(tmp_path / "small.weights.h5"))
    expected = np.stack([plain.get_layer("stem_conv").get_weights()[0].mean(2)] * 20, axis=2)
    np.testing.assert_allclose(model.get_layer("stem_conv").get_weights()[0], expected, rtol=1e-6)
    np.testing.assert_array_equal(
        plain.get_layer("stage4_conv").get_weights()[0], model.get_layer("stage4_conv").get_weights()[0]
    )


@pytest.mark.parametrize("name", ["small", "vgg16"])
def test_weights_of_a_file_for_flow(tmp_path, name):
    """Those of vgg16 are read by the network of keras.applications where they are for RGB."""
    plain = backbones.build_backbone(name, 20)
    plain.save_weights(tmp_path / "flow.weights.h5")
    model = backbones.build_backbone(name, 20, tmp_path / "flow.weights.h5", "frozen")
    for layer in plain.layers:
        for ours, theirs in zip(model.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match=f"file of the backbone '{name}' for 3 channels. Received"):
        backbones.build_backbone(name, 3, tmp_path / "flow.weights.h5")
    with pytest.raises(ValueError, match=f"file of the backbone '{name}' for 10 or 3 channels. Received"):
        backbones.build_backbone(name, 10, tmp_path / "flow.weights.h5")


@pytest.mark.slow
def test_weights_of_another_architecture_are_refused(tmp_path, resnet50_file):
    with pytest.raises(ValueError, match=r"`weights` must be a .weights.h5 file of the backbone 'small'"):
        backbones.build_backbone("small", weights=resnet50_file[0])
    backbones.build_backbone("small").save_weights(tmp_path / "small.weights.h5")
    with pytest.raises(ValueError, match="file of the backbone 'resnet50'"):
        backbones.build_backbone("resnet50", weights=tmp_path / "small.weights.h5")


def test_weights_that_are_none_or_not_all_are_refused(tmp_path):
    (tmp_path / "text.weights.h5").write_text("nothing")
    whole = backbones.build_backbone("small")
    part = keras.Model(whole.input, whole.get_layer("stage3_relu").output)
    part.save_weights(tmp_path / "part.weights.h5")
    for name in ("text", "part"):
        with pytest.raises(ValueError, match="file of the backbone 'small'"):
            backbones.build_backbone("small", weights=tmp_path / f"{name}.weights.h5")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet"}, "`name` must be one of"),
        ({"batchnorm": "none"}, "`batchnorm` must be one of"),
        ({"channels": 5}, "`channels` must be 3"),
        ({"channels": 0}, "`channels` must be 3"),
        ({"weights": "imagenet"}, "exists for resnet50, resnet50v2, vgg16; give the path"),
        ({"weights": "/no/such/file"}, "an existing file. Received: weights='/no/such/file'"),
        ({"channels": 20, "flow_scale": 0}, "`scale` must be positive"),
    ],
)
def test_arguments_outside_their_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        backbones.build_backbone(**{"name": "small", **arguments})


def test_the_momentum_of_stored_averages_can_be_set_and_is_saved(tmp_path):
    model = backbones.build_backbone("small", batchnorm_momentum=0.5)
    model.save(tmp_path / "backbone.keras")
    for made in (model, keras.saving.load_model(tmp_path / "backbone.keras")):
        assert {layer.momentum for layer in batchnorms(made)} == {0.5}
    assert {layer.momentum for layer in batchnorms(backbones.build_backbone("small"))} == {0.9}
