"""Whether a folder holds an exported model; told without loading TensorFlow."""

import os

from tfrecords_tools import storage


def check(model_dir: str | os.PathLike[str] | storage.RemotePath) -> tuple[storage.AnyPath, storage.AnyPath]:
    """Gives the folder of an exported model and the file that describes it.

    Args:
        model_dir: a version's folder, e.g. `export/1`.

    Raises:
        ValueError: there is no exported model of this project.
    """
    folder = storage.path(model_dir)
    card_file = folder / "assets" / "model.json"
    if not (folder / "saved_model.pb").exists() or not card_file.exists():
        versions = [path.parent for path in storage.entries(folder, "*/saved_model.pb")]
        remedy = f"did you mean {versions[-1]}?" if versions else "make one with `python -m tclsta_tf.export`"
        raise ValueError(f"{folder} is not an exported model: {remedy}")
    return folder, card_file
