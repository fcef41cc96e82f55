"""The learning rate: as a function of the step, and lowered where the validation part shows that it no longer helps."""

import keras
import tensorflow as tf

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


class Plateau(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that is lowered whenever a value, seen now and then, has not risen for some time.

    Its state is in variables, which a checkpoint saves with the weights. Make it under the strategy's scope.

    Args:
        rate: learning rate at the start.
        factor: what the rate is multiplied by, in (0, 1].
        patience: how often the value may be seen without a new best before the rate is lowered.
    """

    def __init__(self, rate: float, factor: float, patience: int) -> None:
        self.rate = rate
        self.factor = factor
        self.patience = patience
        # float64: a resumed run must compare with the very value that it saw.
        self._best = tf.Variable(float("-inf"), dtype=tf.float64, trainable=False, name="plateau_best")
        self._waited = tf.Variable(0, dtype=tf.int64, trainable=False, name="plateau_waited")
        self._scale = tf.Variable(1.0, dtype=tf.float32, trainable=False, name="plateau_scale")

    def __call__(self, step: object) -> object:
        """The rate, whatever the step."""
        return self.rate * self._scale

    @property
    def state(self) -> dict[str, tf.Variable]:
        """What a checkpoint has to save."""
        return {"best": self._best, "waited": self._waited, "scale": self._scale}

    def see(self, value: float) -> bool:
        """Takes note of a value, and lowers the rate where it is time to; says whether it did."""
        if value > float(self._best.numpy()):
            self._best.assign(value)
            self._waited.assign(0)
            return False
        waited = int(self._waited.numpy()) + 1
        lower = waited >= self.patience
        self._waited.assign(0 if lower else waited)
        if lower:
            self._scale.assign(float(self._scale.numpy()) * self.factor)
        return lower


def make_schedule(settings: config.TrainConfig) -> keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate of a stage; but for `plateau` nothing but the step has to be saved to go on with it."""
    schedule: keras.optimizers.schedules.LearningRateSchedule
    if settings.schedule == "plateau":
        schedule = Plateau(settings.learning_rate, settings.decay_rate, settings.patience)
    elif settings.schedule == "cosine":
        schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.steps)
    else:
        rate = settings.decay_rate if settings.decay_steps else 1.0
        schedule = keras.optimizers.schedules.ExponentialDecay(
            settings.learning_rate, max(settings.decay_steps, 1), rate, staircase=settings.schedule == "step"
        )
    return WarmUp(settings.warmup_steps, schedule) if settings.warmup_steps else schedule


def plateau_of(schedule: keras.optimizers.schedules.LearningRateSchedule) -> Plateau | None:
    """The part of a schedule that looks at the validation part, or None."""
    inner = schedule.then if isinstance(schedule, WarmUp) else schedule
    return inner if isinstance(inner, Plateau) else None
