"""Frames and flow fields to JPEG and back.

Encoding is OpenCV's. Decoding is TensorFlow's and only TensorFlow's, in training, evaluation, prediction and serving
alike: OpenCV's decoder gives slightly different pixels for the same JPEG, and scores would differ with them.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import tensorflow as tf

from tfrecords_tools.flow import quantise

_IMAGES_AT_ONCE = 64


def encode_frame(frame: np.ndarray, quality: int = 95) -> bytes:
    """Encodes a frame.

    Args:
        frame: uint8 [H, W, 3], RGB.
        quality: JPEG quality in [1, 100].

    Returns:
        A JPEG.
    """
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(f"`frame` must be uint8 [H, W, 3]. Received: {frame.dtype} {list(frame.shape)}")
    return _encode(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), quality)


def encode_flow(flow: np.ndarray, quality: int = 95) -> bytes:
    """Encodes a flow field as one grey image, u above v, clipped to 20 pixels per frame.

    Args:
        flow: float [H, W, 2], u (to the right) and v (down) in pixels per frame.
        quality: JPEG quality in [1, 100].

    Returns:
        A grey JPEG of [2 * H, W].
    """
    if flow.ndim != 3 or flow.shape[2] != 2:
        raise ValueError(f"`flow` must be float [H, W, 2]. Received: {flow.dtype} {list(flow.shape)}")
    stored = quantise.quantise(flow)
    return _encode(np.concatenate([stored[..., 0], stored[..., 1]], axis=0), quality)


def decode_frames(encoded: tf.Tensor, height: int | None = None, width: int | None = None) -> tf.Tensor:
    """Decodes the frames of one clip.

    Args:
        encoded: string [T], JPEGs of one size.
        height: Frame height in pixels where it is known: it becomes the static shape, and is checked.
        width: Frame width in pixels, likewise.

    Returns:
        uint8 [T, H, W, 3], RGB; [0, 0, 0, 3] (or with the known sizes) where T is 0.
    """
    return _decode(encoded, height, width, channels=3)


def decode_fields(encoded: tf.Tensor, height: int | None = None, width: int | None = None) -> tf.Tensor:
    """Decodes flow fields to the bytes as stored; `quantise.dequantise` gives pixels per frame.

    Args:
        encoded: string [F], grey JPEGs of [2 * H, W], u above v, of one size.
        height: H in pixels where it is known: it becomes the static shape, and is checked.
        width: W in pixels, likewise.

    Returns:
        uint8 [F, H, W, 2], u then v, zero motion is 128; [0, 0, 0, 2] (or with the known sizes) where F is 0.
    """
    planes = _decode(encoded, None if height is None else 2 * height, width, channels=1)
    rows = tf.shape(planes)[1] // 2 if height is None else height
    fields = tf.concat([planes[:, :rows], planes[:, rows:]], axis=-1)
    return tf.ensure_shape(fields, [None, height, width, 2])


def decode_frame_windows(encoded: tf.Tensor, shape: tf.Tensor, windows: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Decodes windows of the frames of one clip, which is quicker than to cut them out of all decoded frames.

    Args:
        encoded: string [T], T >= 1, JPEGs.
        shape: int32 [2], their height and width in pixels.
        windows: int32 [4] each: top, left, height and width in pixels.

    Returns:
        For each window uint8 [T, height, width, 3], RGB.
    """
    return _decode_windows(encoded, shape, windows, images=1, channels=3)


def decode_plane_windows(encoded: tf.Tensor, shape: tf.Tensor, windows: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Decodes windows of flow fields to the bytes as stored, u and v apart.

    Args:
        encoded: string [F], F >= 1, grey JPEGs of [2 * H, W], u above v.
        shape: int32 [2], H and W in pixels.
        windows: int32 [4] each: top, left, height and width in pixels, of both components.

    Returns:
        For each window uint8 [2F, height, width, 1], u and v of each field in turn.
    """
    return _decode_windows(encoded, shape, windows, images=2, channels=1)


def _decode_windows(
    encoded: tf.Tensor, shape: tf.Tensor, windows: Sequence[tf.Tensor], images: int, channels: int
) -> list[tf.Tensor]:
    """Decodes JPEGs that hold `images` images of `shape` above each other."""
    whole = tf.concat([[images], shape, [channels]], axis=0)
    # Put together here, once: what is done to each image is to be decoding and copying.
    places = [(tf.stack([0, window[0], window[1], 0]), tf.concat([[-1], window[2:], [-1]], 0)) for window in windows]

    def decode_one(image: tf.Tensor) -> tuple[tf.Tensor, ...]:
        apart = tf.reshape(_decode_jpeg(image, channels), whole)
        return tuple(tf.slice(apart, begin, size) for begin, size in places)

    spec = tf.TensorSpec([images, None, None, channels], tf.uint8)
    stacked = tf.map_fn(decode_one, encoded, fn_output_signature=tuple(spec for _ in windows))
    known = None if encoded.shape[0] is None else images * encoded.shape[0]
    return [
        tf.ensure_shape(tf.reshape(stack, tf.concat([[-1], window[2:], [channels]], 0)), [known, None, None, channels])
        for stack, window in zip(stacked, windows, strict=True)
    ]


def find_damaged(
    images: Sequence[bytes], decode: Callable[[tf.Tensor, int, int], tf.Tensor], height: int, width: int
) -> list[int]:
    """Decodes images to find those that do not decode.

    Args:
        images: JPEGs.
        decode: `decode_frames` or `decode_fields`.
        height: Height that frames must have, in pixels.
        width: Width that they must have.

    Returns:
        Indices of those that are damaged or of another size.
    """
    damaged: list[int] = []
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        part = list(images[start : start + _IMAGES_AT_ONCE])
        if not _decodes(part, decode, height, width):
            damaged += [start + i for i, image in enumerate(part) if not _decodes([image], decode, height, width)]
    return damaged


def _decodes(images: list[bytes], decode: Callable, height: int, width: int) -> bool:
    try:
        decode(tf.constant(images, tf.string), height, width)
    except (tf.errors.InvalidArgumentError, ValueError):
        return False
    return True


def _encode(image: np.ndarray, quality: int) -> bytes:
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"OpenCV could not encode an image of {list(image.shape)} as JPEG")
    return encoded.tobytes()


def _decode(encoded: tf.Tensor, height: int | None, width: int | None, channels: int) -> tf.Tensor:
    encoded = tf.convert_to_tensor(encoded, tf.string)
    shape = [height, width, channels]

    def decode_one(image: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(_decode_jpeg(image, channels), shape)

    # A map over nothing has no shape to give where the size is not known beforehand.
    images = tf.cond(
        tf.size(encoded) > 0,
        lambda: tf.map_fn(decode_one, encoded, fn_output_signature=tf.TensorSpec(shape, tf.uint8)),
        lambda: tf.zeros([0, height or 0, width or 0, channels], tf.uint8),
    )
    return tf.ensure_shape(images, [encoded.shape[0], *shape])


def _decode_jpeg(image: tf.Tensor, channels: int) -> tf.Tensor:
    # The default method may differ between builds of libjpeg; this one is exact.
    return tf.io.decode_jpeg(image, channels=channels, dct_method="INTEGER_ACCURATE")
