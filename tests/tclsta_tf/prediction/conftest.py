"""A model to predict with, and a check that builds each window's record from scratch."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tclsta_tf.prediction import classifier
from tfrecords_tools import config as record_config
from tfrecords_tools import schema, writer


@pytest.fixture(scope="session")
def model(finished) -> classifier.Classifier:
    """4 frames of 64x48 pixels, crops of 40, flow by DIS. Do not change it."""
    return classifier.Classifier(finished.workdir / "export" / "1")


@pytest.fixture(scope="session")
def straightforward(whole_clip):
    """A function that makes the full record of frames as a video of their own and gives the model's outputs."""

    def classify(model: classifier.Classifier, frames: np.ndarray, frame_rate: float = 10.0) -> dict[str, np.ndarray]:
        record = writer.make_record(frames, frame_rate, model.settings, writer.Description("window"))
        parsed = schema.parse(tf.constant(schema.serialise(record)))
        clips = {}
        for stream, name in (("static", "frames"), ("motion", "flow")):
            clip = whole_clip(parsed, stream, model.card["num_frames"], model.card["sampling"])
            clips[name] = tf.constant(clip[np.newaxis])
        return {name: value[0].numpy() for name, value in model.signatures["precomputed"](**clips).items()}

    return classify


@pytest.fixture
def static_model(model, finished, tmp_path) -> classifier.Classifier:
    """A model without a motion stream, with outputs that nobody has asked for."""

    class Static(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 4, None, None, 3], tf.uint8, name="frames")])
        def classify(self, frames):
            means = tf.reduce_mean(tf.cast(frames, tf.float32), [1, 2, 3]) / 255.0  # [B, 3]: one score a colour
            batch = tf.shape(frames)[0]
            return {
                "scores": tf.ensure_shape(means, [None, 3]),
                "static_scores": tf.ensure_shape(means, [None, 3]),
                "static_spatial_attention": tf.ones([batch, 4, 2, 2]),
                "static_temporal_attention": tf.ones([batch, 4]) / 4.0,
                "fusion_weights": tf.ones([3, 2]),
                "labels": tf.tile(tf.constant([["a", "b", "c"]]), [batch, 1]),
                "positions": tf.zeros([batch, 4], tf.int64),
            }

    module, folder = Static(), tmp_path / "static_model" / "1"
    tf.saved_model.save(module, str(folder), {"precomputed": module.classify})
    shutil.copytree(finished.workdir / "export" / "1" / "assets", folder / "assets", dirs_exist_ok=True)
    card = {**model.card, "streams": ["static"]}
    (folder / "assets" / "model.json").write_text(json.dumps(card))
    return classifier.Classifier(folder)


@pytest.fixture
def sparse_model(finished, tmp_path) -> classifier.Classifier:
    """The same model for records of 6 positions."""
    folder = tmp_path / "sparse" / "1"
    shutil.copytree(finished.workdir / "export" / "1", folder)
    card_file = folder / "assets" / "model.json"
    card = json.loads(card_file.read_text())
    settings = dataclasses.replace(record_config.RecordSettings.from_json(card["record"]), positions=6)
    card_file.write_text(json.dumps({**card, "record": dataclasses.asdict(settings)}))
    return classifier.Classifier(folder)
