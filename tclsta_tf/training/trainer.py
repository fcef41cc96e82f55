"""The training loop: any model with a loss per example, on one device, several, or several machines."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable

import keras
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.training import averaging, checkpoints, distribution, gradients, loss_scaling, preemption, schedules
from tclsta_tf.training import summaries as summaries_lib

Batch = gradients.Batch
Forward = gradients.Forward
Values = dict[str, tf.Tensor]

_SECONDS_PER_CALL = 2.0
_MAX_STEPS_PER_CALL = 50
VALIDATED = "validation_accuracy"
"""The scalar of `validate` by which rates are lowered and the best weights are chosen."""


@dataclasses.dataclass
class Trainer:
    """Trains a model step by step, so that a stopped run goes on as if it had never been stopped.

    Attributes:
        model: built under `strategy.scope()`.
        variables: those of the model that are trained; all others are left as they are.
        forward: runs the model on a replica's batch in training mode; the batch has a key `labels`.
        batches: makes the endless dataset that starts at a given step and gives one worker's share of every batch;
            called with the step, the number of workers and the number of this one.
        settings: steps, batch size and so on.
        strategy: splits every batch over its replicas.
        optimizer: built for `variables` under the strategy's scope.
        schedule: the optimizer's learning rate.
        checkpoints: makes what saves and resumes from further variables to save, by owner and name.
        validate: returns scalars of the validation part; called now and then with the step, as the curves count it.
        summaries: where scalars go.
        name: for the progress line and the names of flags in errors.
        stage: number of the stage, from 1.
        num_stages: number of stages of the part.
        steps_before: steps of the stages before, which the curves start from.
        describe: names what is in the batch of a step, for the error that says where the loss was lost.
        alternate: variables that even steps train and those that odd steps train, the others being left as they are
            to the last bit; None trains all in every step. On one device only.
        xla: compiles forward and backward pass by XLA.
        float16: scales the loss, so that small gradients are not rounded to 0.
    """

    model: keras.Model
    variables: list[keras.Variable]
    forward: Forward
    batches: Callable[[int, int, int], tf.data.Dataset]
    settings: config.TrainConfig
    strategy: tf.distribute.Strategy
    optimizer: keras.optimizers.Optimizer
    schedule: keras.optimizers.schedules.LearningRateSchedule
    checkpoints: Callable[[dict[str, dict[str, tf.Variable]]], checkpoints.Checkpoints]
    validate: Callable[[int], dict[str, float]]
    summaries: summaries_lib.Summaries
    name: str
    stage: int = 1
    num_stages: int = 1
    steps_before: int = 0
    describe: Callable[[int], list[str]] = lambda step: []
    alternate: tuple[list[keras.Variable], list[keras.Variable]] | None = None
    xla: bool = False
    float16: bool = False

    def __post_init__(self) -> None:
        replicas = self.strategy.num_replicas_in_sync
        if self.alternate and replicas > 1:
            raise ValueError("`alternate_updates` needs one device. Use --distribution=none")
        if self.settings.batch_size % (replicas * self.settings.accumulate):
            parts = f" times {self.settings.accumulate} parts" if self.settings.accumulate > 1 else ""
            raise ValueError(
                f"`batch_size` must be a multiple of the {replicas} devices{parts} it is split over. "
                f"Received: batch_size={self.settings.batch_size}"
            )
        self._gradients = gradients.Gradients(self.forward, self.variables, self.settings, self.xla)
        self._plateau = schedules.plateau_of(self.schedule)
        with self.strategy.scope():
            self._average = averaging.WeightAverage(self.variables, self.settings.ema) if self.settings.ema else None
            self._scaling = loss_scaling.LossScaling() if self.float16 else None
            owners = {"plateau": self._plateau, "average": self._average, "loss_scaling": self._scaling}
            self._checkpoints = self.checkpoints({name: owner.state for name, owner in owners.items() if owner})
        # Two of them, so that a step is traced once although it is called in two places. What has no loop of tensors
        # needs no AutoGraph, which costs a quarter of the tracing.
        self._one_step = tf.function(self._step, autograph=self.settings.accumulate > 1)
        self._many_steps = tf.function(self._run_steps)

    def train(self) -> None:
        """Runs until `settings.steps` steps are done, from the newest checkpoint on, and leaves the model finished.

        Raises:
            ValueError: the loss or a weight is no longer a number.
            Preempted: the process was asked to end; everything is saved.
        """
        step = self._checkpoints.restore()
        if step < self.settings.steps:
            with preemption.watch() as asked_to_stop:
                self._loop(step, asked_to_stop)
        if self.settings.keep == "best":
            self._checkpoints.restore_best()
        elif self._average:
            self._average.put_in_place()

    def _loop(self, step: int, asked_to_stop: Callable[[], bool]) -> None:
        iterator = iter(distribution.distribute(self.strategy, lambda count, index: self.batches(step, count, index)))
        title = self.name if self.num_stages == 1 else f"{self.name} {self.stage} of {self.num_stages}"
        progress = summaries_lib.Progress(title, self.settings.steps, step)
        seconds_per_step = math.inf
        waits: list[tuple[float, float]] = []  # Seconds of every call that went by waiting for data, and in all.
        while step < self.settings.steps:
            count = self._steps_in_call(step, seconds_per_step)
            start = time.monotonic()
            values, bad_step = self._many_steps(iterator, tf.constant(step, tf.int64), tf.constant(count, tf.int64))
            scalars = {name: float(value) / count for name, value in values.items()}
            seconds = time.monotonic() - start
            self._check_finite(int(bad_step))
            step += count
            seconds_per_step = seconds / count
            scalars["clips_per_second"] = self.settings.batch_size / seconds_per_step
            scalars["data_wait_share"] = scalars["data_wait"] / seconds_per_step
            waits.append((scalars.pop("data_wait") * count, seconds))
            scalars["learning_rate"] = float(self.optimizer.learning_rate)
            scalars["frames_per_second"] = scalars["clips_per_second"] * self.settings.frames
            if self._due(self.settings.validate_every, step):
                scalars |= self._validate(step)
            named = {f"{self.name}/{name}": value for name, value in scalars.items()}
            self.summaries.write(self.steps_before + step, named)
            shown = ("loss", "accuracy", VALIDATED)
            said = {name: scalars[name] for name in shown if name in scalars}
            if step == self.settings.steps:
                said["data_wait_share"] = _share(waits)
            progress.show(step, said)
            stop = asked_to_stop()
            if stop and distribution.is_several_workers(self.strategy):
                # The others have not been asked, and a save that they take no part in would wait for them.
                raise preemption.Preempted(f"asked to end; {self.name} goes on from its last checkpoint")
            if stop or self._due(self.settings.checkpoint_every, step):
                self._save(step)
            if stop and step < self.settings.steps:
                raise preemption.Preempted(f"asked to end; {self.name} is saved at step {step}: run again to go on")

    def _due(self, interval: int, step: int) -> bool:
        return step == self.settings.steps or (interval > 0 and step % interval == 0)

    def _steps_in_call(self, step: int, seconds_per_step: float) -> int:
        """Steps that run in one call: few enough to be heard of, and none beyond where something is to be done."""
        stops = [self.settings.steps - step]
        stops += [n - step % n for n in (self.settings.checkpoint_every, self.settings.validate_every) if n > 0]
        wanted = round(_SECONDS_PER_CALL / seconds_per_step)
        return min(*stops, max(1, min(wanted, _MAX_STEPS_PER_CALL)))

    def _validate(self, step: int) -> dict[str, float]:
        with self._average.in_place() if self._average else contextlib.nullcontext():
            scalars = self.validate(self.steps_before + step)
            if VALIDATED in scalars:
                self._checkpoints.save_if_best(step, scalars[VALIDATED])
        if self._plateau and VALIDATED in scalars:
            self._plateau.see(scalars[VALIDATED])
        return scalars

    def _check_finite(self, bad_step: int) -> None:
        if bad_step < 0:
            return
        batch = ", ".join(self.describe(bad_step)[:8])
        raise ValueError(
            f"the loss is not a finite number in step {bad_step}{f', whose batch is {batch}' if batch else ''}. "
            f"The last checkpoint is kept. Lower --{self.name}_learning_rate and run again"
        )

    def _save(self, step: int) -> None:
        try:
            self._checkpoints.save(step)
        except ValueError as error:
            raise ValueError(
                f"{error}. The last checkpoint is kept. Lower --{self.name}_learning_rate and run again"
            ) from error

    def _run_steps(self, iterator: tf.data.Iterator, step: tf.Tensor, count: tf.Tensor) -> tuple[Values, tf.Tensor]:
        """Runs `count` steps; gives sums of their values, and the first step whose loss is not finite, or -1."""
        # The first step outside the loop gives the loop variables their structure.
        totals = self._one_step(iterator, step, tf.constant(0.0))
        bad_step = tf.where(tf.math.is_finite(totals["loss"]), tf.constant(-1, tf.int64), step)
        for offset in tf.range(1, count):
            values = self._one_step(iterator, step + offset, totals["loss"])
            lost = (bad_step < 0) & ~tf.math.is_finite(values["loss"])
            bad_step = tf.where(lost, step + offset, bad_step)
            totals = {name: totals[name] + values[name] for name in totals}
        return totals, bad_step

    def _step(self, iterator: tf.data.Iterator, step: tf.Tensor, previous: tf.Tensor) -> Values:
        with tf.control_dependencies([previous]):
            asked = _now()
        with tf.control_dependencies([asked]):
            batch = next(iterator)
        with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
            waited = _now() - asked
        scale = self._scaling.scale if self._scaling else None
        shares, values = self.strategy.run(self._gradients.of_batch, args=(batch, step, scale))
        total = {name: self._sum(value) for name, value in values.items()}
        if self.strategy.num_replicas_in_sync == 1:  # Elsewhere the norm of the sum would take one more reduction.
            total["gradient_norm"] = tf.cast(tf.linalg.global_norm(shares), tf.float32)
        if self._scaling:
            finite = self._sum(self.strategy.run(loss_scaling.count_not_finite, args=(shares,))) == 0
            tf.cond(finite, lambda: self._update(shares, step), lambda: tf.constant(False))
            self._scaling.update(finite)
        else:
            self._update(shares, step)
        return total | {"data_wait": tf.cast(waited, tf.float32)}

    def _sum(self, value: tf.Tensor) -> tf.Tensor:
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)

    def _update(self, shares: list[tf.Tensor], step: tf.Tensor) -> tf.Tensor:
        self.strategy.run(self._apply, args=(shares, step))
        if self._average:
            self._average.update(step)
        return tf.constant(True)

    def _apply(self, shares: list[tf.Tensor], step: tf.Tensor) -> None:
        finished = self._gradients.finish(shares)
        if tf.distribute.has_strategy():
            self._apply_finished(finished, step)
            return
        # Where there is nothing to reduce, the optimizer must not: TensorFlow keeps the graph of every all-reduce for
        # as long as the process lives, 65 MB for the smallest network.
        tf.distribute.get_replica_context().merge_call(lambda strategy: self._apply_finished(finished, step))

    def _apply_finished(self, finished: list[tf.Tensor], step: tf.Tensor) -> None:
        if self.alternate is None:
            self.optimizer.apply(finished, self.variables)
            return
        # A gradient of 0 is not enough to leave a variable alone: momentum and moments would go on moving it.
        by_path = {variable.path: gradient for variable, gradient in zip(self.variables, finished, strict=True)}

        def update(side: list[keras.Variable]) -> tf.Tensor:
            self.optimizer.apply([by_path[variable.path] for variable in side], side)
            return tf.constant(True)

        tf.cond(step % 2 == 0, lambda: update(self.alternate[0]), lambda: update(self.alternate[1]))


def _share(waits: list[tuple[float, float]]) -> float:
    """The share of a run's time that went by waiting for data, without its first call, which compiles."""
    counted = waits[1:] or waits
    return sum(waited for waited, _ in counted) / sum(seconds for _, seconds in counted)


def _now() -> tf.Tensor:
    """The time in seconds. TensorFlow's own clock does not run where operations must be deterministic."""
    return tf.ensure_shape(tf.numpy_function(time.perf_counter, [], tf.float64), [])
