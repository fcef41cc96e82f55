"""Video files in, TFRecords out: decoding, optical flow, records, shards and their manifest.

The package stands on its own (it never imports `tclsta_tf`), so that records can be made and read without the model.
"""

import os

from tfrecords_tools import interruption

# First of all, and until `cli` has come so far that it can answer itself.
if interruption.starts_command(("tfrecords_tools", "tclsta_tf")):
    interruption.take_over()

from tfrecords_tools import quiet_import  # noqa: E402

# Read by the libraries when they load. Without these TensorFlow reports on its build in lines that begin with E (its
# GPU wheels on plugins registered twice), and FFmpeg comments on every odd packet of a video that decodes well. What
# goes wrong is raised, not only logged. A user who sets them keeps what was set.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
quiet_import.install()
