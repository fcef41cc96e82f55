"""Schedules at hand-picked steps, and the optimizers' first updates worked by hand."""

import keras
import numpy as np
import pytest

from tclsta_tf import config
from tclsta_tf.training import optimizers


def rates(at, **settings):
    schedule = optimizers.make_schedule(config.TrainConfig(**settings))
    return [float(schedule(step)) for step in at]


def test_step_schedule_divides_by_ten():
    found = rates([0, 99, 100, 250], learning_rate=1.0, decay_steps=100, decay_rate=0.1)
    np.testing.assert_allclose(found, [1, 1, 0.1, 0.01], rtol=1e-6)


def test_no_decay_steps_means_a_constant_rate():
    np.testing.assert_allclose(rates([0, 29999], learning_rate=0.3), [0.3, 0.3], rtol=1e-6)


def test_cosine_ends_at_zero_and_warm_up_rises_to_the_rate():
    found = rates([0, 4, 9, 50, 100], learning_rate=1.0, schedule="cosine", steps=100, warmup_steps=10)
    cosine = 0.5 * (1 + np.cos(np.pi * np.array([0, 4, 9, 50, 100]) / 100))
    np.testing.assert_allclose(found, cosine * [0.1, 0.5, 1, 1, 1], rtol=1e-5, atol=1e-7)


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
    optimizer = optimizers.make_optimizer(config.TrainConfig(learning_rate=0.1, **settings))
    optimizer.build([variable])
    for _ in range(2):
        optimizer.apply([keras.ops.ones([1])], [variable])
    np.testing.assert_allclose(variable.numpy(), [expected], rtol=1e-4)
