"""Networks cut in two at the end of a part."""

import keras
import numpy as np
import pytest

from tclsta_tf.models import backbones


@pytest.mark.parametrize("name", backbones.NAMES)
def test_two_halves_make_the_whole(rng, name):
    keras.utils.set_random_seed(1)
    model = backbones.build_backbone(name)
    frames = rng.integers(0, 256, (1, 64, 64, 3)).astype("uint8")
    outputs = [backbones.stage_output(model, name, stage) for stage in backbones.STAGES[name]]
    *cuts, last = keras.Model(model.input, outputs)(frames)
    expected = np.asarray(model(frames))
    np.testing.assert_array_equal(np.asarray(last), expected)
    below = model.input
    for output in outputs[:-1]:  # every part reads the one before it and nothing else
        keras.Model(below, output)
        below = output
    second = keras.Model(outputs[1], model.output)
    np.testing.assert_allclose(np.asarray(second(cuts[1])), expected, rtol=1e-5, atol=1e-5 * expected.max())


def test_parts_by_name():
    assert backbones.stage_of("googlenet", "inception4c_3x3_bn") == "inception4"
    assert backbones.stage_of("resnet50", "pool1_pool") == "conv1"
    assert backbones.stage_of("resnet50v2", "post_bn") == "conv5"
    with pytest.raises(ValueError, match="`layer_name` must belong to a part of small. Received: layer_name='head'"):
        backbones.stage_of("small", "head")
    with pytest.raises(ValueError, match="`stage` must be one of"):
        backbones.stage_output(backbones.build_backbone("small"), "small", "conv4")
