"""Crops and mirroring; one decision per clip, shared by all its frames.

A crop is in two steps: a window of every image, which is cut out while the images are decoded, and what is then done
with all windows of a clip.
"""

import dataclasses
import functools
from collections.abc import Callable

import cv2
import numpy as np
import tensorflow as tf

from tfrecords_tools import stacks
from tfrecords_tools.flow import quantise

_SHARES = (1.0, 0.875, 0.75, 0.66)
_CORNER_SHAPES = [(h, w) for i, h in enumerate(_SHARES) for j, w in enumerate(_SHARES) if abs(i - j) <= 1]
_CENTRE = (0.5, 0.5)  # (y, x), shares of the room
_CORNERS = [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), _CENTRE]


@dataclasses.dataclass(frozen=True)
class Crop:
    """A square out of every image of a clip.

    Attributes:
        size: its side in pixels; None where the whole images are taken.
        window: from int32 [2], height and width of the images, to int32 [4], top, left, height and width of the window.
        resizes: whether the window may be of another size than the square.
        mirrored: bool or bool [], whether it is turned left to right.
    """

    size: int | None
    window: Callable[[tf.Tensor], tf.Tensor]
    resizes: bool = False
    mirrored: bool | tf.Tensor = False

    def finish(self, windows: tf.Tensor, is_flow: bool) -> tf.Tensor:
        """Makes the squares.

        Args:
            windows: uint8 [k, h, w, C], the images' windows; with `is_flow` [2F, h, w, 1].
            is_flow: whether they are u and v of flow fields in turn: motion is scaled and mirrored with the window.

        Returns:
            uint8 [k, size, size, C].
        """
        channels = windows.shape[3]
        if self.resizes and self.size:
            resize = functools.partial(_resize, size=self.size, is_flow=is_flow)
            windows = tf.numpy_function(resize, [windows], tf.uint8, stateful=False)
        windows = tf.ensure_shape(windows, [None, self.size, self.size, channels])
        if self.mirrored is False:
            return windows
        mirror = mirror_flow if is_flow else mirror_frames
        return tf.cond(tf.convert_to_tensor(self.mirrored), lambda: mirror(windows), lambda: windows)


def whole_images() -> Crop:
    """The images as they are."""
    return Crop(None, lambda shape: tf.concat([[0, 0], shape], axis=0))


def centre_crop(size: int) -> Crop:
    """The square in the middle."""
    return _fixed_crop(size, _CENTRE)


def random_crop(size: int, seed: tf.Tensor) -> Crop:
    """A square anywhere; `seed` is an int [2]."""

    def window(shape: tf.Tensor) -> tf.Tensor:
        place = tf.random.stateless_uniform([2], seed, minval=0, maxval=tf.int32.max, dtype=tf.int32)
        return _square(place % (shape - size + 1), size)

    return Crop(size, window)


def corner_crop(size: int, seed: tf.Tensor) -> Crop:
    """A window of random size and shape in a corner or the middle, resized (TSN, Wang et al. 2016).

    Height and width are each one of four shares of the frame's shorter side, neighbours at most; the window lies in one
    of the four corners or in the middle, all with the same probability.

    Args:
        size: side of the square in pixels.
        seed: int [2].
    """
    place_seed, shape_seed = tf.unstack(tf.random.split(seed, 2))

    def window(shape: tf.Tensor) -> tf.Tensor:
        chosen = tf.random.stateless_uniform([], shape_seed, 0, len(_CORNER_SHAPES), tf.int32)
        side = tf.cast(tf.reduce_min(shape), tf.float32)
        sides = tf.cast(tf.round(side * tf.gather(_CORNER_SHAPES, chosen)), tf.int32)
        corner = tf.random.stateless_uniform([], place_seed, 0, len(_CORNERS), tf.int32)
        return tf.concat([_place(shape - sides, tf.gather(_CORNERS, corner)), sides], axis=0)

    return Crop(size, window, resizes=True)


def ten_crops(size: int) -> list[Crop]:
    """The crops of 10-crop testing: the centre, the four corners, and the mirror images of the five."""
    places = (_CENTRE, *_CORNERS[:4])
    return [_fixed_crop(size, place, mirrored) for mirrored in (False, True) for place in places]


def _fixed_crop(size: int, place: tuple[float, float], mirrored: bool = False) -> Crop:
    return Crop(size, lambda shape: _square(_place(shape - size, place), size), mirrored=mirrored)


def _square(corner: tf.Tensor, size: int) -> tf.Tensor:
    return tf.concat([corner, [size, size]], axis=0)


def _place(room: tf.Tensor, shares: tf.Tensor | tuple[float, float]) -> tf.Tensor:
    return tf.cast(tf.floor(tf.cast(room, tf.float32) * shares), tf.int32)


def _resize(images: np.ndarray, size: int, is_flow: bool) -> np.ndarray:
    # OpenCV resizes bytes in a tenth of the time that TensorFlow needs.
    height, width = images.shape[1:3]
    resized = stacks.empty((len(images), size, size, images.shape[3]))
    for image, target in zip(images, resized, strict=True):
        cv2.resize(image, (size, size), target, interpolation=cv2.INTER_LINEAR)
    if is_flow:
        motion = np.arange(256.0) - quantise.ZERO
        # u grows with the width, v with the height.
        for component, side in ((resized[0::2], width), (resized[1::2], height)):
            scaled = np.clip(np.round(motion * (size / side)) + quantise.ZERO, 0, 255).astype(np.uint8)
            component[:] = scaled[component]
    return resized


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
    mirrored = stacks.empty(planes.shape)
    for index, (plane, target) in enumerate(zip(planes, mirrored, strict=True)):
        cv2.flip(plane, 1, target)
        if index % 2 == 0:
            # 256 - u: 255 - u, plus 1 that stops at 255.
            cv2.bitwise_not(target, target)
            cv2.add(target, 1, target)
    return mirrored
