import keras
import numpy as np
import pytest

from tclsta_tf import models

PAPER = [
    f"network/collaborative/{name}/kernel"
    for name in (
        "motion_projection",
        "static_guidance",
        "motion_scorer",
        "static_projection",
        "motion_guidance",
        "static_scorer",
    )
] + [f"network/{side}_classifier/{w}" for side in ("static", "motion") for w in ("kernel", "bias")]
STEPS = ("motion_attention", "static_attention", "guided_motion_attention")
RELEASE = (
    [f"network/{step}/{w}" for step in STEPS for w in ("projection/kernel", "projection/bias", "scorer/kernel")]
    + [f"network/{step}/guidance/kernel" for step in STEPS[1:]]
    + [
        f"network/{d}/{w}"
        for d in ("hidden", "classifier", "static_embedding", "motion_embedding")
        for w in ("kernel", "bias")
    ]
)
STATES = [f"{name}_dropout/seed_generator_state" for name in ("network", *STEPS)]


def make(preset, **kwargs):
    return models.CollaborativeNetwork(3, preset, **{"width": 7, "hidden_units": 8, "name": "network", **kwargs})


@pytest.fixture
def features(rng):
    return {side: rng.normal(size=(2, 5, 6)).astype("float32") for side in ("static", "motion")}


def arrays(outputs):
    return {name: np.asarray(value) for name, value in outputs.items()}


def softmax(values):
    exponentials = np.exp(values - values.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


@pytest.mark.parametrize("preset", ["paper", "release"])
def test_contract(layer_contract, features, tmp_path, preset):
    def build(**kwargs):
        return make(preset, seed=1, **kwargs)

    paths = PAPER if preset == "paper" else RELEASE + STATES
    layer_contract.check(build, {"inputs": features}, paths, tmp_path)


def test_paper_heads(features):
    network = make("paper")
    outputs = arrays(network(features))
    for side in ("static", "motion"):
        merged = np.einsum("bn,bnd->bd", outputs[f"{side}_weights"], features[side])
        np.testing.assert_allclose(outputs[f"{side}_features"], merged, atol=1e-5)
        kernel, bias = getattr(network, f"{side}_classifier").get_weights()
        np.testing.assert_allclose(outputs[f"{side}_logits"], merged @ kernel + bias, atol=1e-5)
        np.testing.assert_allclose(outputs[f"{side}_scores"], softmax(outputs[f"{side}_logits"]), atol=1e-6)
    assert outputs["convergence"].shape == (2, 3)


def test_release_equations(rng, features):
    """The released network step by step, in float64, every bias set to something."""
    network = make("release")
    network(features)
    network.set_weights(
        [w if w.dtype == np.uint32 else rng.normal(scale=0.5, size=w.shape) for w in network.get_weights()]
    )
    w = {v.path.removeprefix("network/"): np.asarray(v, "float64") for v in network.trainable_variables}

    def dense(name, values):
        return values @ w[f"{name}/kernel"] + w[f"{name}/bias"]

    def attend(step, values, guide=None):
        hidden = dense(f"{step}/projection", values)
        if guide is not None:
            hidden = hidden + (guide @ w[f"{step}/guidance/kernel"])[:, None]
        z = softmax((np.tanh(hidden) @ w[f"{step}/scorer/kernel"])[..., 0])
        return z, np.einsum("bn,bnd->bd", z, values)

    static, motion = (np.tanh(dense(f"{side}_embedding", features[side])) for side in ("static", "motion"))
    _, summary = attend("motion_attention", motion)
    static_weights, attended_static = attend("static_attention", static, summary)
    motion_weights, attended_motion = attend("guided_motion_attention", motion, attended_static)
    logits = dense("classifier", np.tanh(dense("hidden", attended_static + attended_motion)))
    outputs = arrays(network(features))
    expected = {
        "logits": logits,
        "scores": softmax(logits),
        "static_weights": static_weights,
        "motion_weights": motion_weights,
    }
    assert set(outputs) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(outputs[name], value, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("preset", ["paper", "release"])
def test_padded_frames_change_nothing(features, preset):
    network = make(preset)
    mask = np.array([[True, False, True, True, False]] * 2)
    short = arrays(network({side: value[:, mask[0]] for side, value in features.items()}))
    results = []
    for junk in (1e4, np.nan):
        padded = {side: np.where(mask[..., None], value, np.float32(junk)) for side, value in features.items()}
        results.append(arrays(network(padded, mask=mask)))
    for name, value in results[0].items():
        np.testing.assert_array_equal(results[1][name], value)
        value = value[mask].reshape(2, 3) if name.endswith("weights") else value
        np.testing.assert_allclose(value, short[name], atol=1e-5, err_msg=name)


def test_permuted_static_frames_permute_their_weights_only(rng, features):
    network, order = make("paper"), rng.permutation(5)
    plain = arrays(network(features))
    permuted = arrays(network({**features, "static": features["static"][:, order]}))
    np.testing.assert_allclose(permuted["static_weights"], plain["static_weights"][:, order], atol=1e-6)
    for name in set(plain) - {"static_weights"}:
        np.testing.assert_allclose(permuted[name], plain[name], atol=1e-5, err_msg=name)


@pytest.mark.parametrize("preset", ["paper", "release"])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_huge_features_give_finite_scores(features, preset, policy):
    outputs = arrays(make(preset, dtype=policy)({side: 1e4 * value for side, value in features.items()}))
    assert all(np.isfinite(value).all() for value in outputs.values())


def test_dropout_belongs_to_the_training_of_the_release(features):
    for preset in ("paper", "release"):
        network = make(preset)
        testing = arrays(network(features))
        training = arrays(network(features, training=True))
        same = all(np.array_equal(training[name], value) for name, value in testing.items())
        assert same == (preset == "paper")
    seeded = [np.asarray(make("release", seed=5)(features, training=True)["logits"]).shape for _ in range(2)]
    assert seeded == [(2, 3)] * 2


@pytest.mark.parametrize(("side", "other"), [("static", "motion"), ("motion", "static")])
def test_with_stopped_guidance_a_loss_reaches_its_side_variables_only(layer_contract, features, side, other):
    def loss(outputs):
        return keras.ops.sum(outputs[f"{side}_logits"] ** 2)

    network = make("paper", stop_guidance=True)
    network(features)
    gradients = layer_contract.gradients(network, {"inputs": features}, loss=loss)
    reached = {path for path, value in gradients.items() if np.abs(value).max() > 0}
    assert reached == {v.path for v in network.side_variables(side)}
    assert not reached & {v.path for v in network.side_variables(other)}
    assert len(reached) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"preset": "both"}, "`preset` must be one of"),
        ({"preset": "release", "dropout": 1.0}, "`dropout` must be in"),
        ({"preset": "paper", "rounds": 0}, "`rounds` must be at least 1"),
        ({"preset": "release", "hidden_units": 0}, "`hidden_units` must be at least 1"),
    ],
)
def test_arguments_outside_their_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_inputs_that_do_not_fit_are_refused(features):
    with pytest.raises(ValueError, match="`inputs` must have the keys"):
        make("paper")({"static": features["static"]})
    with pytest.raises(ValueError, match="features of one size"):
        make("release")({"static": features["static"], "motion": features["motion"][..., :4]})
    with pytest.raises(ValueError, match="`side` must be one of"):
        make("release").side_variables("static")


def test_the_release_network_cannot_start_from_the_streams_classifiers():
    network = make("release")
    with pytest.raises(ValueError, match="`start_from` needs the paper preset. Received: preset='release'"):
        network.start_from([], [])
