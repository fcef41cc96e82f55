"""The optimizers' first updates worked by hand."""

import keras
import numpy as np
import pytest

from tclsta_tf import config
from tclsta_tf.training import optimizers, schedules


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        # Two steps with gradient 1: velocity 1, then 1.9.
        ({"optimizer": "sgd", "momentum": 0.9}, -0.1 * (1 + 1.9)),
        # Mean squares 0.01 and 0.0199, as in the release.
        ({"optimizer": "rmsprop"}, -0.1 * (1 / 0.1 + 1 / np.sqrt(0.0199))),
        ({"optimizer": "adam"}, -0.2),
    ],
)
def test_two_updates_by_hand(settings, expected):
    variable = keras.Variable(np.zeros([1], np.float32))
    settings = config.TrainConfig(learning_rate=0.1, **settings)
    optimizer = optimizers.make_optimizer(settings, schedules.make_schedule(settings))
    optimizer.build([variable])
    for _ in range(2):
        optimizer.apply([keras.ops.ones([1])], [variable])
    np.testing.assert_allclose(variable.numpy(), [expected], rtol=1e-4)
