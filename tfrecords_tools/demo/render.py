"""From the plan of a video to its frames and its truth."""

import dataclasses
import math
from collections.abc import Iterator

import cv2
import numpy as np

from tfrecords_tools.demo import appearances, motions, plan, scenes, seeding
from tfrecords_tools.demo import settings as settings_lib

# Sprite pixels per frame pixel: enough for the largest pulse, and little enough for linear interpolation to suffice.
_SPRITE_SCALE = 1.25


@dataclasses.dataclass(frozen=True)
class Actor:
    """Something that moves in front of the background.

    Attributes:
        sprite: float32 [S, S, 4], RGB in [0, 255] times alpha, and alpha.
        radius: half the sprite's side as shown, in frame pixels at scale 1.
        path: float64 [n, 4], see `motions`; camera shake included.
        visible: bool [n].
    """

    sprite: np.ndarray
    radius: float
    path: np.ndarray
    visible: np.ndarray


def render(
    settings: settings_lib.DemoSettings, video: plan.VideoPlan, with_object: bool = True
) -> Iterator[np.ndarray]:
    """Renders a video.

    Args:
        settings: the parameters of the data set.
        video: the video to make.
        with_object: False leaves the telling object out and changes nothing else, for tests and for studies of what a
            model has looked at.

    Yields:
        Frames, uint8 [H, W, 3] RGB.
    """
    canvas = scenes.film_canvas(settings, video.film)
    view = _draw_view(settings, video, canvas.shape[0])
    lights = motions.light(settings, _generator(settings, video, "light"))
    actors = [*_distractors(settings, video, canvas), *_decoys(settings, video)]
    if with_object:
        actors.append(_telling_object(settings, video))  # last, so that nothing hides it
    noise = _generator(settings, video, "noise")

    size = (settings.width, settings.height)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for index in range(settings.num_frames):
        frame = cv2.warpAffine(canvas, view[index], size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        frame = frame.astype(np.float32)
        for actor in actors:
            if actor.visible[index]:
                _paint(frame, actor, index)
        contrast, brightness = lights[index]
        frame = (frame - 128.0) * np.float32(contrast) + np.float32(128.0 + brightness)
        frame += noise.standard_normal(frame.shape, dtype=np.float32) * np.float32(settings.noise)
        yield np.clip(np.rint(frame), 0.0, 255.0).astype(np.uint8)


def truth_boxes(settings: settings_lib.DemoSettings, video: plan.VideoPlan) -> list[list[int]]:
    """Returns where the telling object is, one box for each frame from `video.start` to `video.stop`.

    Returns:
        Boxes [left, top, right, bottom] in pixels inside the frame; right and bottom lie one beyond the last pixel.
    """
    radius, path = _telling_path(settings, video)
    boxes = []
    for x, y, _, scale in path[video.start : video.stop]:
        # Pixel i covers [i - 0.5, i + 0.5] in the coordinates of `cv2.warpAffine`.
        left, right = (math.floor(x + end * radius * scale + 0.5) for end in (-1.0, 1.0))
        top, bottom = (math.floor(y + end * radius * scale + 0.5) for end in (-1.0, 1.0))
        boxes.append([max(left, 0), max(top, 0), min(right + 1, settings.width), min(bottom + 1, settings.height)])
    return boxes


def _generator(settings: settings_lib.DemoSettings, video: plan.VideoPlan, purpose: str) -> np.random.Generator:
    return seeding.generator(settings.seed, purpose, video.class_name, video.index)


def _object_radius(settings: settings_lib.DemoSettings, video: plan.VideoPlan) -> float:
    fraction = _generator(settings, video, "size").uniform(*settings.object_size)
    return fraction * min(settings.width, settings.height) / 2.0


def _telling_path(settings: settings_lib.DemoSettings, video: plan.VideoPlan) -> tuple[float, np.ndarray]:
    radius = _object_radius(settings, video)
    path = motions.telling_path(video.motion, settings, radius, _generator(settings, video, "path"))
    return radius, _shaken(settings, video, path)


def _shaken(settings: settings_lib.DemoSettings, video: plan.VideoPlan, path: np.ndarray) -> np.ndarray:
    shaken = path.copy()
    shaken[:, : motions.Y + 1] += motions.camera_shake(settings, _generator(settings, video, "shake"))
    return shaken


def _telling_object(settings: settings_lib.DemoSettings, video: plan.VideoPlan) -> Actor:
    radius, path = _telling_path(settings, video)
    side = _sprite_side(radius)
    sprite = appearances.draw_look(video.look, side, settings.hue_jitter, _generator(settings, video, "look"))
    return Actor(sprite, radius, path, _shown(settings, video))


def _decoys(settings: settings_lib.DemoSettings, video: plan.VideoPlan) -> list[Actor]:
    rng = _generator(settings, video, "decoys")
    radius = _object_radius(settings, video)
    actors = []
    for _ in range(settings.decoys):
        path = _shaken(settings, video, motions.gliding_path(settings, rng))
        sprite = appearances.draw_decoy(_sprite_side(radius), rng)
        actors.append(Actor(sprite, radius, path, ~_shown(settings, video)))
    return actors


def _distractors(settings: settings_lib.DemoSettings, video: plan.VideoPlan, canvas: np.ndarray) -> list[Actor]:
    rng = _generator(settings, video, "distractors")
    actors = []
    for number in range(settings.distractors):
        radius = _object_radius(settings, video) * rng.uniform(0.6, 1.2)
        choose_path = motions.gliding_path if number % 2 == 0 else motions.hopping_path
        path = _shaken(settings, video, choose_path(settings, rng))
        colour = canvas[tuple(rng.integers(canvas.shape[0], size=2))].astype(float)
        sprite = appearances.draw_distractor(colour, _sprite_side(radius), rng)
        first, last = np.sort(rng.integers(settings.num_frames, size=2))
        visible = np.ones(settings.num_frames, bool)
        if rng.uniform() < 0.5:  # half of them stay for the whole video
            visible[:first] = visible[last + 1 :] = False
        actors.append(Actor(sprite, radius, path, visible))
    return actors


def _shown(settings: settings_lib.DemoSettings, video: plan.VideoPlan) -> np.ndarray:
    """Returns where the telling object is visible, bool [n]."""
    frames = np.arange(settings.num_frames)
    return (video.start <= frames) & (frames < video.stop)


def _sprite_side(radius: float) -> int:
    return max(4, math.ceil(2.0 * radius * _SPRITE_SCALE))


def _draw_view(settings: settings_lib.DemoSettings, video: plan.VideoPlan, side: int) -> np.ndarray:
    """Returns, for each frame, the map from frame to canvas coordinates, float64 [n, 2, 3]."""
    rng = _generator(settings, video, "view")
    path = motions.background_path(settings, rng)
    shake = motions.camera_shake(settings, _generator(settings, video, "shake"))
    centre = np.array([settings.width, settings.height]) / 2.0
    look_at = np.array([rng.uniform(half, side - half) for half in centre])
    view = np.zeros((settings.num_frames, 2, 3))
    for index, (x, y, zoom) in enumerate(path):
        view[index, :, :2] = np.eye(2) / zoom
        # The picture moves by +shake, so the camera looks at a place that much the other way.
        view[index, :, 2] = look_at + np.array([x, y]) - (centre + shake[index]) / zoom
    return view


def _paint(frame: np.ndarray, actor: Actor, index: int) -> None:
    """Lays the actor's sprite over the frame, in place, touching only the pixels around it."""
    x, y, angle, scale = actor.path[index]
    reach = math.ceil(actor.radius * scale * math.sqrt(2.0)) + 1
    left, top = math.floor(x) - reach, math.floor(y) - reach
    right, bottom = min(left + 2 * reach + 2, frame.shape[1]), min(top + 2 * reach + 2, frame.shape[0])
    left, top = max(left, 0), max(top, 0)
    if left >= right or top >= bottom:
        return
    side = actor.sprite.shape[0]
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2.0, (side - 1) / 2.0), angle, 2.0 * actor.radius * scale / side)
    matrix[:, 2] += (x - left - (side - 1) / 2.0, y - top - (side - 1) / 2.0)
    patch = cv2.warpAffine(actor.sprite, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    region = frame[top:bottom, left:right]
    region *= 1.0 - patch[..., 3:]
    region += patch[..., :3]
