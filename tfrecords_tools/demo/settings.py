"""Every parameter of the demo data in one place; `make_demo` turns each field into a flag."""

import dataclasses
import math
import re
from typing import Any

# Lengths and speeds are given at this length of the shorter side and scale with it.
REFERENCE_SIDE = 112

_SIZE = re.compile(r"(\d+)x(\d+)")
_MIN_SIDE, _MAX_SIDE = 32, 4096


@dataclasses.dataclass(frozen=True)
class DemoSettings:
    """What is generated and how difficult it is. Equal settings give equal bytes.

    A pair of numbers is a range from which each video draws its own value, evenly.

    Attributes:
        seed: number from which all randomness is derived, 0 or above.
        train_videos_per_class: training videos of each class in each split; a multiple of `videos_per_film`.
        test_videos_per_class: test videos of each class in each split; a multiple of `videos_per_film`.
        videos_per_film: videos of each class that share one source film (group), that is, one background family.
        num_splits: how many train/test splits are written; the test films rotate from one to the next.
        num_frames: frames of each video, 2 or above.
        size: width and height of a frame in pixels, as in 112x112; from 32 to 4096 a side.
        frame_rate: frames per second written into the files.
        quality: JPEG quality of the encoded frames, 1 to 100.
        object_size: diameter of the telling object as a fraction of the shorter side.
        visible_fraction: part of the video in which the telling object is visible, in one piece.
        speed: peak speed of swaying, bouncing and circling, in pixels per frame at 112 pixels a side.
        period: length of one swing, circle or pulse, in frames.
        spin: rotation of a spinning object in degrees per frame; clear of the symmetries of the looks (90, 72).
        pulse: amplitude of pulsing as a fraction of the object's size.
        drift: steady speed at which the object also glides, in pixels per frame at 112 pixels a side.
        distractors: neutral shapes that glide or hop through every video, each in a span of its own.
        distractor_speed: speed of distractors and decoys, in pixels per frame at 112 pixels a side.
        decoys: neutral discs as large as the telling object, visible exactly where it is not.
        shake: standard deviation of the camera's random step, in pixels per frame at 112 pixels a side.
        pan: speed of the background's steady motion, in pixels per frame at 112 pixels a side.
        zoom: amplitude of the background's slow zoom, as a fraction.
        brightness: largest change of brightness over a video, as a fraction of full scale.
        contrast: largest change of contrast over a video, as a fraction.
        noise: standard deviation of the sensor noise, in grey levels of 0-255.
        hue_jitter: largest shift of a look's pair of hues, in degrees.
        background_saturation: colour left in the backgrounds, 0 (grey) to 1 (as photographed).
    """

    seed: int = 0
    train_videos_per_class: int = 24
    test_videos_per_class: int = 12
    videos_per_film: int = 2
    num_splits: int = 3
    num_frames: int = 40
    size: str = "112x112"
    frame_rate: float = 25.0
    quality: int = 90
    object_size: tuple[float, float] = (0.22, 0.27)
    visible_fraction: tuple[float, float] = (0.5, 0.65)
    speed: tuple[float, float] = (2.5, 3.8)
    period: tuple[float, float] = (8.0, 12.0)
    spin: tuple[float, float] = (14.0, 22.0)
    pulse: tuple[float, float] = (0.25, 0.4)
    drift: tuple[float, float] = (0.0, 0.3)
    distractors: int = 2
    distractor_speed: tuple[float, float] = (0.4, 1.2)
    decoys: int = 1
    shake: float = 0.25
    pan: tuple[float, float] = (0.1, 0.3)
    zoom: float = 0.05
    brightness: float = 0.12
    contrast: float = 0.15
    noise: float = 2.0
    hue_jitter: float = 8.0
    background_saturation: float = 0.35

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_type(field.name, getattr(self, field.name), field.default)
        for name, low, high in _BOUNDS:
            _check_bounds(name, getattr(self, name), low, high)
        match = _SIZE.fullmatch(self.size)
        if not match or not all(_MIN_SIDE <= int(side) <= _MAX_SIDE for side in match.groups()):
            raise ValueError(
                f"`size` must be WIDTHxHEIGHT in pixels, {_MIN_SIDE} to {_MAX_SIDE} a side. "
                f"Received: size={self.size!r}"
            )
        for name in ("train_videos_per_class", "test_videos_per_class"):
            if getattr(self, name) % self.videos_per_film:
                raise ValueError(
                    f"`{name}` must be a multiple of `videos_per_film`, because a film is never split between training "
                    f"and test. Received: {name}={getattr(self, name)}, videos_per_film={self.videos_per_film}"
                )
        if self.num_splits > self.num_films:
            raise ValueError(
                f"`num_splits` must not exceed the number of films ({self.num_films} = (train_videos_per_class + "
                f"test_videos_per_class) / videos_per_film), or two splits would be equal. "
                f"Received: num_splits={self.num_splits}"
            )

    @property
    def width(self) -> int:
        """Width of a frame in pixels."""
        return int(self.size.split("x")[0])

    @property
    def height(self) -> int:
        """Height of a frame in pixels."""
        return int(self.size.split("x")[1])

    @property
    def unit(self) -> float:
        """Pixels of these frames in one pixel of a frame whose shorter side is `REFERENCE_SIDE`."""
        return min(self.width, self.height) / REFERENCE_SIDE

    @property
    def videos_per_class(self) -> int:
        """Videos of each class, training and test together."""
        return self.train_videos_per_class + self.test_videos_per_class

    @property
    def num_films(self) -> int:
        """Source films (groups); every class has videos of every film."""
        return self.videos_per_class // self.videos_per_film

    @property
    def num_test_films(self) -> int:
        """Films whose videos are the test part of a split."""
        return self.test_videos_per_class // self.videos_per_film

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as a dictionary that survives JSON unchanged (ranges are lists)."""
        values = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


# Name, lowest and highest value of each numeric field; of a pair, both ends.
_BOUNDS = (
    ("seed", 0, math.inf),
    ("train_videos_per_class", 1, math.inf),
    ("test_videos_per_class", 1, math.inf),
    ("videos_per_film", 1, math.inf),
    ("num_splits", 1, math.inf),
    ("num_frames", 2, math.inf),
    ("frame_rate", 1.0, 1000.0),
    ("quality", 1, 100),
    ("object_size", 0.05, 0.4),
    ("visible_fraction", 0.0, 1.0),
    ("speed", 0.0, 10.0),
    ("period", 4.0, math.inf),
    ("spin", 0.0, 45.0),
    ("pulse", 0.0, 0.6),
    ("drift", 0.0, 5.0),
    ("distractors", 0, 20),
    ("distractor_speed", 0.0, 20.0),
    ("decoys", 0, 5),
    ("shake", 0.0, 10.0),
    ("pan", 0.0, 10.0),
    ("zoom", 0.0, 0.5),
    ("brightness", 0.0, 0.5),
    ("contrast", 0.0, 0.8),
    ("noise", 0.0, 100.0),
    ("hue_jitter", 0.0, 30.0),
    ("background_saturation", 0.0, 1.0),
)


def _check_type(name: str, value: Any, default: Any) -> None:
    if isinstance(default, tuple):
        valid = isinstance(value, tuple) and len(value) == 2 and all(_is_number(end) for end in value)
        expected = "a pair of numbers, the low and the high end of a range"
    elif isinstance(default, float):
        valid, expected = _is_number(value), "a number"
    else:
        valid, expected = type(value) is type(default), f"of type {type(default).__name__}"
    if not valid:
        raise ValueError(f"`{name}` must be {expected}. Received: {name}={value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_bounds(name: str, value: Any, low: float, high: float) -> None:
    ends = value if isinstance(value, tuple) else (value,)
    if not all(low <= end <= high for end in ends):
        upper = "above" if math.isinf(high) else f"at most {high}"
        expected = f"{low} or {upper}" if math.isinf(high) else f"at least {low} and {upper}"
        raise ValueError(f"`{name}` must be {expected}. Received: {name}={value}")
    if list(ends) != sorted(ends):
        raise ValueError(f"`{name}` must name the low end of its range first. Received: {name}={value}")
