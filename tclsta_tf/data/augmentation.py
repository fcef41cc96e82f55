"""Crops and mirroring; one decision per clip, shared by all its frames."""

import functools
from collections.abc import Callable

import cv2
import numpy as np
import tensorflow as tf

_SHARES = (1.0, 0.875, 0.75, 0.66)
_CORNER_SHAPES = [(h, w) for i, h in enumerate(_SHARES) for j, w in enumerate(_SHARES) if abs(i - j) <= 1]
_CENTRE = (0.5, 0.5)  # (y, x), shares of the room
_CORNERS = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), _CENTRE]

ZERO_FLOW = 128  # the stored byte of no motion, see tfrecords_tools/flow/quantise.py


def random_crop(clip: tf.Tensor, size: int, seed: tf.Tensor) -> tf.Tensor:
    """Cuts the same random square out of every frame of `clip` [T, H, W, C]; `seed` is an int [2]."""
    shape = tf.shape(clip)
    room = shape[1:3] - size
    corner = tf.random.stateless_uniform([2], seed, minval=0, maxval=tf.int32.max, dtype=tf.int32) % (room + 1)
    return _crop(clip, corner, size)


def corner_crop(clip: tf.Tensor, size: int, seed: tf.Tensor, is_flow: bool) -> tf.Tensor:
    """Cuts a window of random size and shape out of a corner or the middle, and resizes it (TSN, Wang et al. 2016).

    Height and width are each one of four shares of the frame's shorter side, neighbours at most; the window lies in one
    of the four corners or in the middle, all with the same probability. One window for all frames.

    Args:
        clip: uint8 [T, H, W, C]; with `is_flow` [2F, H, W, 1].
        size: side of the result in pixels.
        seed: int [2].
        is_flow: whether the images are u and v of flow fields in turn: the motion is scaled with the window.

    Returns:
        uint8, shape of `clip` with `size` for H and W.
    """
    place_seed, shape_seed = tf.unstack(tf.random.split(seed, 2))
    shape = tf.shape(clip)[1:3]
    shares = tf.gather(_CORNER_SHAPES, tf.random.stateless_uniform([], shape_seed, 0, len(_CORNER_SHAPES), tf.int32))
    window = tf.cast(tf.round(tf.cast(tf.reduce_min(shape), tf.float32) * shares), tf.int32)
    room = tf.cast(shape - window, tf.float32)
    place = tf.gather(_CORNERS, tf.random.stateless_uniform([], place_seed, 0, len(_CORNERS), tf.int32))
    corner = tf.cast(tf.floor(room * place), tf.int32)
    resized = tf.numpy_function(
        functools.partial(_cut_and_resize, size=size, is_flow=is_flow), [clip, corner, window], tf.uint8, stateful=False
    )
    return tf.ensure_shape(resized, [clip.shape[0], size, size, clip.shape[3]])


def _cut_and_resize(images: np.ndarray, corner: np.ndarray, window: np.ndarray, size: int, is_flow: bool) -> np.ndarray:
    # OpenCV resizes bytes in a tenth of the time that TensorFlow needs.
    (y, x), (height, width) = corner, window
    resized = np.empty([len(images), size, size, images.shape[3]], np.uint8)
    for image, target in zip(images, resized, strict=True):
        cv2.resize(image[y : y + height, x : x + width], (size, size), target, interpolation=cv2.INTER_LINEAR)
    if is_flow:
        motion = np.arange(256.0) - ZERO_FLOW
        # u grows with the width, v with the height.
        for component, side in ((resized[0::2], width), (resized[1::2], height)):
            scaled = np.clip(np.round(motion * (size / side)) + ZERO_FLOW, 0, 255).astype(np.uint8)
            component[:] = scaled[component]
    return resized


def centre_crop(clip: tf.Tensor, size: int) -> tf.Tensor:
    """Cuts the middle square of `size` pixels out of every frame of `clip` [T, H, W, C]."""
    return _crop(clip, (tf.shape(clip)[1:3] - size) // 2, size)


def ten_crops(size: int) -> list[Callable[[tf.Tensor, bool], tf.Tensor]]:
    """The crops of 10-crop testing: the centre, the four corners, and the mirror images of the five.

    Args:
        size: side of the squares in pixels.

    Returns:
        Ten functions of images as in `corner_crop`, which cut one of them; the first one is `centre_crop`.
    """
    places = [(place, mirrored) for mirrored in (False, True) for place in (_CENTRE, *_CORNERS[:-1])]
    return [functools.partial(_fixed_crop, size, place, mirrored) for place, mirrored in places]


def _fixed_crop(size: int, place: tuple[float, float], mirrored: bool, images: tf.Tensor, is_flow: bool) -> tf.Tensor:
    room = tf.cast(tf.shape(images)[1:3] - size, tf.float32)
    cut = _crop(images, tf.cast(tf.floor(room * place), tf.int32), size)
    if not mirrored:
        return cut
    return mirror_flow(cut) if is_flow else mirror_frames(cut)


def _crop(clip: tf.Tensor, corner: tf.Tensor, size: int) -> tf.Tensor:
    cut = tf.slice(clip, tf.stack([0, corner[0], corner[1], 0]), [-1, size, size, -1])
    return tf.ensure_shape(cut, [clip.shape[0], size, size, clip.shape[3]])


def mirror_frames(clip: tf.Tensor) -> tf.Tensor:
    """Mirrors frames [T, H, W, C] left to right."""
    # TensorFlow reverses the rows of one image several times as fast as those of several.
    shape = tf.shape(clip)
    rows = tf.reshape(clip, [-1, shape[2], clip.shape[3]])
    return tf.ensure_shape(tf.reshape(tf.reverse(rows, axis=[1]), shape), clip.shape)


def mirror_flow(planes: tf.Tensor) -> tf.Tensor:
    """Mirrors flow fields uint8 [2F, H, W, 1], u and v of each in turn, and negates u.

    A mirrored scene moves the other way: mirroring the image alone would turn a step to the left into a step to the
    right that nobody took. In stored bytes, -u is 256 - u, so that no motion (128) stays no motion.
    """
    mirrored = tf.numpy_function(_mirror_flow, [planes], tf.uint8, stateful=False)
    return tf.ensure_shape(mirrored, planes.shape)


def _mirror_flow(planes: np.ndarray) -> np.ndarray:
    # OpenCV mirrors ten times as fast as TensorFlow where there is one channel.
    mirrored = np.empty_like(planes)
    for plane, target in zip(planes, mirrored, strict=True):
        cv2.flip(plane, 1, target)
    # 256 - u in 8 bits, with 255 where u is 0.
    u = mirrored[0::2]
    np.maximum(u, 1, out=u)
    np.subtract(255, u, out=u)
    u += 1
    return mirrored
