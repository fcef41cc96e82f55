import keras
import numpy as np

from tclsta_tf.layers import frozen_batch_normalization


def make(**kwargs):
    return frozen_batch_normalization.FrozenBatchNormalization(name="norm", **kwargs)


def test_contract(layer_contract, rng, tmp_path):
    paths = [f"norm/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")]
    layer_contract.check(make, {"inputs": rng.normal(size=(4, 3, 3, 5)).astype("float32")}, paths, tmp_path)


def test_it_stays_frozen(rng):
    inputs = rng.normal(3.0, 2.0, size=(4, 3, 3, 5)).astype("float32")
    layer = make()
    model = keras.Sequential([keras.Input((3, 3, 5)), layer])
    model.trainable = False
    model.trainable = True
    assert not layer.trainable and not model.trainable_variables
    gamma, beta, mean, variance = (rng.uniform(0.5, 2, 5) for _ in range(4))
    layer.set_weights([gamma, beta, mean, variance])
    expected = (inputs - mean) / np.sqrt(variance + layer.epsilon) * gamma + beta
    np.testing.assert_allclose(np.asarray(model(inputs, training=True)), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.get_weights()[2], mean, rtol=1e-6)
