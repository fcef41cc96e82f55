"""The contract of every layer and model, and gradients on any backend.

The conftest of each folder that needs it loads this file by its path, for tests are no package to import from.
"""

import copy
import json
import pathlib

import keras
import numpy as np
import pytest


def call(layer, inputs, **kwargs):
    first, *rest = inputs
    return layer(inputs[first], **{name: inputs[name] for name in rest}, **kwargs)


def arrays(outputs):
    return {str(path): np.asarray(keras.ops.convert_to_numpy(value)) for path, value in _flatten(outputs)}


def _flatten(outputs):
    return sorted(outputs.items()) if isinstance(outputs, dict) else [("output", outputs)]


def _plain(config):
    """A config without `build_config`, which a nested layer has from the moment on that it is built."""
    if isinstance(config, dict):
        return {key: _plain(value) for key, value in config.items() if key != "build_config"}
    return [_plain(value) for value in config] if isinstance(config, list) else config


def _loss(outputs):
    """A sum in which every element counts differently: softmaxes and means of 1 do not cancel out."""
    total = 0.0
    for _, value in _flatten(outputs):
        factors = np.random.default_rng(1).normal(size=value.shape).astype("float32")
        total = total + keras.ops.sum(keras.ops.cast(value, "float32") * factors)
    return total


def gradients(layer, inputs, loss=_loss, training=True):
    """The gradient of `loss(outputs)` for each trainable variable, as {path: array}; zero where there is none."""
    variables = layer.trainable_variables
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss(call(layer, inputs, training=training))
        found = tape.gradient(value, [v.value for v in variables], unconnected_gradients="zero")
    elif keras.backend.backend() == "jax":
        import jax

        def function(values):
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return loss(call(layer, inputs, training=training))

        found = jax.grad(function)([v.value for v in variables])
    else:
        pytest.skip(f"gradients are not written for the backend {keras.backend.backend()}")
    return {v.path: np.asarray(g) for v, g in zip(variables, found, strict=True)}


def check(make, inputs: dict, weights: list[str], tmp_path: pathlib.Path, mixed_tolerance: float | None = 0.1):
    """Checks config, names, symbolic shapes, gradients, saving and mixed precision.

    Args:
        make: function of keyword arguments (`dtype`) that builds the layer; its name must be fixed.
        inputs: call arguments as arrays, the first one positional.
        weights: expected paths of all variables, in any order.
        mixed_tolerance: how far outputs under 16-bit policies may be off, as a share of the largest; None: not tried.
    """
    layer = make()
    outputs = arrays(call(layer, inputs))
    assert all(np.isfinite(value).all() for value in outputs.values())

    # Weight names: also independent of what was built before.
    assert sorted(v.path for v in layer.variables) == sorted(weights)
    other = make()
    call(other, inputs)
    assert [v.path for v in other.variables] == [v.path for v in layer.variables]

    # Config: plain JSON, and the same after a round trip.
    config = json.loads(json.dumps(make().get_config()))
    again = type(layer).from_config(copy.deepcopy(config))  # Keras takes it to pieces
    assert _plain(json.loads(json.dumps(again.get_config()))) == _plain(config)

    # Symbolic shapes, with an unknown batch, are the eager ones.
    symbols = {
        name: keras.Input(value.shape[1:], dtype=str(value.dtype), name=name)
        if isinstance(value, np.ndarray)
        else {key: keras.Input(v.shape[1:], name=key) for key, v in value.items()}
        for name, value in inputs.items()
    }
    symbolic = call(make(), symbols)
    for name, value in _flatten(symbolic):
        assert tuple(value.shape)[1:] == outputs[name].shape[1:], name
        assert value.shape[0] in (None, outputs[name].shape[0]), name
        assert keras.backend.standardize_dtype(value.dtype) == str(outputs[name].dtype), name

    # A gradient reaches every weight.
    if layer.trainable_variables:
        found = gradients(layer, inputs)
        assert not [path for path, value in found.items() if not np.abs(value).max() > 0]

    # Saved inside a model and loaded again.
    model = keras.Model(symbols, symbolic)
    model(inputs)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    expected, actual = arrays(model(inputs)), arrays(loaded(inputs))
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, err_msg=name)

    # Mixed precision: float32 weights, finite results near those in float32.
    for policy in ("mixed_float16", "mixed_bfloat16") if mixed_tolerance is not None else ():
        half = make(dtype=policy)
        half_outputs = call(half, inputs)
        assert all(v.dtype == "float32" for v in half.trainable_variables)
        half.set_weights(layer.get_weights())
        for name, value in _flatten(call(half, inputs)):
            array = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(value, "float32")))
            atol = mixed_tolerance * np.abs(outputs[name]).max()
            np.testing.assert_allclose(array, outputs[name], rtol=0, atol=atol, err_msg=f"{policy} {name}")
        assert _flatten(half_outputs)[0][1].shape == _flatten(outputs)[0][1].shape
    return layer
