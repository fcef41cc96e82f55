"""Optimizers by the names of the configuration."""

import keras

from tclsta_tf import config


def make_optimizer(
    settings: config.TrainConfig, schedule: keras.optimizers.schedules.LearningRateSchedule
) -> keras.optimizers.Optimizer:
    """The optimizer of `settings`; weight decay, clipping and biases are the business of gradients.py."""
    if settings.optimizer == "sgd":
        return keras.optimizers.SGD(schedule, momentum=settings.momentum)
    if settings.optimizer == "adam":
        return keras.optimizers.Adam(schedule)
    # The release's RMSprop adds 1e-8 to the root; Keras adds epsilon under it, where the same size is 1e-16.
    return keras.optimizers.RMSprop(schedule, rho=0.99, epsilon=1e-16)
