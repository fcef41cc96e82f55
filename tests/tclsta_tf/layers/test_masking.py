import keras
import numpy as np
import pytest

from tclsta_tf.layers import masking

MASK = np.array([[True, True, False, True], [True, False, False, False]])


def test_masked_softmax_equals_softmax_of_the_valid_elements(rng):
    logits = rng.normal(size=(2, 4)).astype("float32")
    weights = np.asarray(masking.masked_softmax(logits, MASK))
    for row in range(2):
        exponentials = np.exp(logits[row][MASK[row]].astype("float64"))
        np.testing.assert_allclose(weights[row][MASK[row]], exponentials / exponentials.sum(), rtol=1e-5)
        assert (weights[row][~MASK[row]] == 0).all()


def test_masked_softmax_without_a_valid_element_is_zero():
    assert (np.asarray(masking.masked_softmax(np.ones((1, 3), "float32"), np.zeros((1, 3), bool))) == 0).all()


def test_masked_softmax_of_one_element():
    logits = np.array([[5.0], [-3.0]], "float32")
    np.testing.assert_array_equal(masking.masked_softmax(logits), [[1], [1]])
    np.testing.assert_array_equal(masking.masked_softmax(logits, np.array([[True], [False]])), [[1], [0]])


@pytest.mark.parametrize("mask", [None, MASK])
def test_masked_softmax_of_huge_logits_is_finite(mask):
    logits = np.array([[1e30, -1e30, 1e30, 3e4], [-1e30, 1e38, 0, 1e38]], "float32")
    weights = np.asarray(masking.masked_softmax(logits, mask))
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)


def test_zero_padding_removes_what_is_not_finite():
    values = np.array([[[np.nan], [np.inf], [2.0]]], "float32")
    padded = np.asarray(masking.zero_padding(values, np.array([[False, False, True]])))
    np.testing.assert_array_equal(padded, [[[0], [0], [2]]])


def test_uniform_weights_share_among_the_valid():
    weights = np.asarray(masking.uniform_weights(np.zeros((2, 4, 5), "float32"), MASK))
    np.testing.assert_allclose(weights, [[1 / 3, 1 / 3, 0, 1 / 3], [1, 0, 0, 0]], rtol=1e-6)
    weights = np.asarray(masking.uniform_weights(np.zeros((2, 4, 5), "float32")))
    np.testing.assert_allclose(weights, np.full((2, 4), 0.25))


def test_merge_is_the_weighted_sum(rng):
    weights, values = rng.normal(size=(2, 4)).astype("float32"), rng.normal(size=(2, 4, 3)).astype("float32")
    expected = [sum(weights[b, i] * values[b, i] for i in range(4)) for b in range(2)]
    np.testing.assert_allclose(np.asarray(masking.merge(weights, values)), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("policy", "dtype"), [("float32", "float32"), ("mixed_float16", "float32"), ("mixed_bfloat16", "float32")]
)
def test_float_dtype_is_at_least_32_bits(policy, dtype):
    assert masking.float_dtype(keras.layers.Dense(1, dtype=policy)) == dtype
