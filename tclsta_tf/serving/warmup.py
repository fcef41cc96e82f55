"""Requests that TensorFlow Serving sends to a model itself before anybody else may: the first one compiles the flow."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfrecords_tools import storage

FILE = "tf_serving_warmup_requests"


def write(folder: storage.AnyPath, requests: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Writes `folder/tf_serving_warmup_requests`.

    Args:
        folder: `assets.extra` of the SavedModel.
        requests: signature -> its inputs by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / FILE)) as writer:
        for signature, inputs in requests.items():
            writer.write(prediction_log(signature, inputs))


def prediction_log(signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """A serialised `tensorflow.serving.PredictionLog` with one `PredictRequest`.

    These messages are nested and small: written here by their field numbers (tensorflow_serving/apis/{prediction_log,
    predict,model}.proto), they need no package of messages, which would pin a TensorFlow of its own.
    """
    model_spec = _field(3, signature.encode())  # ModelSpec.signature_name
    request = _field(1, model_spec)  # PredictRequest.model_spec
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(2, _field(1, name.encode()) + _field(2, tensor))  # PredictRequest.inputs, a map
    return _field(6, _field(1, request))  # PredictionLog.predict_log, PredictLog.request


def _field(number: int, value: bytes) -> bytes:
    """A field of wire type 2: its key, its length, its bytes."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])
