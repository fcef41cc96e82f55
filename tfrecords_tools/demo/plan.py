"""Which videos there are: classes, source films and splits; all of it follows from the settings."""

import dataclasses

from tfrecords_tools.demo import seeding
from tfrecords_tools.demo import settings as settings_lib

LOOKS = ("checker", "stripes", "star", "rings")
MOTIONS = ("swaying", "bouncing", "circling", "spinning", "pulsing")

# HMDB51's fields: visible body part, camera motion, number of people, viewpoint, quality.
_NAME_FIELDS = "u_cm_np1_fr_med"

_TRAIN, _TEST = 1, 2


@dataclasses.dataclass(frozen=True)
class DemoClass:
    """A class and the looks and motions that its videos may have.

    Attributes:
        name: label, as in file names.
        looks: names out of `LOOKS`; several mean that the look does not tell this class.
        motions: names out of `MOTIONS`; several mean that the motion does not tell this class.
    """

    name: str
    looks: tuple[str, ...]
    motions: tuple[str, ...]


_GRID_LOOKS, _TELLING_LOOKS = LOOKS[:2], LOOKS[2:]
_GRID_MOTIONS, _TELLING_MOTIONS = MOTIONS[:3], MOTIONS[3:]

# Six classes need both streams, two the look alone and two the motion alone. Who knows the look and nothing else gets
# the two look classes and one in four of the other eight: 40 %. Who knows the motion gets one class for each: 50 %.
CLASSES = (
    *(DemoClass(f"{look}_{motion}", (look,), (motion,)) for look in _GRID_LOOKS for motion in _GRID_MOTIONS),
    *(DemoClass(look, (look,), MOTIONS) for look in _TELLING_LOOKS),
    *(DemoClass(motion, _GRID_LOOKS, (motion,)) for motion in _TELLING_MOTIONS),
)


@dataclasses.dataclass(frozen=True)
class VideoPlan:
    """One video to be made.

    Attributes:
        class_name: label.
        index: number of the video within its class, from 0.
        look: name out of `LOOKS`.
        motion: name out of `MOTIONS`.
        film: number of the source film, from 0.
        group: name of the source film, as in file names.
        file_name: name of the video file.
        start: first frame in which the telling object is visible.
        stop: frame after the last one in which it is visible.
    """

    class_name: str
    index: int
    look: str
    motion: str
    film: int
    group: str
    file_name: str
    start: int
    stop: int


def plan_videos(settings: settings_lib.DemoSettings) -> tuple[VideoPlan, ...]:
    """Returns all videos, class by class."""
    return tuple(
        _plan_video(settings, demo_class, index) for demo_class in CLASSES for index in range(settings.videos_per_class)
    )


def split_tags(settings: settings_lib.DemoSettings, split: int) -> tuple[int, ...]:
    """Returns HMDB51's tag of every film in one split.

    The test films are consecutive and begin where those of the split before ended, so that whole films change sides.

    Args:
        settings: the parameters of the data set.
        split: number of the split, from 1.

    Returns:
        One tag per film: 1 training, 2 test.
    """
    # With fewer steps than splits the windows would come round to the same films: spread them over one turn instead.
    turns = settings.num_splits * settings.num_test_films <= settings.num_films
    step = settings.num_test_films if turns else settings.num_films // settings.num_splits
    first = (split - 1) * step
    test = {(first + offset) % settings.num_films for offset in range(settings.num_test_films)}
    return tuple(_TEST if film in test else _TRAIN for film in range(settings.num_films))


def _plan_video(settings: settings_lib.DemoSettings, demo_class: DemoClass, index: int) -> VideoPlan:
    film, take = divmod(index, settings.videos_per_film)
    digits = max(2, len(str(settings.num_films)))
    group = f"film{film + 1:0{digits}d}"
    start, stop = _draw_span(settings, demo_class.name, index)
    return VideoPlan(
        class_name=demo_class.name,
        index=index,
        look=_draw_evenly(settings.seed, demo_class.looks, demo_class.name, index),
        motion=_draw_evenly(settings.seed, demo_class.motions, demo_class.name, index),
        film=film,
        group=group,
        file_name=f"{group}_{demo_class.name}_{_NAME_FIELDS}_{take}.avi",
        start=start,
        stop=stop,
    )


def _draw_evenly(seed: int, options: tuple[str, ...], class_name: str, index: int) -> str:
    """Draws at random, but so that every run of `len(options)` videos has each option once."""
    block, place = divmod(index, len(options))
    order = seeding.generator(seed, "options", class_name, block).permutation(len(options))
    return options[order[place]]


def _draw_span(settings: settings_lib.DemoSettings, class_name: str, index: int) -> tuple[int, int]:
    rng = seeding.generator(settings.seed, "span", class_name, index)
    length = round(rng.uniform(*settings.visible_fraction) * settings.num_frames)
    length = min(max(length, 1), settings.num_frames)
    start = int(rng.integers(settings.num_frames - length + 1))
    return start, start + length
