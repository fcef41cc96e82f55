"""Saving and resuming: all variables by name, and the step they belong to."""

import os

import keras
import tensorflow as tf


class Checkpoints:
    """The last checkpoints of a model, its optimizer and the step; writes are atomic.

    Dropout's random state counts among the model's variables, so it is saved too.

    Args:
        folder: where they are kept, perhaps on remote storage, as text.
        model: built model.
        optimizer: built optimizer.
        keep: how many are kept.
    """

    def __init__(
        self, folder: str | os.PathLike[str], model: keras.Model, optimizer: keras.optimizers.Optimizer, keep: int = 2
    ) -> None:
        self._step = tf.Variable(0, dtype=tf.int64, name="step", trainable=False)
        # By path, not by order: a model whose layers changed must fail to load rather than load the wrong weights.
        named = {
            "model": {variable.path: variable.value for variable in model.variables},
            "optimizer": {variable.path: variable.value for variable in optimizer.variables},
        }
        groups = {name: tf.train.Checkpoint(**_plain_names(group)) for name, group in named.items()}
        self._checkpoint = tf.train.Checkpoint(step=self._step, **groups)
        self._manager = tf.train.CheckpointManager(self._checkpoint, str(folder), max_to_keep=keep)

    def restore(self) -> int:
        """Loads the newest checkpoint, if there is one, and returns the step to go on with.

        Raises:
            ValueError: where the checkpoint belongs to another model.
        """
        path = self._manager.latest_checkpoint
        if path is None:
            return 0
        try:
            self._checkpoint.restore(path).assert_consumed()
        except (AssertionError, ValueError) as error:
            raise ValueError(
                f"the checkpoint {path} belongs to another model. Use another --workdir or delete its folder"
            ) from error
        except (tf.errors.OpError, IndexError, RuntimeError) as error:  # TensorFlow's reader raises any of them
            raise ValueError(f"the checkpoint {path} cannot be read ({error}). Delete it to go on") from error
        return int(self._step.numpy())

    def save(self, step: int) -> None:
        """Writes a checkpoint for `step` steps done."""
        self._step.assign(step)
        self._manager.save(checkpoint_number=step)


def _plain_names(group: dict[str, tf.Variable]) -> dict[str, tf.Variable]:
    """Keyword names for tf.train.Checkpoint, in which a slash would be read as a path through objects."""
    return {path.replace("/", "."): variable for path, variable in group.items()}
