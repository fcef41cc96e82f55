import numpy as np
import pytest

from tclsta_tf.layers import guided_attention

PATHS = ["step/projection/kernel", "step/projection/bias", "step/guidance/kernel", "step/scorer/kernel"]
STATE = ["step_dropout/seed_generator_state"]


def make(**kwargs):
    return guided_attention.GuidedAttention(**{"width": 7, "dropout": 0.25, "seed": 3, "name": "step", **kwargs})


@pytest.fixture
def inputs(rng):
    return {
        "values": rng.normal(size=(2, 5, 6)).astype("float32"),
        "guide": rng.normal(size=(2, 4)).astype("float32"),
    }


def test_contract(layer_contract, inputs, tmp_path):
    mask = np.array([[True] * 5, [True, True, True, False, False]])
    layer_contract.check(make, {**inputs, "mask": mask}, PATHS + STATE, tmp_path)


def test_contract_without_a_guide(layer_contract, inputs, tmp_path):
    def build(**kwargs):
        return make(guided=False, **kwargs)

    paths = [path for path in PATHS if "guidance" not in path] + STATE
    layer_contract.check(build, {"values": inputs["values"]}, paths, tmp_path)


@pytest.mark.parametrize("guided", [True, False])
def test_equation(rng, inputs, guided):
    layer = make(guided=guided)
    guide = inputs["guide"] if guided else None
    layer(inputs["values"], guide)
    layer.projection.bias.assign(rng.normal(size=7))
    outputs = layer(inputs["values"], guide)
    weights = {v.path: np.asarray(v, "float64") for v in layer.variables}
    for b in range(2):
        hidden = inputs["values"][b] @ weights[PATHS[0]] + weights[PATHS[1]]
        if guided:
            hidden = hidden + inputs["guide"][b] @ weights[PATHS[2]]
        scores = np.tanh(hidden) @ weights[PATHS[3]][:, 0]
        z = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(np.asarray(outputs["weights"][b]), z, atol=1e-5)
        np.testing.assert_allclose(np.asarray(outputs["attended"][b]), z @ inputs["values"][b], atol=1e-5)


def test_padded_vectors_change_nothing(inputs):
    layer = make()
    mask = np.array([[True, False, True, True, False]] * 2)
    short = layer(inputs["values"][:, mask[0]], inputs["guide"])
    for junk in (1e4, np.nan):
        values = np.where(mask[..., None], inputs["values"], np.float32(junk))
        outputs = {name: np.asarray(value) for name, value in layer(values, inputs["guide"], mask=mask).items()}
        assert (outputs["weights"][~mask] == 0).all()
        np.testing.assert_allclose(outputs["weights"][mask].reshape(2, 3), np.asarray(short["weights"]), atol=1e-6)
        np.testing.assert_allclose(outputs["attended"], np.asarray(short["attended"]), atol=1e-6)


def test_dropout_is_on_in_training_only(inputs):
    layer = make(dropout=0.5)
    testing = np.asarray(layer(**inputs)["weights"])
    np.testing.assert_array_equal(np.asarray(layer(**inputs, training=False)["weights"]), testing)
    first, second = (np.asarray(layer(**inputs, training=True)["weights"]) for _ in range(2))
    assert not np.allclose(first, testing, atol=1e-4) and not np.allclose(first, second, atol=1e-4)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_huge_inputs_give_weights_that_sum_to_one(inputs, policy):
    outputs = make(dtype=policy)(1e4 * inputs["values"], 1e4 * inputs["guide"])
    np.testing.assert_allclose(np.asarray(outputs["weights"]).sum(1), 1, rtol=1e-5)
    assert np.isfinite(np.asarray(outputs["attended"])).all()


def test_arguments_outside_their_range_are_refused(inputs):
    with pytest.raises(ValueError, match="`width` must be at least 1"):
        make(width=0)
    with pytest.raises(ValueError, match=r"`dropout` must be in \[0, 1\)"):
        make(dropout=1.0)
    for layer, guide in ((make(), None), (make(guided=False), inputs["guide"])):
        with pytest.raises(ValueError, match="`guide` must be given if and only if"):
            layer(inputs["values"], guide)
