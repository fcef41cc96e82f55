"""Two-stream collaborative learning with spatial-temporal attention (TCLSTA) for video classification.

Importing the package imports neither TensorFlow nor Keras; its parts do when they are imported.
"""

import os

# TensorFlow reads this once, when it is first imported. Its GPU wheels report plugins registered twice as errors (level
# 2) on every start; what really fails also raises in Python. A value set by the user is kept.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"
