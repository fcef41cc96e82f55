"""What a stream starts from."""

import dataclasses

import numpy as np
import pytest

from tclsta_tf import config
from tclsta_tf.models import backbones
from tclsta_tf.recipes import run, train_stream


@pytest.fixture
def start(tmp_path, tiny_config, tiny_records):
    """A function that builds a stream from weights of files; gives the first kernel of its backbone."""

    def build(stream, backbone_weights="none", motion_backbone_weights=None):
        own = None if motion_backbone_weights is None else str(motion_backbone_weights)
        settings = dataclasses.replace(
            tiny_config,
            stream=dataclasses.replace(tiny_config.stream, backbone_weights=str(backbone_weights)),
            motion_stream=config.MotionConfig(backbone_weights=own),
        )
        model = train_stream.build_stream(run.Run(settings, tiny_records, tmp_path), stream)
        return model.backbone.get_layer("stem_conv").get_weights()[0]

    return build


@pytest.fixture
def files(tmp_path):
    """Weights files for RGB and for flow, by number of channels, and their first kernels."""
    made = {}
    for channels in (3, 20):
        model = backbones.build_backbone("small", channels)
        model.save_weights(tmp_path / f"{channels}.weights.h5")
        made[channels] = tmp_path / f"{channels}.weights.h5", model.get_layer("stem_conv").get_weights()[0]
    return made


def test_each_stream_starts_from_its_own_weights(start, files):
    (rgb, rgb_kernel), (flow, flow_kernel) = files[3], files[20]
    both = {"backbone_weights": rgb, "motion_backbone_weights": flow}
    np.testing.assert_array_equal(start("static", **both), rgb_kernel)
    np.testing.assert_array_equal(start("motion", **both), flow_kernel)
    inflated = np.stack([rgb_kernel.mean(2)] * 20, axis=2)
    np.testing.assert_allclose(start("motion", backbone_weights=rgb), inflated, rtol=1e-6)
    random = start("motion", backbone_weights=rgb, motion_backbone_weights="none")
    assert np.abs(random - inflated).max() > 0.1


def test_weights_that_do_not_fit_name_their_flag(start, files):
    flow = files[20][0]
    for stream, weights, message in [
        (
            "static",
            {"backbone_weights": flow},
            "^--backbone_weights must be a .* for 3 channels. Received: --backbone_w",
        ),
        (
            "motion",
            {"motion_backbone_weights": "/no"},
            "^--motion_backbone_weights must .*--motion_backbone_weights='/n",
        ),
        ("motion", {"motion_backbone_weights": "imagenet"}, "^--motion_backbone_weights='imagenet' exists for"),
    ]:
        with pytest.raises(ValueError, match=message):
            start(stream, **weights)


def test_the_motion_stream_has_settings_of_its_own(tiny_config, tiny_records, tmp_path):
    own = config.MotionConfig(input_pooling=2, dropout=0.3, batchnorm="frozen")
    made = run.Run(dataclasses.replace(tiny_config, motion_stream=own), tiny_records, tmp_path)
    assert made.config.data.crop_size == 40
    for stream, grid, dropout in (("static", 3, tiny_config.stream.dropout), ("motion", 2, 0.3)):
        model = train_stream.build_stream(made, stream)
        outputs = model(np.zeros([1, 2, 40, 40, model.channels], np.uint8))
        assert outputs["spatial_attention"].shape == (1, 2, grid, grid)
        assert model.dropout.rate == dropout
        frozen = [v for v in model.backbone.trainable_variables if v.name in ("gamma", "beta")]
        assert bool(frozen) == (stream == "static")
