"""Crops and mirroring; one decision per clip, shared by all its frames."""

import tensorflow as tf

_SHARES = (1.0, 0.875, 0.75, 0.66)
_CORNER_SHAPES = [(h, w) for i, h in enumerate(_SHARES) for j, w in enumerate(_SHARES) if abs(i - j) <= 1]
_CORNERS = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5)]  # (y, x), shares of the room

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
        clip: uint8 [T, H, W, C].
        size: side of the result in pixels.
        seed: int [2].
        is_flow: whether the bytes are motion, u1, v1, u2, v2, ...: it is scaled with the window.

    Returns:
        uint8 [T, size, size, C].
    """
    place_seed, shape_seed = tf.unstack(tf.random.split(seed, 2))
    shape = tf.shape(clip)[1:3]
    shares = tf.gather(_CORNER_SHAPES, tf.random.stateless_uniform([], shape_seed, 0, len(_CORNER_SHAPES), tf.int32))
    window = tf.cast(tf.round(tf.cast(tf.reduce_min(shape), tf.float32) * shares), tf.int32)
    room = tf.cast(shape - window, tf.float32)
    place = tf.gather(_CORNERS, tf.random.stateless_uniform([], place_seed, 0, len(_CORNERS), tf.int32))
    corner = tf.cast(tf.floor(room * place), tf.int32)
    cut = tf.slice(clip, tf.stack([0, corner[0], corner[1], 0]), tf.stack([-1, window[0], window[1], -1]))
    resized = tf.image.resize(cut, [size, size], antialias=True)
    if is_flow:
        # u grows with the width, v with the height.
        growth = tf.cast(size, tf.float32) / tf.cast(window[::-1], tf.float32)
        resized = ZERO_FLOW + (resized - ZERO_FLOW) * tf.tile(growth, [clip.shape[3] // 2])
    rounded = tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)
    return tf.ensure_shape(rounded, [clip.shape[0], size, size, clip.shape[3]])


def centre_crop(clip: tf.Tensor, size: int) -> tf.Tensor:
    """Cuts the middle square of `size` pixels out of every frame of `clip` [T, H, W, C]."""
    return _crop(clip, (tf.shape(clip)[1:3] - size) // 2, size)


def _crop(clip: tf.Tensor, corner: tf.Tensor, size: int) -> tf.Tensor:
    cut = tf.slice(clip, tf.stack([0, corner[0], corner[1], 0]), [-1, size, size, -1])
    return tf.ensure_shape(cut, [clip.shape[0], size, size, clip.shape[3]])


def mirror_frames(clip: tf.Tensor) -> tf.Tensor:
    """Mirrors frames [T, H, W, C] left to right."""
    return tf.reverse(clip, axis=[2])


def mirror_flow(stacks: tf.Tensor) -> tf.Tensor:
    """Mirrors flow stacks uint8 [T, H, W, 2L], channels u1, v1, u2, v2, ..., and negates u.

    A mirrored scene moves the other way: mirroring the image alone would turn a step to the left into a step to the
    right that nobody took. In stored bytes, -u is 256 - u, so that no motion (128) stays no motion.
    """
    mirrored = tf.cast(tf.reverse(stacks, axis=[2]), tf.int32)
    negated = tf.minimum(2 * ZERO_FLOW - mirrored, 255)
    horizontal = tf.range(tf.shape(stacks)[-1]) % 2 == 0
    return tf.cast(tf.where(horizontal, negated, mirrored), tf.uint8)
