import numpy as np
import pytest

from tclsta_tf.layers import weighted_pooling


def make(**kwargs):
    return weighted_pooling.WeightedPooling(name="pooling", **kwargs)


def test_contract(layer_contract, rng, tmp_path):
    inputs = {
        "features": rng.normal(size=(2, 3, 4, 5)).astype("float32"),
        "attention": rng.uniform(size=(2, 3, 4)).astype("float32"),
    }
    layer_contract.check(make, inputs, [], tmp_path)


def test_equation(rng):
    features = rng.normal(size=(2, 3, 4, 5)).astype("float32")
    attention = rng.uniform(0, 2, size=(2, 3, 4)).astype("float32")
    expected = np.zeros((2, 5))
    for x in range(3):
        for y in range(4):
            expected += attention[:, x, y, None] * features[:, x, y] / 12
    np.testing.assert_allclose(np.asarray(make()(features, attention)), expected, atol=1e-5)


def test_a_constant_map_is_average_pooling_exactly(rng):
    features = rng.normal(size=(4, 7, 7, 33)).astype("float32")
    pooled = np.asarray(make()(features, np.ones((4, 7, 7), "float32")))
    np.testing.assert_array_equal(pooled, np.asarray(make()(features)))
    np.testing.assert_allclose(pooled, features.mean(axis=(1, 2)), atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_huge_half_precision_features_do_not_overflow(policy):
    features = np.full((1, 7, 7, 2), 6e4, "float16")  # their sum is 45 times the largest float16
    alpha = np.asarray(make(dtype=policy)(features, np.ones((1, 7, 7), "float32")))
    np.testing.assert_allclose(alpha, features[:, 0, 0].astype("float32"), rtol=1e-5)
