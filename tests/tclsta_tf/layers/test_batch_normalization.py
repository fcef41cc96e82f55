import keras
import numpy as np
import pytest

from tclsta_tf.layers import batch_normalization

PATHS = ["norm/gamma", "norm/beta", "norm/moving_mean", "norm/moving_variance"]


def make(**kwargs):
    return batch_normalization.BatchNormalization(name="norm", **kwargs)


def pair(rng, shape=(4, 3, 2, 5), **kwargs):
    """This layer and Keras' own, with the same weights, and inputs far from normal."""
    inputs = rng.normal(3.0, 2.0, size=shape).astype("float32")
    layers = make(**kwargs), keras.layers.BatchNormalization(name="norm", **kwargs)
    for layer in layers:
        layer.build(shape)
    weights = [rng.uniform(0.5, 2, value.shape) for value in layers[0].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    return inputs, *layers


def test_contract(layer_contract, rng, tmp_path):
    layer_contract.check(make, {"inputs": rng.normal(size=(4, 3, 3, 5)).astype("float32")}, PATHS, tmp_path)


@pytest.mark.parametrize("training", [False, True])
def test_it_gives_what_keras_gives_to_the_last_bit(rng, training):
    inputs, ours, theirs = pair(rng)
    np.testing.assert_array_equal(ours(inputs, training=training), theirs(inputs, training=training))
    for value, expected in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("kwargs", [{}, {"center": False}, {"scale": False}, {"axis": 1}])
def test_gradients_of_weights_are_those_of_keras(layer_contract, rng, kwargs):
    inputs, ours, theirs = pair(rng, **kwargs)
    found, expected = (layer_contract.gradients(layer, {"inputs": inputs}) for layer in (ours, theirs))
    assert found.keys() == expected.keys() and found
    for path, value in expected.items():
        np.testing.assert_allclose(found[path], value, rtol=1e-4, atol=1e-5, err_msg=path)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_gradient_of_inputs_is_that_of_keras(layer_contract, rng, dtype):
    # A layer in front has weights through which the gradient of the inputs is seen.
    inputs, ours, theirs = pair(rng, dtype=dtype)
    front = keras.layers.EinsumDense("bhwc,hwc->bhwc", output_shape=(3, 2, 5), kernel_initializer="ones")
    model = {layer: keras.Sequential([keras.Input((3, 2, 5)), front, layer]) for layer in (ours, theirs)}
    found, expected = (layer_contract.gradients(model[layer], {"inputs": inputs}) for layer in (ours, theirs))
    path = front.kernel.path
    scale = np.abs(expected[path]).max()
    assert scale > 0.01
    assert np.abs(found[path] - expected[path]).max() < (1e-5 if dtype == "float32" else 0.02) * scale


def test_nothing_in_the_gradient_can_be_summed_in_two_orders(rng):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("other backends have no operation for sums of several terms")

    def terms(layer):
        @tf.function
        def step(inputs):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                loss = tf.reduce_sum(layer(inputs, training=True) ** 3)
            return tape.gradient(loss, inputs)

        graph = step.get_concrete_function(tf.constant(inputs)).graph
        return max((len(op.inputs) for op in graph.get_operations() if op.type == "AddN"), default=0)

    inputs, ours, theirs = pair(rng)
    assert terms(theirs) == 3  # what this layer is for
    assert terms(ours) <= 2
