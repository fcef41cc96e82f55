"""Warm-up requests, read by an independent reader of the wire format, and by TensorFlow Serving's messages."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow.core.framework import tensor_pb2

from tclsta_tf.serving import warmup

_MESSAGES = {
    "ModelSpec": [("signature_name", 3, "string")],
    "Entry": [("key", 1, "string"), ("value", 2, "bytes")],
    "PredictRequest": [("model_spec", 1, "ModelSpec"), ("inputs", 2, "*Entry")],
    "PredictLog": [("request", 1, "PredictRequest")],
    "PredictionLog": [("predict_log", 6, "PredictLog")],
}


def _message(name):
    """The messages as TensorFlow Serving describes them, as far as they are used; a map is a list of entries."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="serving.proto", package="t", syntax="proto3")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for title, number, kind in fields:
            added = described.field.add(name=title, number=number)
            added.label = field.LABEL_REPEATED if kind.startswith("*") else field.LABEL_OPTIONAL
            if kind in ("string", "bytes"):
                added.type = getattr(field, f"TYPE_{kind.upper()}")
            else:
                added.type, added.type_name = field.TYPE_MESSAGE, f".t.{kind.removeprefix('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"t.{name}"))


@pytest.mark.parametrize("size", [(1, 2, 3), (1, 40, 50)])
def test_a_request_holds_signature_and_inputs(rng, size):
    frames = rng.integers(0, 256, size).astype(np.uint8)
    log = _message("PredictionLog").FromString(
        warmup.prediction_log("serving_default", {"frames": frames, "mask": frames > 9})
    )
    request = log.predict_log.request
    assert request.model_spec.signature_name == "serving_default"
    sent = {entry.key: tf.make_ndarray(tensor_pb2.TensorProto.FromString(entry.value)) for entry in request.inputs}
    np.testing.assert_array_equal(sent.pop("frames"), frames)
    np.testing.assert_array_equal(sent.pop("mask"), frames > 9)
    assert not sent


def test_tensorflow_serving_reads_the_file(tmp_path):
    prediction_log_pb2 = pytest.importorskip(
        "tensorflow_serving.apis.prediction_log_pb2", reason="tensorflow-serving-api is not installed"
    )
    frames = np.arange(24, dtype=np.uint8).reshape(1, 2, 2, 2, 3)
    warmup.write(tmp_path / "assets.extra", {"serving_default": {"frames": frames}})
    (record,) = tf.data.TFRecordDataset(str(tmp_path / "assets.extra" / "tf_serving_warmup_requests"))
    log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
    request = log.predict_log.request
    assert request.model_spec.signature_name == "serving_default"
    np.testing.assert_array_equal(tf.make_ndarray(request.inputs["frames"]), frames)
