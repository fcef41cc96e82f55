"""What the model's tests share: two logical CPUs, random numbers, the contract of layers and models."""

import importlib.util
import os
import pathlib

import keras
import numpy as np
import pytest

if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
    from tclsta_tf.training import distribution

    # Devices can only be set before TensorFlow starts, so every test has two; only those that ask use the second.
    distribution.prepare_devices(logical_cpus=2)


@pytest.fixture(scope="session")
def two_cpus():
    """A MirroredStrategy over two logical CPUs."""
    from tclsta_tf.training import distribution

    return distribution.make_strategy("mirrored")


@pytest.fixture(autouse=True)
def initial_weights():
    """The same random weights in every run."""
    keras.utils.set_random_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def layer_contract():
    """The module `layer_contract.py` beside this file."""
    spec = importlib.util.spec_from_file_location(
        "layer_contract", pathlib.Path(__file__).with_name("layer_contract.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
