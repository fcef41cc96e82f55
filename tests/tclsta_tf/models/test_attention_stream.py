import keras
import numpy as np
import pytest

from tclsta_tf import models

HEADS = {
    "none": ["connection_classifier/kernel", "connection_classifier/bias"],
    "sa": [f"class_activation/{w}" for w in ("convolution/kernel", "convolution/bias", "kernel", "bias")],
    "ta": [f"temporal_lstm/lstm_cell/{w}" for w in ("kernel", "recurrent_kernel", "bias")]
    + ["temporal_classifier/kernel", "temporal_classifier/bias"],
}
HEADS = {"none": HEADS["none"], "sa": HEADS["none"] + HEADS["sa"], "ta": HEADS["none"] + HEADS["ta"]}
HEADS["sta"] = HEADS["sa"] + HEADS["ta"][2:]
ALWAYS = {"frame_logits", "spatial_attention", "temporal_attention", "alpha", "beta", "video_logits", "scores"}


def make(**kwargs):
    config = {"backbone": "small", "cam_units": 6, "lstm_units": 4, "affinity_scale": 0.3, "name": "stream", **kwargs}
    return models.AttentionStream(5, **config)


@pytest.fixture
def clips(rng):
    return rng.integers(0, 256, (2, 3, 32, 32, 3)).astype("float32")


def arrays(outputs):
    return {name: np.asarray(value) for name, value in outputs.items()}


@pytest.mark.parametrize("attention", ["none", "sa", "ta", "sta"])
def test_contract(layer_contract, clips, tmp_path, attention):
    def build(**kwargs):
        return make(attention=attention, **kwargs)

    backbone = [v.path for v in models.build_backbone("small").variables]
    paths = backbone + [f"stream/{path}" for path in HEADS[attention]]
    # Argmax can turn on the rounding of 16-bit features, so these policies have a test of their own.
    layer_contract.check(build, {"clips": clips}, paths, tmp_path, mixed_tolerance=None)


@pytest.mark.parametrize("attention", ["none", "sa", "ta", "sta"])
def test_outputs(clips, attention):
    model = make(attention=attention)
    outputs = arrays(model(clips))
    heads = {"cam_logits"} if attention in ("sa", "sta") else set()
    heads |= {"temporal_logits"} if attention in ("ta", "sta") else set()
    assert set(outputs) == ALWAYS | heads
    assert outputs["spatial_attention"].shape == (2, 3, 2, 2)
    np.testing.assert_allclose(outputs["spatial_attention"].mean((2, 3)), 1, rtol=1e-6)
    np.testing.assert_allclose(outputs["temporal_attention"].sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(outputs["beta"], outputs["alpha"] * outputs["temporal_attention"][..., None], rtol=1e-5)
    np.testing.assert_allclose(outputs["scores"].sum(1), 1, rtol=1e-6)
    flat = np.ptp(outputs["spatial_attention"]) < 1e-6, np.ptp(outputs["temporal_attention"]) < 1e-6
    assert flat == (attention in ("none", "ta"), attention in ("none", "sa"))
    for name in ("frame_logits", *heads):
        assert outputs[name].shape == (2, 3, 5)
    assert all(value.dtype == np.float32 for value in outputs.values())
    kernel, bias = model.connection_classifier.get_weights()
    np.testing.assert_allclose(outputs["frame_logits"], outputs["alpha"] @ kernel + bias, atol=1e-4)
    video = outputs["beta"].sum(1) @ kernel + bias
    np.testing.assert_allclose(outputs["video_logits"], video, atol=1e-4)
    exponentials = np.exp(video - video.max(1, keepdims=True))
    np.testing.assert_allclose(outputs["scores"], exponentials / exponentials.sum(1, keepdims=True), atol=1e-5)
    features = np.asarray(model.backbone(clips.reshape(6, 32, 32, 3))).reshape(2, 3, 2, 2, -1)
    weighted = (features * outputs["spatial_attention"][..., None]).mean((2, 3))
    np.testing.assert_allclose(outputs["alpha"], weighted, atol=1e-4)


def test_without_heads_only_training_outputs_are_missing(clips):
    model = make()
    full, lean = arrays(model(clips)), arrays(model(clips, heads=False))
    assert set(full) - set(lean) == {"frame_logits", "temporal_logits"}
    for name, value in lean.items():
        np.testing.assert_array_equal(value, full[name])


def test_bytes_and_floats_give_the_same(clips):
    model = make()
    for a, b in zip(model(clips).values(), model(clips.astype("uint8")).values(), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize("attention", ["none", "sta"])
@pytest.mark.parametrize("training", [False, True])
def test_padded_frames_change_nothing(rng, clips, attention, training):
    mask = np.array([[True, True, False], [False, True, True]])
    weights = None
    results = []
    for junk in (0, 255, np.nan):
        model = make(attention=attention)
        model(clips)
        if weights is None:
            weights = model.get_weights()
        model.set_weights(weights)
        padded = np.where(mask[:, :, None, None, None], clips, np.float32(junk))
        results.append(arrays(model(padded, mask=mask, training=training)))
    for other in results[1:]:
        for name, value in other.items():
            np.testing.assert_array_equal(value, results[0][name], err_msg=name)
    assert all(np.isfinite(value).all() for value in results[0].values())
    assert (results[0]["beta"][~mask] == 0).all()
    if not training:
        short = arrays(model(clips[mask].reshape(2, 2, 32, 32, 3)))
        for name, value in short.items():
            result = results[0][name]
            result = result[mask].reshape(value.shape) if result.shape[1:2] == (3,) else result
            np.testing.assert_allclose(result, value, rtol=1e-4, atol=1e-5, err_msg=name)


def test_labels_are_those_of_the_clip(clips):
    model = make(cam_class="label", batchnorm="frozen")
    labels = np.array([4, 0])
    plain = arrays(model(clips, training=True))
    told = arrays(model(clips, labels=labels, training=True))
    kernel = np.asarray(model.class_activation.kernel)
    features = model.backbone(clips.reshape(6, 32, 32, 3))
    activations = np.asarray(model.class_activation.activate(features)).reshape(2, 3, 2, 2, -1)
    maps = np.einsum("btxyk,kb->btxy", activations, kernel[:, labels])
    expected = 4 * np.exp(maps) / np.exp(maps).sum((2, 3), keepdims=True)
    np.testing.assert_allclose(told["spatial_attention"], expected, atol=1e-4)
    assert not np.allclose(plain["spatial_attention"], told["spatial_attention"], atol=1e-4)
    tested = arrays(model(clips, labels=labels, training=False))
    np.testing.assert_array_equal(tested["spatial_attention"], plain["spatial_attention"])


def test_a_frame_knows_nothing_of_the_other_clips(clips):
    model = make()
    together, alone = arrays(model(clips)), arrays(model(clips[1:]))
    for name, value in alone.items():
        np.testing.assert_allclose(together[name][1:], value, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(clips, policy):
    model, half = make(cam_class="expected"), make(cam_class="expected", dtype=policy)
    expected = arrays(model(clips))
    half(clips)
    half.set_weights(model.get_weights())
    assert half.backbone(clips[0]).dtype != model.backbone(clips[0]).dtype
    for name, value in half(clips).items():
        assert keras.backend.standardize_dtype(value.dtype) == "float32"
        atol = 0.05 * np.abs(expected[name]).max()
        np.testing.assert_allclose(np.asarray(value), expected[name], rtol=0, atol=atol, err_msg=name)
    assert make().from_config(half.get_config()).dtype_policy.name == policy


def test_paths_do_not_depend_on_what_was_built_before(clips):
    def paths():
        model = models.AttentionStream(5, backbone="small", cam_units=6, lstm_units=4)
        model(clips)
        return [v.path for v in model.variables]

    keras.backend.clear_session()
    first = paths()
    keras.layers.LSTM(2), keras.layers.Dropout(0.5), make(attention="ta")
    assert paths() == first
    keras.backend.clear_session()
    assert paths() == first
    assert len(set(first)) == len(first)


def test_loading_needs_no_weights_file(rng, tmp_path):
    path = tmp_path / "small.weights.h5"
    models.build_backbone("small").save_weights(path)
    model = make(channels=20, backbone_weights=path, flow_scale=0.1, cam_groups=2)
    clips = rng.integers(0, 256, (1, 2, 32, 32, 20)).astype("uint8")
    expected = arrays(model(clips))
    model.save(tmp_path / "model.keras")
    path.unlink()
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for name, value in arrays(loaded(clips)).items():
        np.testing.assert_array_equal(value, expected[name])
    assert loaded.get_config() == model.get_config()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about tf.function")
def test_inside_a_function_with_an_unknown_batch(clips):
    import tensorflow as tf

    model = make()
    expected = arrays(model(clips, mask=np.ones((2, 3), bool), training=False))
    signature = [tf.TensorSpec([None, 3, 32, 32, 3], tf.uint8), tf.TensorSpec([None, 3], tf.bool)]
    function = tf.function(lambda c, m: model(c, mask=m, training=False), input_signature=signature)
    for name, value in function(tf.constant(clips, tf.uint8), tf.ones([2, 3], tf.bool)).items():
        np.testing.assert_allclose(value.numpy(), expected[name], rtol=1e-4, atol=1e-5, err_msg=name)
    specs = function.get_concrete_function().structured_outputs
    assert specs["scores"].shape.as_list() == [None, 5] and specs["alpha"].shape.as_list() == [None, 3, 128]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"attention": "both"}, "`attention` must be one of"),
        ({"lstm_units": 0}, "`lstm_units` must be at least 1"),
        ({"cam_pool": "max"}, "`pool` must be one of"),
        ({"backbone": "vgg"}, "`name` must be one of"),
    ],
)
def test_arguments_outside_their_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_clips_of_another_shape_are_refused(clips):
    for wrong in (clips[0], np.zeros((1, 2, 32, 32, 20), "uint8")):
        with pytest.raises(ValueError, match=r"`clips` must be \[B, T, H, W, 3\]"):
            make()(wrong)
