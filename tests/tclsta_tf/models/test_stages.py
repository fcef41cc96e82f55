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
    expected = np.asarray(model(frames))
    seen = set()
    for stage in backbones.STAGES[name]:
        first, second = backbones.split(model, name, stage)
        found = np.asarray(first(frames) if second is None else second(first(frames)))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * expected.max())
        # The first half holds the parts up to this one, with all their weights and no others.
        own = {weight.path for weight in first.weights}
        parts = {backbones.stage_of(name, path.split("/")[0]) for path in own}
        assert parts == set(backbones.stages_until(name, stage)) and seen < own
        assert (
            not own & {weight.path for weight in second.weights}
            if second
            else own == {weight.path for weight in model.weights}
        )
        seen = own


def test_parts_by_name():
    assert backbones.stage_of("googlenet", "inception4c_3x3_bn") == "inception4"
    assert backbones.stage_of("resnet50", "pool1_pool") == "conv1"
    assert backbones.stage_of("resnet50v2", "post_bn") == "conv5"
    with pytest.raises(ValueError, match="`layer_name` must belong to a part of small. Received: layer_name='head'"):
        backbones.stage_of("small", "head")
    with pytest.raises(ValueError, match="`stage` must be one of"):
        backbones.split(backbones.build_backbone("small"), "small", "conv4")
