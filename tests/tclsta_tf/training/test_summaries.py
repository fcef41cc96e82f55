"""Histograms against those that TensorFlow itself writes."""

import keras
import numpy as np
import tensorflow as tf
from tensorboard.compat.proto import event_pb2

from tclsta_tf.training import summaries


def values_of(folder):
    """What event files hold besides text: name -> (plugin, array)."""
    found = {}
    for file in folder.glob("events*"):
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            for value in event_pb2.Event.FromString(record).summary.value:
                if value.tag != "configuration":
                    found[value.tag] = value.metadata.plugin_data, tf.make_ndarray(value.tensor)
    return found


def test_histograms_are_those_of_tensorflow(rng, tmp_path):
    variables = [
        keras.Variable(rng.normal(0, 3, [40, 50]).astype(np.float32), name="normal"),
        keras.Variable(rng.uniform(-1, 5, [7]).astype(np.float32), name="few"),
    ]
    made = summaries.Summaries(str(tmp_path / "ours"), "settings")
    made.write_histograms(3, variables)
    made.close()
    with tf.summary.create_file_writer(str(tmp_path / "theirs")).as_default(step=3):
        for variable in variables:
            tf.summary.histogram(variable.path, variable.value)
    ours, theirs = values_of(tmp_path / "ours"), values_of(tmp_path / "theirs")
    assert ours.keys() == theirs.keys() == {variable.path for variable in variables}
    for name, (plugin, expected) in theirs.items():
        assert ours[name][0] == plugin and ours[name][1].dtype == expected.dtype
        np.testing.assert_allclose(ours[name][1][:, :2], expected[:, :2], atol=1e-5)
        # A value on an edge may fall on either side of it.
        assert ours[name][1][:, 2].sum() == expected[:, 2].sum()
        assert np.abs(ours[name][1][:, 2] - expected[:, 2]).max() <= 1


def test_what_is_not_finite_is_left_out(tmp_path):
    made = summaries.Summaries(str(tmp_path), "settings")
    made.write_histograms(
        0, [keras.Variable([1.0, np.nan, 2.0, np.inf], name="odd"), keras.Variable([np.nan], name="no")]
    )
    made.close()
    found = values_of(tmp_path)
    assert found["odd"][1][:, 2].sum() == 2 and found["odd"][1][0, 0] == 1 and found["odd"][1][-1, 1] == 2
    assert found["no"][1][:, 2].sum() == 0
