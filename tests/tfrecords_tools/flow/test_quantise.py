import numpy as np

from tfrecords_tools.flow import quantise


def test_quantise_worked_by_hand():
    flow = np.array([-25.0, -20.0, -10.0, 0.0, 1.0, 10.0, 20.0, 25.0], np.float32)
    # round((v + 20) * 6.375): 0, 0, 63.75, 127.5, 133.875, 191.25, 255, 255
    assert quantise.quantise(flow).tolist() == [0, 0, 64, 128, 134, 191, 255, 255]
    assert quantise.quantise(flow).dtype == np.uint8


def test_every_byte_survives_the_round_trip():
    stored = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(quantise.quantise(quantise.dequantise(stored)), stored)


def test_dequantise_is_within_half_a_step():
    flow = np.random.default_rng(0).uniform(-20, 20, 10000).astype(np.float32)
    error = np.abs(quantise.dequantise(quantise.quantise(flow)) - flow).max()
    assert 0.07 < error <= 20 / 255 + 1e-5
