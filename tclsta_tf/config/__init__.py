"""Every setting of the classifier, in frozen dataclasses; imports no project code.

The text under `Attributes:` is also the help of the command line: flags.py reads names, types, defaults and help from
here, so a setting is written down once.
"""

from tclsta_tf.config.clips import DataConfig
from tclsta_tf.config.collaboration import CollaborativeConfig
from tclsta_tf.config.devices import DeviceConfig
from tclsta_tf.config.export import ExportConfig
from tclsta_tf.config.fusions import FusionConfig
from tclsta_tf.config.run import FLAG_PREFIXES, FOLDERS, PARTS, REPORT, STREAMS, RunConfig
from tclsta_tf.config.streams import ATTENTION_VARIANTS, MotionConfig, StreamConfig
from tclsta_tf.config.training import TrainConfig, make_stages

__all__ = [
    "ATTENTION_VARIANTS",
    "FLAG_PREFIXES",
    "FOLDERS",
    "PARTS",
    "REPORT",
    "STREAMS",
    "CollaborativeConfig",
    "DataConfig",
    "DeviceConfig",
    "ExportConfig",
    "FusionConfig",
    "MotionConfig",
    "RunConfig",
    "StreamConfig",
    "TrainConfig",
    "make_stages",
]
