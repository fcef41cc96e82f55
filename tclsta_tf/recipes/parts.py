"""The trained parts of a run: how each is saved and loaded, and the clean slate each starts from."""

import json

import keras
import tensorflow as tf

import tclsta_tf.models  # noqa: F401 - registers the classes that a saved part is made of
from tclsta_tf import config
from tclsta_tf.recipes import run as run_lib
from tfrecords_tools import storage


def prepare(device: config.DeviceConfig) -> None:
    """Seeds, precision and determinism of a part, whatever was built before in this process."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(device.seed)
    keras.config.set_dtype_policy(device.precision)
    tf.config.experimental.enable_op_determinism()


def save(run: run_lib.Run, part: str, model: keras.Model) -> None:
    """Writes a finished part; the file appears only when it is whole."""
    path = run.model_file(part)
    with storage.created(path) as partial:
        model.save(partial)


def load(run: run_lib.Run, part: str) -> keras.Model:
    """The finished model of a part.

    Raises:
        ValueError: where it is not trained to its end.
    """
    path = run.model_file(part)
    if not path.exists():
        raise ValueError(f"{path} does not exist: train --part={part} to its end first")
    try:
        with storage.staged(path) as file:
            return keras.saving.load_model(file, compile=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: delete it and train --part={part} again") from error


def configuration_card(run: run_lib.Run) -> str:
    """The configuration as a Markdown code block, for TensorBoard."""
    text = json.dumps(run.config.to_json(), indent=1)
    return "\n".join(f"    {line}" for line in text.splitlines())
