import keras
import numpy as np
import pytest

from tclsta_tf.layers import class_activation

PATHS = ["head/convolution/kernel", "head/convolution/bias", "head/kernel", "head/bias"]
GROUP_PATHS = [f"head/convolution_{g}/{w}" for g in (0, 1) for w in ("kernel", "bias")] + PATHS[2:]


def make(**kwargs):
    config = {"num_classes": 4, "units": 6, "convolution_bias": 0.5, "name": "head", **kwargs}
    return class_activation.ClassActivation(**config)


@pytest.fixture
def features(rng):
    return rng.normal(size=(3, 5, 4, 8)).astype("float32")


def convolve(features, kernel, bias):
    """ReLU of a 3x3 convolution with a border of zeros, one output cell at a time."""
    padded = np.pad(features.astype("float64"), ((0, 0), (1, 1), (1, 1), (0, 0)))
    outputs = np.zeros((*features.shape[:3], kernel.shape[-1]))
    for x in range(features.shape[1]):
        for y in range(features.shape[2]):
            outputs[:, x, y] = np.tensordot(padded[:, x : x + 3, y : y + 3], kernel, axes=3) + bias
    return np.maximum(outputs, 0)


def expected(layer, features, classes=None):
    """Eq. (1) to (3) in float64, by the full set of C maps; `classes` None: each image's largest logit."""
    weights = {v.path: np.asarray(v, "float64") for v in layer.variables}
    if layer.groups == 1:
        a = convolve(features, weights[PATHS[0]], weights[PATHS[1]])
    else:
        halves = features[..., :4], features[..., 4:]
        a = np.concatenate(
            [convolve(halves[g], *(weights[p] for p in GROUP_PATHS[2 * g : 2 * g + 2])) for g in (0, 1)], -1
        )
    maps = np.einsum("bxyk,kc->bcxy", a, weights["head/kernel"])
    pooled = maps.mean((2, 3)) if layer.pool == "mean" else maps.sum((2, 3))
    logits = pooled + weights["head/bias"]
    if layer.cam_class == "expected":
        p = np.exp(logits - logits.max(1, keepdims=True))
        m = np.einsum("bc,bcxy->bxy", p / p.sum(1, keepdims=True), maps)
    else:
        m = maps[np.arange(len(maps)), logits.argmax(1) if classes is None else classes]
    exponentials = np.exp(m)
    return logits, m[0].size * exponentials / exponentials.sum((1, 2), keepdims=True)


def check_equal(layer, outputs, features, classes=None):
    logits, attention = expected(layer, features, classes)
    np.testing.assert_allclose(np.asarray(outputs["logits"]), logits, atol=1e-5)
    np.testing.assert_allclose(np.asarray(outputs["attention"]), attention, atol=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
def test_contract(layer_contract, features, tmp_path, groups):
    def build(**kwargs):
        return make(groups=groups, **kwargs)

    layer_contract.check(build, {"features": features}, PATHS if groups == 1 else GROUP_PATHS, tmp_path)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("pool", ["mean", "sum"])
@pytest.mark.parametrize("cam_class", ["predicted", "label", "expected"])
def test_equations(features, groups, pool, cam_class):
    # Small weights, for the sum over the grid is twenty times the mean.
    layer = make(
        groups=groups, pool=pool, cam_class=cam_class, kernel_initializer=keras.initializers.RandomNormal(0, 0.05)
    )
    outputs = layer(features)
    layer.bias.assign([0.3, -0.2, 0.1, 0.4])
    outputs = layer(features)
    assert np.ptp(np.asarray(outputs["attention"])) > 0.01
    check_equal(layer, outputs, features)


def test_label_counts_in_training_only(features):
    layer = make(cam_class="label")
    predicted = np.asarray(layer(features)["logits"]).argmax(1)
    labels = (predicted + 1) % 4
    check_equal(layer, layer(features, labels=labels, training=True), features, labels)
    check_equal(layer, layer(features, labels=labels, training=False), features, predicted)
    check_equal(layer, layer(features, training=True), features, predicted)
    unmoved = make()
    unmoved(features)
    unmoved.set_weights(layer.get_weights())
    check_equal(unmoved, unmoved(features, labels=labels, training=True), features, predicted)


def test_release_preset_initialises_as_told(features):
    layer = make(
        num_classes=4,
        units=64,
        groups=2,
        convolution_bias=1.0,
        kernel_initializer=keras.initializers.RandomNormal(0, 0.01),
    )
    layer(np.zeros((1, 7, 7, 128), "float32"))
    weights = {v.path: np.asarray(v) for v in layer.variables}
    for group in (0, 1):
        kernel = weights[f"head/convolution_{group}/kernel"]
        assert kernel.shape == (3, 3, 64, 32)
        np.testing.assert_allclose(kernel.std(), 0.01, rtol=0.05)
        assert (weights[f"head/convolution_{group}/bias"] == 1).all()
    assert not np.array_equal(weights["head/convolution_0/kernel"], weights["head/convolution_1/kernel"])


def test_normalised_map_has_mean_one_and_a_flat_one_is_one_exactly(rng):
    maps = rng.normal(scale=3, size=(4, 7, 7)).astype("float32")
    attention = np.asarray(class_activation.normalise_map(maps))
    np.testing.assert_allclose(attention.mean((1, 2)), 1, rtol=1e-6)
    for value in (0.1, -3.7, 1e4):
        flat = np.asarray(class_activation.normalise_map(np.full((1, 7, 7), value, "float32")))
        np.testing.assert_array_equal(flat, np.ones((1, 7, 7)))


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("pool", ["mean", "sum"])
def test_huge_features_give_finite_logits_and_a_map_of_mean_one(rng, policy, pool):
    features = (1e4 * np.abs(rng.normal(size=(2, 7, 7, 64)))).astype("float32")
    # Sums of about 5e5 in the convolution, seven times the largest float16.
    kernel = keras.initializers.RandomNormal(0.1, 0.1)
    outputs = make(dtype=policy, pool=pool, units=32, kernel_initializer=kernel)(features)
    assert np.isfinite(np.asarray(outputs["logits"])).all()
    np.testing.assert_allclose(np.asarray(outputs["attention"]).mean((1, 2)), 1, rtol=1e-5)


def test_the_attention_trains_the_activations(layer_contract, features):
    def loss(outputs):
        return keras.ops.sum(outputs["attention"][:, 0, 0])

    layer = make()
    layer(features)
    gradients = layer_contract.gradients(layer, {"features": features}, loss=loss)
    assert all(np.abs(gradients[path]).max() > 0 for path in PATHS if path != "head/bias")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 0}, "`num_classes` must be at least 1"),
        ({"groups": 3}, "`groups` must be 1 or 2"),
        ({"units": 5, "groups": 2}, "`units` must be a positive multiple"),
        ({"pool": "max"}, "`pool` must be one of"),
        ({"cam_class": "best"}, "`cam_class` must be one of"),
    ],
)
def test_arguments_outside_their_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_features_that_do_not_split_are_refused():
    with pytest.raises(ValueError, match="divisible by groups=2"):
        make(groups=2)(np.zeros((1, 2, 2, 3), "float32"))
