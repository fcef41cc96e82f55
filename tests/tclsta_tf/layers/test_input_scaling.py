import numpy as np
import pytest

from tclsta_tf.layers import input_scaling


def test_contract(layer_contract, rng, tmp_path):
    def make(**kwargs):
        return input_scaling.InputScaling("flow", 0.01, name="scaling", **kwargs)

    frames = rng.integers(0, 256, (2, 4, 4, 6)).astype("uint8")
    layer_contract.check(make, {"inputs": frames}, [], tmp_path)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_frames_become_bgr_around_zero(dtype):
    red, green, blue = 200, 100, 50
    scaled = np.asarray(input_scaling.InputScaling("frames")(np.array([[[[red, green, blue]]]], dtype)))
    np.testing.assert_allclose(scaled.ravel(), [blue - 103.939, green - 116.779, red - 123.68], rtol=1e-6)


def test_flow_without_motion_is_zero_and_channels_keep_their_order():
    scaled = np.asarray(input_scaling.InputScaling("flow", 0.5)(np.array([[128, 0, 255, 130]], "uint8")))
    np.testing.assert_array_equal(scaled, [[0, -64, 63.5, 1]])


def test_rgb_keeps_its_order_and_fills_the_unit_range():
    scaled = input_scaling.InputScaling("rgb", 1 / 127.5)(np.array([[[[255, 0, 127]]]], "uint8"))
    np.testing.assert_allclose(np.asarray(scaled).ravel(), [1, -1, -0.5 / 127.5], rtol=1e-6)


def test_standardised_by_hand_and_its_config():
    layer = input_scaling.InputScaling("standardised")
    scaled = input_scaling.InputScaling.from_config(layer.get_config())(np.array([[[[255, 0, 51]]]], "uint8"))
    expected = [0.515 / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225]
    np.testing.assert_allclose(np.asarray(scaled).ravel(), expected, rtol=1e-5)


def test_sixteen_bit_policies_subtract_before_they_round():
    # 255 - 103.939 is 151.061; bfloat16 has steps of 1 there, but 100 - 103.939 = -3.939 must not become -4.
    scaled = input_scaling.InputScaling("frames", dtype="mixed_bfloat16")(np.full((1, 1, 1, 3), 104, "uint8"))
    assert abs(float(scaled[0, 0, 0, 0]) - 0.061) < 1e-3


def test_pooling_takes_the_mean_of_whole_squares():
    flow = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 4)).astype("uint8")
    layer = input_scaling.InputScaling("flow", 0.5, pooling=2)
    expected = (flow[:, :4, :6].reshape(2, 2, 2, 3, 2, 4).mean(axis=(2, 4)) - 128) / 2
    np.testing.assert_allclose(np.asarray(layer(flow)), expected, rtol=1e-5, atol=1e-4)
    assert input_scaling.InputScaling.from_config(layer.get_config()).pooling == 2


def test_arguments_outside_their_range_are_refused():
    with pytest.raises(ValueError, match="`kind` must be one of"):
        input_scaling.InputScaling("depth")
    with pytest.raises(ValueError, match="`scale` must be positive"):
        input_scaling.InputScaling("flow", 0)
    with pytest.raises(ValueError, match="`pooling` must be at least 1"):
        input_scaling.InputScaling("flow", pooling=0)
