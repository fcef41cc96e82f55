"""Schedules at hand-picked steps, and the plateau at hand-picked values."""

import numpy as np

from tclsta_tf import config
from tclsta_tf.training import schedules


def rates(at, **settings):
    schedule = schedules.make_schedule(config.TrainConfig(**settings))
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


def test_plateau_lowers_the_rate_when_the_best_is_old():
    settings = config.TrainConfig(learning_rate=1.0, schedule="plateau", patience=2, decay_rate=0.1, warmup_steps=2)
    schedule = schedules.make_schedule(settings)
    plateau = schedules.plateau_of(schedule)
    found = []
    for value in [0.5, 0.4, 0.5, 0.6, 0.6, 0.6, 0.7]:
        lowered = plateau.see(value)
        found.append((lowered, round(float(schedule(10)), 6)))
    # An equal value is no new best; after a lowering the waiting starts again.
    assert found == [(False, 1), (False, 1), (True, 0.1), (False, 0.1), (False, 0.1), (True, 0.01), (False, 0.01)]
    assert float(schedule(0)) == np.float32(0.5) * np.float32(0.01)


def test_schedules_without_a_plateau_have_none():
    assert schedules.plateau_of(schedules.make_schedule(config.TrainConfig(warmup_steps=2))) is None
