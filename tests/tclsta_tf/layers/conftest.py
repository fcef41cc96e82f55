"""Random numbers and the contract that all layers and models are held to."""

import importlib.util
import pathlib

import keras
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def initial_weights():
    """The same random weights in every run."""
    keras.utils.set_random_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def layer_contract():
    """The module `layer_contract.py`, one folder up."""
    path = pathlib.Path(__file__).parents[1] / "layer_contract.py"
    spec = importlib.util.spec_from_file_location("layer_contract", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
