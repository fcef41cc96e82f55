"""The networks of the paper, written with `keras.ops` only. Importing this package registers them for loading."""

from tclsta_tf.models.attention_stream import AttentionStream
from tclsta_tf.models.backbones import build_backbone
from tclsta_tf.models.collaborative_network import CollaborativeNetwork
from tclsta_tf.models.two_stream import TwoStream

__all__ = ["AttentionStream", "CollaborativeNetwork", "TwoStream", "build_backbone"]
