"""Pairs of frames with known motion, on which methods of optical flow are compared.

A scene is a background and a few objects, each a texture that moves by an affine map of its own. The two frames are
rendered at twice their size and averaged down, as a camera's pixels average light, so that neither frame is a
resampled copy of the other. Textures are the two photographs that scikit-learn ships and drawn ones.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from tfrecords_tools.demo import scenes, seeding, settings

_OVERSAMPLING = 2  # rendered pixels per pixel, either way


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two frames and the true motion between them.

    Attributes:
        first: uint8 [H, W], grey.
        second: uint8 [H, W], grey.
        flow: float32 [H, W, 2], (u, v) in pixels per frame at each pixel of `first`, hidden ones included; NaN where it
            is not known.
    """

    first: np.ndarray
    second: np.ndarray
    flow: np.ndarray


@dataclasses.dataclass(frozen=True)
class _Layer:
    """A texture that moves.

    Attributes:
        texture: float32 [h, w] in [0, 255], oversampled; its centre lies on the frame's centre plus `offset`.
        alpha: float32 [h, w] in [0, 1], where the layer covers what is below.
        offset: (x, y) in pixels, place of the layer's centre in the first frame, from the frame's centre.
        motion: float64 [2, 3], the affine map that takes a place of the first frame to its place in the second; in
            pixels, about the layer's centre.
    """

    texture: np.ndarray
    alpha: np.ndarray
    offset: np.ndarray
    motion: np.ndarray


def make_groups(
    height: int = 240, width: int = 320, pairs_per_group: int = 4, seed: int = 0
) -> dict[str, tuple[Pair, ...]]:
    """Makes all groups of pairs.

    Args:
        height: Frame height in pixels.
        width: Frame width in pixels.
        pairs_per_group: Pairs in each group; they differ in texture, direction and place.
        seed: 0 or above.

    Returns:
        Pairs by the name of their group.
    """
    kinds: dict[str, Callable[[_Maker], Pair]] = {
        "translation": lambda make: make.pair([make.background(make.shift(2.0, 5.0))]),
        "rotation": lambda make: make.pair([make.background(make.turn(1.5, 3.0))]),
        "zoom": lambda make: make.pair([make.background(make.zoom(0.02, 0.05))]),
        "objects": lambda make: make.pair(make.objects(2.0, 5.0)),
        "small motion": lambda make: make.pair(make.objects(0.1, 0.8)),
        "15-pixel motion": lambda make: make.pair(make.fast(14.0, 16.0)),
        "brightness change": lambda make: make.relight(make.pair(make.objects(1.0, 4.0))),
        "noise": lambda make: make.degrade(make.pair(make.objects(1.0, 4.0))),
    }
    return {
        name: tuple(
            make_pair(_Maker(height, width, number, seeding.generator(seed, "flow pair", name, number)))
            for number in range(pairs_per_group)
        )
        for name, make_pair in kinds.items()
    }


class _Maker:
    """Draws the parts of one pair from one random generator."""

    def __init__(self, height: int, width: int, number: int, rng: np.random.Generator) -> None:
        self._height, self._width, self._number, self._rng = height, width, number, rng

    def shift(self, low: float, high: float) -> np.ndarray:
        """A translation by `low` to `high` pixels in any direction."""
        angle = self._rng.uniform(0.0, 2.0 * np.pi)
        length = self._rng.uniform(low, high)
        return np.array([[1.0, 0.0, length * np.cos(angle)], [0.0, 1.0, length * np.sin(angle)]])

    def turn(self, low: float, high: float) -> np.ndarray:
        """A rotation by `low` to `high` degrees, either way, with a little translation."""
        angle = np.deg2rad(self._rng.uniform(low, high)) * self._rng.choice([-1.0, 1.0])
        motion = self.shift(0.0, 1.0)
        motion[:, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        return motion

    def zoom(self, low: float, high: float) -> np.ndarray:
        """A zoom by the share `low` to `high`, in or out, with a little translation."""
        factor = (1.0 + self._rng.uniform(low, high)) ** self._rng.choice([-1.0, 1.0])
        motion = self.shift(0.0, 1.0)
        motion[:, :2] *= factor
        return motion

    def background(self, motion: np.ndarray) -> _Layer:
        texture = self._texture(self._number, 2 * self._height, 2 * self._width)
        return _Layer(texture, np.ones_like(texture), np.zeros(2), motion)

    def objects(self, low: float, high: float) -> Sequence[_Layer]:
        """A slowly moving background and three objects that move by `low` to `high` pixels over it."""
        background = self.background(self.shift(0.0, min(1.0, low)))
        sides = self._rng.uniform(0.25, 0.45, 3)
        return [background, *(self._object(index + 1, side, low, high) for index, side in enumerate(sides))]

    def fast(self, low: float, high: float) -> Sequence[_Layer]:
        """The whole frame, or in every second pair one large object, moves by `low` to `high` pixels.

        The object is large because fast motion of what is smaller than the motion is beyond coarse-to-fine methods,
        and would hide how they differ.
        """
        if self._number % 2 == 0:
            return [self.background(self.shift(low, high))]
        return [self.background(self.shift(0.0, 1.0)), self._object(1, 0.55, low, high)]

    def pair(self, layers: Sequence[_Layer]) -> Pair:
        """Renders two frames; the last layer is in front."""
        identity = np.eye(2, 3)
        first = self._render(layers, [identity] * len(layers))
        second = self._render(layers, [layer.motion for layer in layers])
        flow = np.zeros((self._height, self._width, 2))
        for layer in layers:
            covered = self._place(layer.alpha, layer, identity) > 0.5
            flow[covered] = self._motion_field(layer)[covered]
        return Pair(_to_bytes(first), _to_bytes(second), flow.astype(np.float32))

    def relight(self, pair: Pair) -> Pair:
        """The second frame brighter or darker by a tenth of its contrast and up to 10 grey levels."""
        gain, offset = self._rng.choice([0.9, 1.1]), self._rng.uniform(-10.0, 10.0)
        return dataclasses.replace(pair, second=_to_bytes(128.0 + gain * (pair.second - 128.0) + offset))

    def degrade(self, pair: Pair) -> Pair:
        """Sensor noise of 6 grey levels in both frames, independent."""
        first, second = (
            _to_bytes(frame + self._rng.normal(0.0, 6.0, frame.shape)) for frame in (pair.first, pair.second)
        )
        return dataclasses.replace(pair, first=first, second=second)

    def _object(self, index: int, side: float, low: float, high: float) -> _Layer:
        """One that covers the share `side` of the frame's shorter side, anywhere in the frame."""
        pixels = int(side * min(self._height, self._width))
        offset = self._rng.uniform(-0.4, 0.4, 2) * (np.array([self._width, self._height]) - pixels)
        texture = self._texture(self._number + index, pixels, pixels)
        return _Layer(texture, self._outline(pixels), offset, self.shift(low, high))

    def _render(self, layers: Sequence[_Layer], motions: Sequence[np.ndarray]) -> np.ndarray:
        frame = np.zeros((self._height, self._width))
        for layer, motion in zip(layers, motions, strict=True):
            alpha = self._place(layer.alpha, layer, motion)
            # Alpha-weighted averaging: the colour of a pixel that is half covered is not mixed with what lies outside.
            frame = (1.0 - alpha) * frame + self._place(layer.alpha * layer.texture, layer, motion)
        return frame

    def _place(self, image: np.ndarray, layer: _Layer, motion: np.ndarray) -> np.ndarray:
        """Moves a layer's image to its place in a frame, float64 [H, W]."""
        size = np.array([self._width, self._height]) * _OVERSAMPLING
        centre = (np.array(image.shape[::-1]) - 1) / 2
        # From oversampled pixels of the frame back to those of the texture, both about their centres.
        linear = np.linalg.inv(motion[:, :2])
        target = (size - 1) / 2 + _OVERSAMPLING * (layer.offset + motion[:, 2])
        back = np.concatenate([linear, (centre - linear @ target)[:, np.newaxis]], axis=1)
        placed = cv2.warpAffine(image, back, size.tolist(), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
        return cv2.resize(placed, (self._width, self._height), interpolation=cv2.INTER_AREA).astype(np.float64)

    def _motion_field(self, layer: _Layer) -> np.ndarray:
        place = np.stack(np.meshgrid(np.arange(self._width), np.arange(self._height)), axis=-1).astype(np.float64)
        place -= np.array([self._width - 1, self._height - 1]) / 2 + layer.offset
        return place @ (layer.motion[:, :2] - np.eye(2)).T + layer.motion[:, 2]

    def _texture(self, number: int, height: int, width: int) -> np.ndarray:
        """Cuts a texture of `height` x `width` pixels out of the canvases in turn, oversampled."""
        canvas = _canvas(number % _NUM_CANVASES)
        height, width = (
            min(_OVERSAMPLING * side, extent) for side, extent in zip((height, width), canvas.shape, strict=True)
        )
        top, left = (
            int(self._rng.integers(extent - side + 1))
            for side, extent in zip((height, width), canvas.shape, strict=True)
        )
        return canvas[top : top + height, left : left + width]

    def _outline(self, side: int) -> np.ndarray:
        """A disc with a wavy rim, float32 [2 * side, 2 * side] in [0, 1]."""
        line = np.linspace(-1.0, 1.0, _OVERSAMPLING * side)
        x, y = np.meshgrid(line, line)
        waves, phase = self._rng.integers(3, 7), self._rng.uniform(0.0, 2.0 * np.pi)
        rim = 0.8 + 0.15 * np.sin(waves * np.arctan2(y, x) + phase)
        return cv2.GaussianBlur((np.hypot(x, y) < rim).astype(np.float32), (0, 0), 0.7)


_NUM_CANVASES = 5


@functools.cache
def _canvas(number: int) -> np.ndarray:
    """Gives a texture to cut from, float32 [h, w] in [0, 255], oversampled."""
    if number < 2:
        from sklearn import datasets

        photograph = datasets.load_sample_image(("china.jpg", "flower.jpg")[number])
        grey = cv2.cvtColor(photograph, cv2.COLOR_RGB2GRAY).astype(np.float32)
        size = (_OVERSAMPLING * grey.shape[1], _OVERSAMPLING * grey.shape[0])
        return np.clip(cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC), 0.0, 255.0)
    # The demo's drawn backgrounds: clouds, mosaic, weave.
    drawn = scenes.film_canvas(settings.DemoSettings(size="640x480"), film=number)
    return cv2.cvtColor(drawn, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _to_bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0.0, 255.0).astype(np.uint8)


def endpoint_error(flow: np.ndarray, truth: np.ndarray) -> float:
    """Gives the mean distance of estimated from true vectors, in pixels, where the truth is known.

    Args:
        flow: float [..., 2].
        truth: float [..., 2], NaN where it is not known.
    """
    return float(np.nanmean(np.linalg.norm(flow - truth, axis=-1)))


def load_middlebury(folder: pathlib.Path) -> Pair:
    """Reads frame10.png, frame11.png and flow10.flo of the Middlebury benchmark."""
    first, second = (cv2.imread(str(folder / f"frame{i}.png"), cv2.IMREAD_GRAYSCALE) for i in (10, 11))
    content = (folder / "flow10.flo").read_bytes()
    width, height = np.frombuffer(content, np.int32, 2, offset=4)
    flow = np.frombuffer(content, np.float32, offset=12).reshape(height, width, 2).copy()
    flow[(np.abs(flow) > 1e9).any(axis=-1)] = np.nan
    return Pair(first, second, flow)
