"""Shrinking, enlarging, shifting and filtering of images on any Keras backend, as TV-L1 needs them.

Everything takes float32 [..., H, W] of static size and costs time in proportion to the pixels. Neighbours are fetched
by `take` with constant indices, clipped at the border so that the edge repeats: XLA turns that into vector gathers,
where padding would put a branch into the innermost loop.
"""

import math
from typing import Any

import numpy as np
from keras import ops

_CUT_OFF = 3.0  # standard deviations after which a Gaussian is cut


def shrink(image: Any, height: int, width: int) -> Any:
    """Averages an image down with a Gaussian that keeps it from aliasing.

    The Gaussian's deviation is 0.6 * sqrt(1 / scale**2 - 1) pixels, as in IPOL 2013 (Sanchez et al., section 2.2).

    Args:
        image: float32 [..., H, W].
        height: New height, at most H.
        width: New width, at most W.

    Returns:
        float32 [..., height, width].
    """
    for axis, size in ((-2, height), (-1, width)):
        scale = size / image.shape[axis]
        deviation = 0.6 * math.sqrt(scale**-2 - 1.0)
        if deviation == 0.0:
            continue
        centres = _centres(image.shape[axis], size)
        reach = math.ceil(_CUT_OFF * deviation)
        taps = np.floor(centres)[:, np.newaxis] + np.arange(-reach, reach + 2)
        weights = np.exp(-0.5 * ((taps - centres[:, np.newaxis]) / deviation) ** 2)
        image = _weighted(image, taps, weights / weights.sum(axis=1, keepdims=True), axis)
    return image


def enlarge(image: Any, height: int, width: int) -> Any:
    """Enlarges an image, bilinearly.

    Args:
        image: float32 [..., H, W].
        height: New height, at least H.
        width: New width, at least W.

    Returns:
        float32 [..., height, width].
    """
    for axis, size in ((-2, height), (-1, width)):
        centres = _centres(image.shape[axis], size)
        lower = np.floor(centres)
        fraction = centres - lower
        image = _weighted(image, np.stack([lower, lower + 1], 1), np.stack([1 - fraction, fraction], 1), axis)
    return image


def repeat(image: Any, height: int, width: int) -> Any:
    """Enlarges an image by repeating its nearest pixel; arguments as in `enlarge`."""
    for axis, size in ((-2, height), (-1, width)):
        image = _take(image, np.rint(_centres(image.shape[axis], size)), axis)
    return image


def gradient(image: Any) -> tuple[Any, Any]:
    """Gives the derivatives along x and y, by the five-point stencil (1, -8, 0, 8, -1) / 12.

    Args:
        image: float32 [B, H, W].

    Returns:
        Two float32 [B, H, W], per pixel.
    """
    height, width = image.shape[-2:]
    padded = pad_edge(image, 2)
    rows, columns = padded[:, :, 2 : 2 + width], padded[:, 2 : 2 + height]
    return (
        _five_point(*(columns[:, :, i : i + width] for i in (0, 1, 3, 4))),
        _five_point(*(rows[:, i : i + height] for i in (0, 1, 3, 4))),
    )


def warp(image: Any, u: Any, v: Any) -> tuple[Any, Any]:
    """Looks an image up at displaced places, by cubic convolution (Keys 1981, a = -1/2).

    Args:
        image: float32 [B, H, W].
        u: float32 [B, H, W], displacement to the right in pixels.
        v: float32 [B, H, W], displacement downwards in pixels.

    Returns:
        float32 [B, H, W], image(x + u, y + v), and float32 [B, H, W], 1 where that lies within the image and 0
        elsewhere.
    """
    batch, height, width = image.shape
    x = ops.arange(width, dtype="float32") + u
    y = ops.arange(height, dtype="float32")[:, np.newaxis] + v
    inside = ops.cast((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1), "float32")
    # Clipped before the conversion to integers, which has no defined result for what an integer cannot hold.
    x, y = ops.clip(x, 0.0, width - 1.0), ops.clip(y, 0.0, height - 1.0)
    left, top = ops.floor(x), ops.floor(y)
    x_weights, y_weights = _cubic(x - left), _cubic(y - top)
    left, top = ops.cast(left, "int32"), ops.cast(top, "int32")
    columns = [ops.clip(left + offset, 0, width - 1) for offset in (-1, 0, 1, 2)]
    rows = [
        ops.clip(top + offset, 0, height - 1) * width
        + np.arange(batch, dtype=np.int32)[:, np.newaxis, np.newaxis] * (height * width)
        for offset in (-1, 0, 1, 2)
    ]
    flat = ops.reshape(image, (batch * height * width,))
    warped = sum(
        y_weight
        * sum(x_weight * ops.take(flat, row + column) for x_weight, column in zip(x_weights, columns, strict=True))
        for y_weight, row in zip(y_weights, rows, strict=True)
    )
    return warped, inside


def median(image: Any, size: int) -> Any:
    """Takes the median of each square neighbourhood.

    Args:
        image: float32 [B, H, W].
        size: Side of the square in pixels, odd; 1 changes nothing.

    Returns:
        float32 [B, H, W].
    """
    if size == 1:
        return image
    height, width = image.shape[1:]
    padded = pad_edge(image, size // 2)
    values = [padded[:, i : i + height, j : j + width] for i in range(size) for j in range(size)]
    for low, high, wants_low, wants_high in _selection_network(size * size):
        pair = values[low], values[high]
        if wants_low:
            values[low] = ops.minimum(*pair)
        if wants_high:
            values[high] = ops.maximum(*pair)
    return values[len(values) // 2]


def pad_edge(image: Any, width: int) -> Any:
    """Repeats the border of an image.

    Written piece by piece into one array, which XLA never computes twice. A padding it would fold into every expression
    that reads the result, with a branch at each pixel.

    Args:
        image: float32 [B, H, W].
        width: Pixels to add on every side.

    Returns:
        float32 [B, H + 2 * width, W + 2 * width].
    """
    batch, height, columns = image.shape
    padded = ops.zeros((batch, height + 2 * width, columns + 2 * width), "float32")
    padded = ops.slice_update(padded, (0, width, width), image)
    for start, row in ((0, width), (height + width, height + width - 1)):
        edge = padded[:, row : row + 1, width : width + columns]
        padded = ops.slice_update(padded, (0, start, width), ops.broadcast_to(edge, (batch, width, columns)))
    for start, column in ((0, width), (columns + width, columns + width - 1)):
        edge = padded[:, :, column : column + 1]
        shape = (batch, height + 2 * width, width)
        padded = ops.slice_update(padded, (0, 0, start), ops.broadcast_to(edge, shape))
    return padded


def _five_point(before_last: Any, last: Any, following: Any, second: Any) -> Any:
    return (following - last) * (8.0 / 12.0) - (second - before_last) * (1.0 / 12.0)


def _selection_network(count: int) -> list[tuple[int, int, bool, bool]]:
    """Gives the exchanges that bring the median of `count` values to the middle.

    They are those of Batcher's odd-even merge sort (1968) on which the middle depends. Minima and maxima of whole
    images are vector instructions; a sort per pixel would not be.

    Returns:
        (low, high, whether the minimum is needed, whether the maximum is needed) in order of execution.
    """
    exchanges = []
    run = 1
    while run < count:
        distance = run
        while distance:
            for start in range(distance % run, count - distance, 2 * distance):
                for low in range(start, min(start + distance, count - distance)):
                    if low // (2 * run) == (low + distance) // (2 * run):
                        exchanges.append((low, low + distance))
            distance //= 2
        run *= 2
    needed, kept = {count // 2}, []
    for low, high in reversed(exchanges):
        if low in needed or high in needed:
            kept.append((low, high, low in needed, high in needed))
            needed |= {low, high}
    return kept[::-1]


def _centres(size: int, new_size: int) -> np.ndarray:
    """Gives the place in the old image of each new pixel's centre, float64 [new_size]; pixels are areas, not points."""
    return (np.arange(new_size) + 0.5) * (size / new_size) - 0.5


def _weighted(image: Any, taps: np.ndarray, weights: np.ndarray, axis: int) -> Any:
    """Sums pixels along an axis: `taps` [new_size, K] are their places, `weights` [new_size, K] their shares."""
    shape = (-1, 1) if axis == -2 else (-1,)
    return sum(
        _take(image, taps[:, k], axis) * weights[:, k].astype(np.float32).reshape(shape) for k in range(taps.shape[1])
    )


def _take(image: Any, places: np.ndarray, axis: int) -> Any:
    """Fetches rows (axis -2) or columns (axis -1); places beyond the border give the border's pixel."""
    return ops.take(image, np.clip(places, 0, image.shape[axis] - 1).astype(np.int32), axis=axis)


def _cubic(fraction: Any) -> tuple[Any, Any, Any, Any]:
    """Gives the weights of the pixels at -1, 0, 1, 2 for a place at `fraction` in [0, 1)."""
    f = fraction
    return (
        ((-0.5 * f + 1.0) * f - 0.5) * f,
        (1.5 * f - 2.5) * f * f + 1.0,
        ((-1.5 * f + 2.0) * f + 0.5) * f,
        (0.5 * f - 0.5) * f * f,
    )
