"""Weights in 8 bits, against what the rounding allows."""

import keras
import numpy as np

from tclsta_tf.serving import quantisation


def test_a_weight_is_off_by_half_a_step_of_its_channel_at_most(rng):
    kernel = rng.normal(0, [0.01, 1, 30], (3, 3, 16, 3)).astype(np.float32)
    values, scales = quantisation.quantise(kernel)
    assert values.dtype == np.int8 and np.abs(values).max() == 127
    error = np.abs(values * scales - kernel)
    largest = np.abs(kernel).max(axis=(0, 1, 2))
    assert (error <= largest / 127 / 2 * 1.0001).all()
    assert (error.max(axis=(0, 1, 2)) > largest / 127 / 4).all()  # it was rounded, not kept


def test_a_channel_of_zeros_stays_zero():
    values, scales = quantisation.quantise(np.zeros((4, 2), np.float32))
    assert not (values * scales).any() and np.isfinite(scales).all()


def test_large_kernels_are_replaced_within_the_block_only(rng):
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(128), keras.layers.Dense(2)])
    inputs = rng.normal(size=(3, 64)).astype(np.float32)
    large, _, small, _ = model.get_weights()
    before = np.asarray(model(inputs))
    weights = quantisation.Int8Weights(model)
    assert [values.shape.as_list() for values in weights.values] == [[64, 128]]
    with weights.restored():
        inside = np.asarray(model(inputs))
    values, scales = quantisation.quantise(large)
    np.testing.assert_allclose(inside, inputs @ (values * scales) @ small, rtol=1e-4, atol=1e-5)
    assert np.abs(inside - before).max() > 1e-4
    np.testing.assert_array_equal(model(inputs), before)
