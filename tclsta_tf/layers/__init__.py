"""The layers of the paper, written with `keras.ops` only, so that they run on every Keras backend."""

from tclsta_tf.layers.batch_normalization import BatchNormalization
from tclsta_tf.layers.class_activation import ClassActivation
from tclsta_tf.layers.collaborative import CollaborativeLearning
from tclsta_tf.layers.frozen_batch_normalization import FrozenBatchNormalization
from tclsta_tf.layers.guided_attention import GuidedAttention
from tclsta_tf.layers.input_scaling import InputScaling
from tclsta_tf.layers.lstm_cell import LSTMCell
from tclsta_tf.layers.temporal_affinity import TemporalAffinity
from tclsta_tf.layers.weighted_pooling import WeightedPooling

__all__ = [
    "BatchNormalization",
    "ClassActivation",
    "CollaborativeLearning",
    "FrozenBatchNormalization",
    "GuidedAttention",
    "InputScaling",
    "LSTMCell",
    "TemporalAffinity",
    "WeightedPooling",
]
