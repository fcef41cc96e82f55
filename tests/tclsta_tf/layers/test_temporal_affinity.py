import numpy as np
import pytest

from tclsta_tf.layers import temporal_affinity


def make(**kwargs):
    return temporal_affinity.TemporalAffinity(affinity_scale=0.5, name="affinity", **kwargs)


def clip(rng, frames=4):
    return {
        "hidden": rng.normal(scale=0.5, size=(2, frames, 6)).astype("float32"),
        "alpha": rng.normal(size=(2, frames, 5)).astype("float32"),
    }


def expected(hidden, alpha, scale):
    """Eq. (4) to (6) for one clip, in float64 and with the paper's H of one column per frame."""
    H = hidden.T.astype("float64")
    C = np.tanh(scale * H.T @ H)
    gamma = np.ones(len(C)) @ C
    share = np.exp(gamma) / np.exp(gamma).sum()
    return share, alpha * share[:, None]


def test_contract(layer_contract, rng, tmp_path):
    inputs = {**clip(rng), "mask": np.array([[True] * 4, [True, True, True, False]])}
    layer_contract.check(make, inputs, [], tmp_path)


@pytest.mark.parametrize("scale", [1.0, 0.2])
def test_equations(rng, scale):
    inputs = clip(rng)
    outputs = temporal_affinity.TemporalAffinity(scale)(**inputs)
    for b in range(2):
        share, beta = expected(inputs["hidden"][b], inputs["alpha"][b], scale)
        assert np.ptp(share) > 1e-3
        np.testing.assert_allclose(np.asarray(outputs["attention"][b]), share, atol=1e-5)
        np.testing.assert_allclose(np.asarray(outputs["beta"][b]), beta, atol=1e-5)


def test_affinity_and_relevance_alone(rng):
    hidden = clip(rng)["hidden"]
    affinity = np.asarray(temporal_affinity.affinity_matrix(hidden, 0.3))
    for i in range(4):
        for j in range(4):
            np.testing.assert_allclose(
                affinity[:, i, j], np.tanh(0.3 * (hidden[:, i] * hidden[:, j]).sum(-1)), atol=1e-5
            )
    relevance = np.asarray(temporal_affinity.frame_relevance(affinity))
    np.testing.assert_allclose(relevance, sum(affinity[:, i] for i in range(4)), atol=1e-5)


def test_padded_frames_change_nothing(rng):
    inputs = clip(rng, frames=5)
    mask = np.array([[True, True, False, True, False]] * 2)
    short = make()(inputs["hidden"][:, mask[0]], inputs["alpha"][:, mask[0]])
    for junk in (1e4, np.nan):
        padded = {name: np.where(mask[..., None], value, np.float32(junk)) for name, value in inputs.items()}
        outputs = make()(**padded, mask=mask)
        for name in ("attention", "beta"):
            np.testing.assert_allclose(
                np.asarray(outputs[name])[mask], np.asarray(short[name]).reshape(-1, *short[name].shape[2:]), atol=1e-6
            )
            assert (np.asarray(outputs[name])[~mask] == 0).all()
    other = make()(**{name: np.where(mask[..., None], value, 0) for name, value in inputs.items()}, mask=mask)
    for name in ("attention", "beta"):
        np.testing.assert_array_equal(np.asarray(other[name]), np.asarray(outputs[name]))


def test_saturated_affinity_shares_equally():
    # With long states of one direction tanh is 1 everywhere: beta = alpha / T.
    outputs = temporal_affinity.TemporalAffinity()(np.ones((1, 4, 512), "float32"), np.ones((1, 4, 3), "float32"))
    np.testing.assert_allclose(np.asarray(outputs["beta"]), np.full((1, 4, 3), 0.25), rtol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_huge_inputs_give_weights_that_sum_to_one(rng, policy):
    inputs = {name: (1e4 * value).astype("float32") for name, value in clip(rng, frames=25).items()}
    outputs = make(dtype=policy)(**inputs)
    assert np.isfinite(np.asarray(outputs["beta"])).all()
    np.testing.assert_allclose(np.asarray(outputs["attention"]).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("scale", [0, -1.0, float("nan")])
def test_a_scale_that_is_not_positive_is_refused(scale):
    with pytest.raises(ValueError, match="`affinity_scale` must be positive"):
        temporal_affinity.TemporalAffinity(scale)
