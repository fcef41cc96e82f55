"""Two-stream collaborative learning with spatial-temporal attention (TCLSTA) for video classification.

Importing the package imports neither TensorFlow nor Keras; its parts do when they are imported.
"""

from __future__ import annotations

import os
import typing

import tfrecords_tools  # noqa: F401 - sets how much TensorFlow says, which it reads when it is first imported

if typing.TYPE_CHECKING:
    from tclsta_tf.prediction import classifier

__version__ = "0.1.0"


def load(model_dir: str | os.PathLike[str]) -> classifier.Classifier:
    """Loads an exported model, for use in a program.

    Args:
        model_dir: a version's folder, e.g. `run/export/1`.

    Returns:
        A classifier: `load(folder).classify("clip.avi").top(5)`.

    Raises:
        ValueError: where the folder holds no exported model.
    """
    from tclsta_tf.prediction import classifier  # TensorFlow loads here and not with the package

    return classifier.Classifier(model_dir)
