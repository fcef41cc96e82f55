"""Backgrounds: every source film has a canvas, larger than the frame, and each video looks at another part of it.

The canvases come from two photographs that scikit-learn ships and from three kinds of synthetic texture. The canvas of
a film is the same in all classes, so that a background tells the film but never the class.
"""

import functools

import cv2
import numpy as np

from tfrecords_tools.demo import seeding
from tfrecords_tools.demo import settings as settings_lib

# Canvas side in lengths of the frame's longer side: room for another view in each video, and for pan and zoom.
_CANVAS = 2.0

_PHOTOGRAPHS = ("china.jpg", "flower.jpg")
_FAMILIES = (*_PHOTOGRAPHS, "clouds", "mosaic", "weave")


@functools.lru_cache(maxsize=32)
def film_canvas(settings: settings_lib.DemoSettings, film: int) -> np.ndarray:
    """Returns the background of a source film.

    Args:
        settings: seed, frame size and background saturation are read.
        film: number of the film, from 0; films take turns through the families of backgrounds.

    Returns:
        uint8 [S, S, 3] RGB, where S is twice the frame's longer side. Shared between calls: not to be written to.
    """
    rng = seeding.generator(settings.seed, "film", film)
    side = round(_CANVAS * max(settings.width, settings.height))
    family = _FAMILIES[film % len(_FAMILIES)]
    if family in _PHOTOGRAPHS:
        canvas = _photograph(family, side, rng)
    elif family == "clouds":
        canvas = _clouds(side, rng)
    elif family == "mosaic":
        canvas = _mosaic(side, rng)
    else:
        canvas = _weave(side, rng)
    # A faint grain everywhere, because flow finds nothing in plain areas; room at both ends for changes of the light;
    # and a tint that is the film's own.
    canvas += cv2.resize(rng.normal(0.0, 12.0, (side // 3, side // 3, 1)), (side, side))[..., np.newaxis]
    canvas = (128.0 + 0.75 * (canvas - 128.0)) * rng.uniform(0.9, 1.1, 3)
    grey = canvas.mean(axis=-1, keepdims=True)
    canvas = np.clip(grey + settings.background_saturation * (canvas - grey), 0.0, 255.0).round().astype(np.uint8)
    canvas.flags.writeable = False
    return canvas


def _photograph(name: str, side: int, rng: np.random.Generator) -> np.ndarray:
    """Cuts out a square, of a few candidates the one whose plainest parts have most detail: sky would be no clutter."""
    from sklearn import datasets  # here, because the import takes a second that --help and errors need not wait for

    picture = datasets.load_sample_image(name)
    candidates = []
    for _ in range(8):
        length = int(rng.integers(200, 320))
        top, left = (int(rng.integers(extent - length + 1)) for extent in picture.shape[:2])
        candidates.append(picture[top : top + length, left : left + length])
    best = max(candidates, key=_least_detail)
    if rng.integers(2):
        best = np.ascontiguousarray(best[:, ::-1])
    shrinks = side < best.shape[0]
    return cv2.resize(best, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC).astype(float)


def _least_detail(picture: np.ndarray) -> float:
    """Returns how much detail the plainest quarter of a picture has."""
    edges = np.abs(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_64F))
    return float(np.percentile(cv2.resize(edges, (8, 8), interpolation=cv2.INTER_AREA), 25))


def _clouds(side: int, rng: np.random.Generator) -> np.ndarray:
    """Adds up coloured noise of several grain sizes."""
    canvas = np.full((side, side, 3), 128.0)
    for cells, strength in ((6, 45.0), (14, 35.0), (32, 30.0), (64, 20.0)):
        grey = rng.normal(0.0, strength, (cells, cells, 1))
        grain = grey + rng.normal(0.0, strength / 2.0, (cells, cells, 3))
        canvas += cv2.resize(grain, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip(canvas, 0.0, 255.0)


def _mosaic(side: int, rng: np.random.Generator) -> np.ndarray:
    """Throws rectangles and ellipses of all sizes on top of each other."""
    canvas = np.full((side, side, 3), 128.0)
    for number in range(160):
        colour = rng.uniform(40.0, 215.0, 3).tolist()
        centre = tuple(int(place) for place in rng.uniform(0.0, side, 2))
        axes = rng.uniform(0.02, 0.16, 2) * side * (0.4 if number > 60 else 1.0)
        angle = rng.uniform(0.0, 180.0)
        if rng.integers(2):
            half_axes = tuple(int(axis) for axis in axes)
            cv2.ellipse(canvas, centre, half_axes, angle, 0.0, 360.0, colour, cv2.FILLED, cv2.LINE_8)
        else:
            corners = cv2.boxPoints((centre, tuple(2.0 * axes), angle))
            cv2.fillPoly(canvas, [corners.astype(np.int32)], colour)
    return cv2.GaussianBlur(canvas, (3, 3), 0.0)


def _weave(side: int, rng: np.random.Generator) -> np.ndarray:
    """Adds up gratings of several directions, each with colours of its own, bent by noise."""
    line = np.arange(side) / side
    x, y = np.meshgrid(line, line)
    bend = cv2.resize(rng.normal(0.0, 0.04, (8, 8)), (side, side), interpolation=cv2.INTER_CUBIC)
    canvas = np.full((side, side, 3), 128.0)
    for _ in range(5):
        angle, waves = rng.uniform(0.0, np.pi), rng.uniform(4.0, 22.0)
        ramp = (x + bend) * np.cos(angle) + (y + bend) * np.sin(angle)
        canvas += np.sin(2.0 * np.pi * waves * ramp)[..., np.newaxis] * rng.uniform(5.0, 35.0, 3)
    return np.clip(canvas, 0.0, 255.0)
