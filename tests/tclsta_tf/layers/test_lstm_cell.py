import keras
import numpy as np

from tclsta_tf.layers import lstm_cell

PATHS = [f"lstm/cell/{name}" for name in ("kernel", "recurrent_kernel", "bias")]


def make(**kwargs):
    cell = lstm_cell.LSTMCell(4, name="cell", **kwargs)
    return keras.layers.RNN(cell, return_sequences=True, name="lstm", **kwargs)


def test_contract(layer_contract, rng, tmp_path):
    layer_contract.check(make, {"sequences": rng.normal(size=(2, 3, 5)).astype("float32")}, PATHS, tmp_path)


def test_equals_keras_lstm(rng):
    inputs = rng.normal(size=(2, 6, 5)).astype("float32")
    ours, keras_lstm = make(), keras.layers.LSTM(4, return_sequences=True)
    ours(inputs), keras_lstm(inputs)
    keras_lstm.set_weights(ours.get_weights())
    np.testing.assert_allclose(np.asarray(ours(inputs)), np.asarray(keras_lstm(inputs)), atol=1e-6)
