"""Saving and resuming: all variables by name, and the step they belong to."""

import tempfile
from collections.abc import Mapping

import keras
import tensorflow as tf


class Checkpoints:
    """The last checkpoints of a stage, and the best one; each is written whole or not at all.

    Dropout's random state counts among the model's variables, so it is saved too. Make it under the strategy's scope.

    Args:
        folder: where they are kept, perhaps on remote storage, as text; the best is in `best` below it.
        model: built model.
        optimizer: built optimizer.
        state: further variables that a resumed run needs, by name of their owner and name.
        keep: how many of the last are kept.
        writes: False for the workers of a cluster that save in step with the chief, and throw away what they save.
    """

    def __init__(
        self,
        folder: str,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        state: Mapping[str, Mapping[str, tf.Variable]] | None = None,
        keep: int = 2,
        writes: bool = True,
    ) -> None:
        self._step = tf.Variable(0, dtype=tf.int64, name="step", trainable=False)
        # float64: a resumed run must compare with the very value that it saw.
        self._best = tf.Variable(float("-inf"), dtype=tf.float64, name="best", trainable=False)
        # By path, not by order: a model whose layers changed must fail to load rather than load the wrong weights.
        weights = _group({variable.path: variable.value for variable in model.variables})
        groups = {
            "model": weights,
            "optimizer": _group({variable.path: variable.value for variable in optimizer.variables}),
            **{name: _group(variables) for name, variables in (state or {}).items()},
        }
        self._variables = [variable.value for variable in model.trainable_variables]
        self._last = tf.train.Checkpoint(step=self._step, best=self._best, **groups)
        self._weights = tf.train.Checkpoint(model=weights)
        self._folder = folder
        # Workers that are not the chief must take part in a save and must not write where the chief writes.
        self._scratch = None if writes else tempfile.TemporaryDirectory(prefix="checkpoints-")
        to = folder if self._scratch is None else self._scratch.name
        self._manager = tf.train.CheckpointManager(self._last, to, max_to_keep=keep)
        self._best_manager = tf.train.CheckpointManager(self._weights, f"{to}/best", max_to_keep=1)

    def restore(self) -> int:
        """Loads the newest checkpoint, if there is one, and returns the step to go on with.

        Raises:
            ValueError: where the checkpoint belongs to another model or cannot be read.
        """
        path = tf.train.latest_checkpoint(self._folder)
        if path is None:
            return 0
        _read(self._last, path)
        return int(self._step.numpy())

    def save(self, step: int) -> None:
        """Writes a checkpoint for `step` steps done.

        Raises:
            ValueError: a weight is not a finite number; what is saved before stays.
            OSError: the disk is full, or the folder cannot be written to; what is saved before stays.
        """
        for variable in self._variables:
            if not bool(tf.reduce_all(tf.math.is_finite(variable))):
                raise ValueError(f"a weight of {variable.name} is not a finite number after {step} steps")
        self._step.assign(step)
        self._write(self._manager, step)

    def save_if_best(self, step: int, value: float) -> None:
        """Keeps the model's present weights where `value` is higher than at any time before."""
        if value > float(self._best.numpy()):
            self._best.assign(value)
            self._write(self._best_manager, step)

    def restore_best(self) -> None:
        """Loads the weights that `save_if_best` kept.

        Raises:
            ValueError: there are none, or they cannot be read.
        """
        path = tf.train.latest_checkpoint(f"{self._folder}/best")
        if path is None:
            raise ValueError(f"{self._folder}/best holds no checkpoint: give --validation_fraction a value above 0")
        _read(self._weights, path)

    def _write(self, manager: tf.train.CheckpointManager, step: int) -> None:
        try:
            manager.save(checkpoint_number=step)
        except tf.errors.OpError as error:
            for rest in tf.io.gfile.glob(f"{manager.directory}/*ckpt-{step}*temp*"):
                tf.io.gfile.rmtree(rest) if tf.io.gfile.isdir(rest) else tf.io.gfile.remove(rest)
            raise OSError(
                f"the checkpoint of step {step} cannot be written to {manager.directory} ({error.message}). The one "
                "before is kept: make room and run the same command again"
            ) from error


def _read(checkpoint: tf.train.Checkpoint, path: str) -> None:
    try:
        checkpoint.restore(path).assert_consumed()
    except (AssertionError, ValueError) as error:
        raise ValueError(
            f"the checkpoint {path} belongs to another model. Use another --workdir or delete its folder"
        ) from error
    except (tf.errors.OpError, IndexError, RuntimeError) as error:  # TensorFlow's reader raises any of them
        raise ValueError(f"the checkpoint {path} cannot be read ({error}). Delete it to go on") from error


def _group(variables: Mapping[str, tf.Variable]) -> tf.train.Checkpoint:
    # A slash would be read as a path through objects.
    return tf.train.Checkpoint(**{path.replace("/", "."): variable for path, variable in variables.items()})
