import keras
import numpy as np
import pytest

from tclsta_tf.layers import collaborative

NAMES = [
    "motion_projection",
    "static_guidance",
    "motion_scorer",
    "static_projection",
    "motion_guidance",
    "static_scorer",
]


def make(**kwargs):
    return collaborative.CollaborativeLearning(**{"width": 7, "rounds": 3, "name": "collaborative", **kwargs})


@pytest.fixture
def inputs(rng):
    return {
        "static": rng.normal(size=(2, 5, 6)).astype("float32"),
        "motion": rng.normal(size=(2, 5, 4)).astype("float32"),
    }


def softmax(values):
    exponentials = np.exp(values - values.max())
    return exponentials / exponentials.sum()


def algorithm_1(layer, static, motion, rounds):
    """Algorithm 1 for one video, in float64, with the paper's V of one column per frame."""
    w = {name: np.asarray(getattr(layer, name).kernel, "float64").T for name in NAMES}
    Vs, Vm = static.T.astype("float64"), motion.T.astype("float64")
    ones = np.ones((1, Vs.shape[1]))
    zs = np.full(Vs.shape[1], 1 / Vs.shape[1])
    zm = zs
    changes = []
    for _ in range(rounds):
        before = zs, zm
        Os = Vs @ zs
        H = np.tanh(w["motion_projection"] @ Vm + (w["static_guidance"] @ Os)[:, None] @ ones)
        zm = softmax((w["motion_scorer"] @ H)[0])
        Om = Vm @ zm
        H = np.tanh(w["static_projection"] @ Vs + (w["motion_guidance"] @ Om)[:, None] @ ones)
        zs = softmax((w["static_scorer"] @ H)[0])
        changes.append(max(np.abs(zs - before[0]).max(), np.abs(zm - before[1]).max()))
    return {
        "static_weights": zs,
        "motion_weights": zm,
        "static_features": Vs @ zs,
        "motion_features": Vm @ zm,
        "convergence": changes,
    }


def test_contract(layer_contract, inputs, tmp_path):
    mask = np.array([[True] * 5, [True, True, True, False, False]])
    paths = [f"collaborative/{name}/kernel" for name in NAMES]
    layer_contract.check(make, {**inputs, "mask": mask}, paths, tmp_path)


@pytest.mark.parametrize("rounds", [1, 2, 5])
@pytest.mark.parametrize("stop_guidance", [False, True])
def test_algorithm(inputs, rounds, stop_guidance):
    layer = make(rounds=rounds, stop_guidance=stop_guidance)
    outputs = {name: np.asarray(value) for name, value in layer(**inputs).items()}
    for b in range(2):
        expected = algorithm_1(layer, inputs["static"][b], inputs["motion"][b], rounds)
        assert set(expected) == set(outputs)
        for name, value in expected.items():
            np.testing.assert_allclose(outputs[name][b], value, atol=1e-5, err_msg=name)


def test_rounds_converge(inputs):
    convergence = np.asarray(make(rounds=30)(**inputs)["convergence"])
    assert (convergence[:, 0] > 1e-3).all() and (convergence[:, -1] < 1e-5).all()


def test_permuted_static_frames_permute_their_weights_only(rng, inputs):
    layer, order = make(), rng.permutation(5)
    plain = {name: np.asarray(value) for name, value in layer(**inputs).items()}
    permuted = layer(inputs["static"][:, order], motion=inputs["motion"])
    np.testing.assert_allclose(np.asarray(permuted["static_weights"]), plain["static_weights"][:, order], atol=1e-6)
    assert not np.allclose(plain["static_weights"], plain["static_weights"][:, order], atol=1e-3)
    for name in ("motion_weights", "static_features", "motion_features", "convergence"):
        np.testing.assert_allclose(np.asarray(permuted[name]), plain[name], atol=1e-6, err_msg=name)


def test_padded_frames_change_nothing(inputs):
    layer = make()
    mask = np.array([[True, False, True, True, False]] * 2)
    short = layer(inputs["static"][:, mask[0]], motion=inputs["motion"][:, mask[0]])
    results = []
    for junk in (1e4, np.nan):
        padded = {name: np.where(mask[..., None], value, np.float32(junk)) for name, value in inputs.items()}
        results.append({name: np.asarray(value) for name, value in layer(**padded, mask=mask).items()})
    for name, value in results[0].items():
        np.testing.assert_array_equal(results[1][name], value)
        if name.endswith("weights"):
            assert (value[~mask] == 0).all()
            value = value[mask].reshape(2, 3)
        np.testing.assert_allclose(value, np.asarray(short[name]), atol=1e-6, err_msg=name)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_huge_inputs_give_weights_that_sum_to_one(inputs, policy):
    layer = make(dtype=policy)
    outputs = layer(1e4 * inputs["static"], motion=1e4 * inputs["motion"])
    for value in outputs.values():
        assert np.isfinite(np.asarray(value)).all()
    for side in ("static", "motion"):
        np.testing.assert_allclose(np.asarray(outputs[f"{side}_weights"]).sum(1), 1, rtol=1e-5)


def test_stopped_guidance_trains_one_side_only(layer_contract, inputs):
    def loss(outputs):
        return keras.ops.sum(outputs["motion_features"] ** 2)

    motion_side = {f"collaborative/{name}/kernel" for name in NAMES[:3]}
    for stop_guidance, reached in ((True, motion_side), (False, {f"collaborative/{name}/kernel" for name in NAMES})):
        layer = make(stop_guidance=stop_guidance)
        layer(**inputs)
        gradients = layer_contract.gradients(layer, inputs, loss=loss)
        assert {path for path, value in gradients.items() if np.abs(value).max() > 0} == reached


@pytest.mark.parametrize("argument", ["width", "rounds"])
def test_sizes_below_one_are_refused(argument):
    with pytest.raises(ValueError, match=f"`{argument}` must be at least 1"):
        make(**{argument: 0})
