import cv2
import numpy as np
import pytest
import tensorflow as tf

from tfrecords_tools import codec
from tfrecords_tools.flow import quantise


@pytest.fixture(scope="module")
def frames(moving_texture):
    return moving_texture(4, (3, 1), seed=7, height=46, width=67)


@pytest.fixture(scope="module")
def fields():
    noise = np.random.default_rng(3).normal(size=(3, 46, 67, 2)).astype(np.float32)
    smooth = np.stack([cv2.GaussianBlur(field, (0, 0), 6.0) for field in noise])
    return smooth / np.abs(smooth).max() * 12.0


def test_frames_come_back_in_rgb_and_nearly_unchanged(frames):
    decoded = codec.decode_frames([codec.encode_frame(frame) for frame in frames]).numpy()
    assert decoded.shape == frames.shape and decoded.dtype == np.uint8
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 250
    assert np.abs(codec.decode_frames([codec.encode_frame(red)]).numpy()[0].astype(int) - red).max() <= 3
    grey = np.repeat(frames[..., :1], 3, axis=-1)
    decoded = codec.decode_frames([codec.encode_frame(frame) for frame in grey]).numpy()
    assert np.abs(decoded.astype(int) - grey).mean() < 1.0


def test_flow_comes_back_within_a_step(fields):
    decoded = codec.decode_fields([codec.encode_flow(field) for field in fields]).numpy()
    assert decoded.shape == fields.shape and decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - quantise.quantise(fields)).max() <= 4
    assert np.abs(quantise.dequantise(decoded) - fields).mean() < quantise.STEP


def test_zero_flow_is_exactly_128_and_u_comes_before_v():
    field = np.zeros((24, 32, 2), np.float32)
    assert (codec.decode_fields([codec.encode_flow(field)]).numpy() == 128).all()
    field[..., 0], field[..., 1] = 20.0, -20.0
    decoded = codec.decode_fields([codec.encode_flow(field)]).numpy()
    assert (decoded[..., 0] == 255).all() and (decoded[..., 1] == 0).all()


@pytest.mark.parametrize("kind", ["frames", "fields"])
def test_batched_single_eager_and_tf_data_agree_exactly(kind, frames, fields):
    if kind == "frames":
        encoded, decode = [codec.encode_frame(frame) for frame in frames], codec.decode_frames
    else:
        encoded, decode = [codec.encode_flow(field) for field in fields], codec.decode_fields
    batched = decode(encoded).numpy()
    single = np.concatenate([decode([image]).numpy() for image in encoded])
    dataset = tf.data.Dataset.from_tensors(tf.constant(encoded))
    unknown_size = next(iter(dataset.map(decode))).numpy()
    known = dataset.map(lambda images: decode(images, 46, 67))
    assert known.element_spec.shape[1:3] == (46, 67)
    np.testing.assert_array_equal(batched, single)
    np.testing.assert_array_equal(batched, unknown_size)
    np.testing.assert_array_equal(batched, next(iter(known)).numpy())


def test_no_fields_give_an_empty_batch_eagerly_and_in_tf_data():
    empty = tf.constant([], tf.string)
    assert codec.decode_fields(empty).shape == (0, 0, 0, 2)
    assert codec.decode_fields(empty, 24, 32).shape == (0, 24, 32, 2)
    dataset = tf.data.Dataset.from_tensors([b"x"]).map(lambda images: codec.decode_fields(images[:0], 24, 32))
    assert next(iter(dataset)).shape == (0, 24, 32, 2)


def test_another_size_than_stated_is_refused(frames):
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="46"):
        codec.decode_frames([codec.encode_frame(frames[0])], 48, 67)


def test_quality_is_passed_on(frames):
    assert len(codec.encode_frame(frames[0], 50)) < len(codec.encode_frame(frames[0], 95))
    flow = np.random.default_rng(0).normal(size=(24, 32, 2))
    assert len(codec.encode_flow(flow, 50)) < len(codec.encode_flow(flow, 95))


def test_wrong_arrays_are_refused():
    with pytest.raises(ValueError, match=r"`frame` must be uint8 \[H, W, 3\]. Received: float32"):
        codec.encode_frame(np.zeros((4, 4, 3), np.float32))
    with pytest.raises(ValueError, match=r"`flow` must be float \[H, W, 2\]"):
        codec.encode_flow(np.zeros((4, 4)))
