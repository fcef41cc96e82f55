"""The losses against plain NumPy."""

import numpy as np
import pytest

from tclsta_tf.training import losses


def numpy_cross_entropy(logits, label):
    shifted = logits - logits.max()
    return np.log(np.exp(shifted).sum()) - shifted[label]


@pytest.fixture
def outputs():
    generator = np.random.default_rng(0)
    values = {name: generator.normal(size=(2, 3, 4)).astype(np.float32) for name in
              ("frame_logits", "cam_logits", "temporal_logits")}  # fmt: skip
    values["video_logits"] = np.log(np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]], np.float32))
    return values


def test_stream_losses_are_means_over_frames_one_value_per_video(outputs):
    labels = np.array([3, 1], np.int32)
    result = losses.stream_losses(outputs, labels, video_loss=True)
    keys = {"connection": "frame_logits", "spatial": "cam_logits", "temporal": "temporal_logits"}
    for name, key in keys.items():
        expected = [np.mean([numpy_cross_entropy(frame, label) for frame in video])
                    for video, label in zip(outputs[key], labels, strict=True)]  # fmt: skip
        np.testing.assert_allclose(result[name], expected, rtol=1e-5)
    np.testing.assert_allclose(result["video"], -np.log([0.4, 0.1]), rtol=1e-5)


def test_ablations_lack_the_losses_of_their_missing_heads(outputs):
    del outputs["cam_logits"], outputs["temporal_logits"]
    assert list(losses.stream_losses(outputs, np.array([0, 0], np.int32))) == ["connection"]


def test_alternate_updates_train_motion_on_even_and_static_on_odd_steps():
    logits = {"static_logits": np.array([[1.0, 0.0]], np.float32), "motion_logits": np.array([[0.0, 3.0]], np.float32)}
    labels = np.array([0], np.int32)
    both = losses.collaborative_losses(logits, labels, 4)
    even = losses.collaborative_losses(logits, labels, 4, alternate_updates=True)
    odd = losses.collaborative_losses(logits, labels, 5, alternate_updates=True)
    assert float(even["motion"][0]) == float(both["motion"][0]) > 0 == float(even["static"][0])
    assert float(odd["static"][0]) == float(both["static"][0]) > 0 == float(odd["motion"][0])


def test_the_release_network_has_one_loss():
    result = losses.collaborative_losses({"logits": np.zeros([2, 5], np.float32)}, np.array([1, 2], np.int32), 0)
    np.testing.assert_allclose(result["merged"], np.log([5, 5]), rtol=1e-6)
