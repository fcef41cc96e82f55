"""Optimizers and learning-rate schedules by the names of the configuration."""

import keras

from tclsta_tf import config


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise over the first steps, in front of another schedule."""

    def __init__(self, steps: int, then: keras.optimizers.schedules.LearningRateSchedule) -> None:
        self.steps = steps
        self.then = then

    def __call__(self, step: object) -> object:
        """The rate of `step`."""
        share = keras.ops.minimum((keras.ops.cast(step, "float32") + 1.0) / float(self.steps), 1.0)
        return share * self.then(step)


def make_schedule(settings: config.TrainConfig) -> keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate as a function of the step, so that nothing but the step has to be saved to go on with it."""
    if settings.schedule == "cosine":
        schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.steps)
    else:
        rate = settings.decay_rate if settings.decay_steps else 1.0
        schedule = keras.optimizers.schedules.ExponentialDecay(
            settings.learning_rate, max(settings.decay_steps, 1), rate, staircase=True
        )
    return WarmUp(settings.warmup_steps, schedule) if settings.warmup_steps else schedule


def make_optimizer(settings: config.TrainConfig) -> keras.optimizers.Optimizer:
    """The optimizer of `settings`; weight decay is not its business (see trainer.py)."""
    schedule = make_schedule(settings)
    if settings.optimizer == "sgd":
        return keras.optimizers.SGD(schedule, momentum=settings.momentum)
    if settings.optimizer == "adam":
        return keras.optimizers.Adam(schedule)
    # The release's RMSprop adds 1e-8 to the root; Keras adds epsilon under it, where the same size is 1e-16.
    return keras.optimizers.RMSprop(schedule, rho=0.99, epsilon=1e-16)
