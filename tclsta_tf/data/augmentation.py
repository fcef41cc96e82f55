"""Crops and mirroring; one decision per clip, shared by all its frames."""

import tensorflow as tf

ZERO_FLOW = 128  # the stored byte of no motion, see tfrecords_tools/flow/quantise.py


def random_crop(clip: tf.Tensor, size: int, seed: tf.Tensor) -> tf.Tensor:
    """Cuts the same random square out of every frame of `clip` [T, H, W, C]; `seed` is an int [2]."""
    shape = tf.shape(clip)
    room = shape[1:3] - size
    corner = tf.random.stateless_uniform([2], seed, minval=0, maxval=tf.int32.max, dtype=tf.int32) % (room + 1)
    return _crop(clip, corner, size)


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
