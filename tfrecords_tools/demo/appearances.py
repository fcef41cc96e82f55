"""What the objects look like: four looks that tell classes, and neutral shapes that tell nothing.

A sprite is float32 [side, side, 4]: RGB in [0, 255] multiplied by alpha, and alpha in [0, 1]. The visible disc touches
the sprite's edges.
"""

import colorsys
from collections.abc import Callable

import cv2
import numpy as np

# Patterns are drawn on this many samples per sprite pixel and side, then averaged.
_OVERSAMPLING = 4

# The two hues of each look in degrees. They are complements, so that the mean colour of every look is near grey. The
# one that looks brighter comes first and is drawn light, the other dark, so that the pattern shows in grey too: flow
# has nothing else to follow.
_HUES = {"checker": (180.0, 0.0), "stripes": (62.0, 242.0), "star": (125.0, 305.0), "rings": (30.0, 210.0)}
_LIGHT, _DARK = 0.95, 0.6  # HSV values

_STAR_POINTS = 5
_STAR_INNER = 0.42


def draw_look(look: str, side: int, hue_jitter: float, rng: np.random.Generator) -> np.ndarray:
    """Draws a disc with the pattern and the pair of hues of a look.

    Args:
        look: a key of the hue table: `checker`, `stripes`, `star` or `rings`.
        side: side of the sprite and diameter of the disc, in pixels.
        hue_jitter: largest shift of both hues, in degrees.
        rng: draws the shift of the hues and the saturations.

    Returns:
        float32 [side, side, 4].
    """
    shift = rng.uniform(-hue_jitter, hue_jitter)
    light, dark = (
        np.array(colorsys.hsv_to_rgb((hue + shift) % 360.0 / 360.0, rng.uniform(0.8, 0.95), value)) * 255.0
        for hue, value in zip(_HUES[look], (_LIGHT, _DARK), strict=True)
    )
    x, y = _grid(side)
    colours = np.where(_PATTERNS[look](x, y)[..., np.newaxis], light, dark)
    return _to_sprite(colours, np.hypot(x, y) <= 1.0, side)


def draw_decoy(side: int, rng: np.random.Generator) -> np.ndarray:
    """Draws a disc of the telling object's shape in speckled grey.

    Args:
        side: side of the sprite and diameter of the disc, in pixels.
        rng: draws the speckles.

    Returns:
        float32 [side, side, 4].
    """
    x, y = _grid(side)
    return _to_sprite(_speckles(x.shape, rng), np.hypot(x, y) <= 1.0, side)


def draw_distractor(colour: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """Draws an irregular shape in a colour of the background, faintly speckled.

    Args:
        colour: RGB in [0, 255], float [3].
        side: side of the sprite in pixels.
        rng: draws outline and speckles.

    Returns:
        float32 [side, side, 4].
    """
    x, y = _grid(side)
    corners = rng.integers(3, 7)
    radius = 0.75 + 0.2 * np.cos(corners * np.arctan2(y, x) + rng.uniform(0.0, 2.0 * np.pi))
    speckles = 0.5 * (_speckles(x.shape, rng) - 128.0)
    return _to_sprite(np.clip(colour + speckles, 0.0, 255.0), np.hypot(x, y) <= radius, side)


def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns x and y in (-1, 1) at the centres of the samples, each float64 [S, S]."""
    samples = side * _OVERSAMPLING
    line = (np.arange(samples) + 0.5) / samples * 2.0 - 1.0
    x, y = np.meshgrid(line, line)
    return x, y


def _to_sprite(colours: np.ndarray, inside: np.ndarray, side: int) -> np.ndarray:
    alpha = inside[..., np.newaxis].astype(np.float32)
    samples = np.concatenate([np.broadcast_to(colours, (*inside.shape, 3)) * alpha, alpha], axis=-1, dtype=np.float32)
    return cv2.resize(samples, (side, side), interpolation=cv2.INTER_AREA)


def _speckles(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Returns grey blotches, float64 [S, S, 1] in [40, 216]."""
    blotches = rng.uniform(40.0, 216.0, (8, 8))
    return cv2.resize(blotches, shape[::-1], interpolation=cv2.INTER_NEAREST)[..., np.newaxis]


def _checker(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # Cells much smaller than the way moved in a frame would alias.
    return (np.floor(x * 1.5 + 0.5) + np.floor(y * 1.5 + 0.5)) % 2 == 0


def _stripes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.floor((x + 1.0) * 2.0) % 2 == 0


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # Between a tip and a notch the outline is a straight line; in polar form it is one over a cosine.
    sector = np.pi / _STAR_POINTS
    angle = np.abs((np.arctan2(y, x) + sector) % (2.0 * sector) - sector)
    tip, notch = np.array([0.95, 0.0]), _STAR_INNER * np.array([np.cos(sector), np.sin(sector)])
    normal = np.array([notch[1] - tip[1], tip[0] - notch[0]])
    return np.hypot(x, y) * (np.cos(angle) * normal[0] + np.sin(angle) * normal[1]) <= tip @ normal


def _rings(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # Off the centre, or spinning could not be seen.
    return np.floor(np.hypot(x - 0.35, y) / 0.33) % 2 == 0


_PATTERNS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "checker": _checker,
    "stripes": _stripes,
    "star": _star,
    "rings": _rings,
}
