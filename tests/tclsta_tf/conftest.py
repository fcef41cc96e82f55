"""Two logical CPUs, which have to be set up before TensorFlow touches any device."""

import os

import pytest

if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
    from tclsta_tf.training import distribution

    distribution.prepare_devices(logical_cpus=2)


@pytest.fixture(scope="session")
def two_cpus():
    """A MirroredStrategy over two logical CPUs."""
    from tclsta_tf.training import distribution

    return distribution.make_strategy("mirrored")
