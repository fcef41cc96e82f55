"""The training loop: any model with a loss per example, on one device or mirrored over several."""

import dataclasses
import time
from collections.abc import Callable

import keras
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.training import checkpoints, summaries

Batch = dict[str, tf.Tensor]
# (batch, step) -> losses by name and the scores [B, C] that accuracy is taken from.
Forward = Callable[[Batch, tf.Tensor], tuple[dict[str, tf.Tensor], tf.Tensor]]


@dataclasses.dataclass
class Trainer:
    """Trains a model step by step, so that a stopped run goes on as if it had never been stopped.

    The loss of a step is sum(losses of all examples) / batch_size + weight_decay/2 * sum(kernel^2). Every replica
    computes its share of that sum and `optimizer.apply` adds the shares up, so the split over devices does not matter.

    Attributes:
        model: built under `strategy.scope()`.
        optimizer: likewise, `optimizer.build` called.
        forward: runs the model on a replica's batch in training mode; the batch has a key `labels`.
        batches: makes the endless dataset that starts at a given step; whole batches, see `strategy`.
        settings: steps, batch size and so on.
        strategy: splits every batch over its replicas.
        validate: returns scalars of the validation part; called now and then.
        checkpoints: where to save and resume.
        summaries: where scalars go.
        name: for the progress line.
        alternate: variables that even steps train and those that odd steps train, the others being left as they are
            to the last bit; None trains all in every step. On one device only.
    """

    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    forward: Forward
    batches: Callable[[int], tf.data.Dataset]
    settings: config.TrainConfig
    strategy: tf.distribute.Strategy
    validate: Callable[[], dict[str, float]]
    checkpoints: checkpoints.Checkpoints
    summaries: summaries.Summaries
    name: str
    alternate: tuple[list[keras.Variable], list[keras.Variable]] | None = None

    def __post_init__(self) -> None:
        replicas = self.strategy.num_replicas_in_sync
        if self.alternate and replicas > 1:
            raise ValueError("`alternate_updates` needs one device. Use --distribution=none")
        if self.settings.batch_size % replicas:
            raise ValueError(
                f"`batch_size` must be a multiple of the {replicas} devices it is split over. "
                f"Received: batch_size={self.settings.batch_size}"
            )
        self._decayed = [
            variable for variable in self.model.trainable_variables if variable.path.endswith(("kernel", "kernels"))
        ]
        self._clipped = {variable.path for variable in self.model.trainable_variables if "lstm" in variable.path}
        self._many_steps = tf.function(self._run_steps)

    def train(self) -> None:
        """Runs until `settings.steps` steps are done, from the newest checkpoint on."""
        step = self.checkpoints.restore()
        if step >= self.settings.steps:
            return
        iterator = iter(self.strategy.experimental_distribute_dataset(self.batches(step)))
        progress = summaries.Progress(self.name, self.settings.steps, step)
        while step < self.settings.steps:
            count = self._steps_to_next_stop(step)
            start = time.monotonic()
            values = self._many_steps(iterator, tf.constant(step, tf.int64), tf.constant(count, tf.int64))
            step += count
            scalars = {name: float(value) / count for name, value in values.items()}
            self._check_finite(scalars["loss"], step)
            scalars["clips_per_second"] = count * self.settings.batch_size / (time.monotonic() - start)
            scalars["learning_rate"] = float(self.optimizer.learning_rate)
            if self._due(self.settings.validate_every, step):
                scalars |= self.validate()
            self.summaries.write(step, {f"{self.name}/{name}": value for name, value in scalars.items()})
            shown = ("loss", "accuracy", "validation_accuracy")
            progress.show(step, {name: scalars[name] for name in shown if name in scalars})
            if self._due(self.settings.checkpoint_every, step):
                self.checkpoints.save(step)

    def _due(self, interval: int, step: int) -> bool:
        return step == self.settings.steps or (interval > 0 and step % interval == 0)

    def _steps_to_next_stop(self, step: int) -> int:
        """Steps that may run in one call: a call must end where something is to be saved, shown or validated."""
        intervals = [self.settings.checkpoint_every, self.settings.validate_every, 10]
        return min([self.settings.steps - step] + [n - step % n for n in intervals if n > 0])

    def _check_finite(self, loss: float, step: int) -> None:
        if loss != loss or loss in (float("inf"), float("-inf")):
            raise ValueError(
                f"the loss became {loss} in the steps up to {step}; the last checkpoint is kept. "
                f"Lower --{self.name}_learning_rate and run again"
            )

    def _run_steps(self, iterator: tf.data.Iterator, step: tf.Tensor, count: tf.Tensor) -> dict[str, tf.Tensor]:
        # The first step outside the loop gives the loop variables their structure.
        totals = self._step(next(iterator), step)
        for offset in tf.range(1, count):
            values = self._step(next(iterator), step + offset)
            totals = {name: totals[name] + values[name] for name in totals}
        return totals

    def _step(self, batch: Batch, step: tf.Tensor) -> dict[str, tf.Tensor]:
        per_replica = self.strategy.run(self._replica_step, args=(batch, step))
        reduce = tf.distribute.ReduceOp.SUM
        return {name: self.strategy.reduce(reduce, value, axis=None) for name, value in per_replica.items()}

    def _replica_step(self, batch: Batch, step: tf.Tensor) -> dict[str, tf.Tensor]:
        share = 1.0 / self.settings.batch_size
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            losses, scores = self.forward(batch, step)
            sums = {name: share * tf.reduce_sum(loss) for name, loss in losses.items()}
            objective = tf.add_n(list(sums.values())) + self._weight_decay()
        gradients = tape.gradient(objective, variables)
        self._apply(self._clip(gradients), variables, step)
        hits = tf.argmax(scores, axis=-1, output_type=tf.int32) == batch["labels"]
        values = {f"loss_{name}": value for name, value in sums.items()}
        return values | {"loss": objective, "accuracy": share * tf.reduce_sum(tf.cast(hits, tf.float32))}

    def _apply(self, gradients: list[tf.Tensor], variables: list[keras.Variable], step: tf.Tensor) -> None:
        if self.alternate is None:
            self.optimizer.apply(gradients, variables)
            return
        # A gradient of 0 is not enough to leave a variable alone: momentum and moments would go on moving it.
        by_path = {variable.path: gradient for variable, gradient in zip(variables, gradients, strict=True)}

        def update(side: list[keras.Variable]) -> tf.Tensor:
            self.optimizer.apply([by_path[variable.path] for variable in side], side)
            return tf.constant(True)

        tf.cond(step % 2 == 0, lambda: update(self.alternate[0]), lambda: update(self.alternate[1]))

    def _weight_decay(self) -> tf.Tensor:
        # In the loss, as in Caffe: with momentum that is not the decoupled decay that optimizers offer.
        if not self.settings.weight_decay:
            return tf.constant(0.0)
        squares = tf.add_n([tf.reduce_sum(tf.square(variable.value)) for variable in self._decayed])
        return 0.5 * self.settings.weight_decay * squares / self.strategy.num_replicas_in_sync

    def _clip(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        limit = self.settings.clip_value
        if not limit:
            return gradients
        replica = tf.distribute.get_replica_context()

        def clipped(gradient: tf.Tensor) -> tf.Tensor:
            # The whole batch's gradient is clipped, not a replica's share; `apply` will add the shares up again.
            whole = replica.all_reduce(tf.distribute.ReduceOp.SUM, gradient)
            return tf.clip_by_value(whole, -limit, limit) / replica.num_replicas_in_sync

        pairs = zip(gradients, self.model.trainable_variables, strict=True)
        return [clipped(gradient) if variable.path in self._clipped else gradient for gradient, variable in pairs]
