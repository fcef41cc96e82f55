"""How things move: five motions that tell classes, paths that tell nothing, the camera and the light.

A path is float64 [n, 4]: x and y of the centre in pixels, angle in degrees, scale (1 = nominal size); one row a frame.
No motion is the mirror image of another, because training mirrors clips; circling and spinning go either way round.
"""

import numpy as np

from tfrecords_tools.demo import settings as settings_lib

X, Y, ANGLE, SCALE = range(4)

# A camera shake of independent steps wanders off; this much of the displacement is left after each frame.
_SHAKE_MEMORY = 0.8


def telling_path(
    motion: str, settings: settings_lib.DemoSettings, radius: float, rng: np.random.Generator
) -> np.ndarray:
    """Returns the path of the telling object, inside the frame throughout.

    Args:
        motion: `swaying` (left and right), `bouncing` (up and down), `circling`, `spinning` (turning in place) or
            `pulsing` (growing and shrinking).
        settings: frame size, frame count and the ranges of speed, period, spin, pulse and drift.
        radius: nominal radius of the object in pixels.
        rng: draws place, phase, direction and speed.

    Returns:
        float64 [n, 4]; defined for every frame, also where the object is hidden.
    """
    n = settings.num_frames
    steps = np.arange(n)
    frequency = 2.0 * np.pi / rng.uniform(*settings.period)  # radians per frame
    amplitude = rng.uniform(*settings.speed) * settings.unit / frequency
    spin, pulse = rng.uniform(*settings.spin), rng.uniform(*settings.pulse)
    phase = frequency * steps + rng.uniform(0.0, 2.0 * np.pi)
    turn = rng.choice([-1.0, 1.0])

    path = np.zeros((n, 4))
    path[:, ANGLE] = rng.uniform(0.0, 360.0)
    # One of the sizes through which pulsing goes, drawn as evenly: a single frame's size must not tell that motion.
    path[:, SCALE] = 1.0 + pulse * np.sin(rng.uniform(0.0, 2.0 * np.pi))
    if motion == "swaying":
        path[:, X] = amplitude * np.sin(phase)
    elif motion == "bouncing":
        path[:, Y] = amplitude * np.sin(phase)
    elif motion == "circling":
        path[:, X] = amplitude * np.cos(phase)
        path[:, Y] = amplitude * np.sin(phase) * turn
    elif motion == "spinning":
        path[:, ANGLE] += spin * steps * turn
    elif motion == "pulsing":
        path[:, SCALE] = 1.0 + pulse * np.sin(phase)
    else:
        raise ValueError(f"`motion` must be a motion of the demo data. Received: motion={motion!r}")

    heading = rng.uniform(0.0, 2.0 * np.pi)
    drift = rng.uniform(*settings.drift) * settings.unit * (steps - n / 2.0)
    path[:, X] += drift * np.cos(heading)
    path[:, Y] += drift * np.sin(heading)
    reach = radius * path[:, SCALE]
    for axis, side in ((X, settings.width), (Y, settings.height)):
        low, high = np.max(reach - path[:, axis]), np.min(side - reach - path[:, axis])
        path[:, axis] += rng.uniform(low, high) if low < high else (low + high) / 2.0
    return path


def gliding_path(settings: settings_lib.DemoSettings, rng: np.random.Generator) -> np.ndarray:
    """Returns a straight path at a steady speed, thrown back at the frame's edges.

    Args:
        settings: frame size, frame count and range of speed.
        rng: draws place, heading and speed.

    Returns:
        float64 [n, 4].
    """
    heading = rng.uniform(0.0, 2.0 * np.pi)
    distance = rng.uniform(*settings.distractor_speed) * settings.unit * np.arange(settings.num_frames)
    path = _still_path(settings, rng)
    path[:, X] = _reflect(path[:, X] + distance * np.cos(heading), settings.width)
    path[:, Y] = _reflect(path[:, Y] + distance * np.sin(heading), settings.height)
    return path


def hopping_path(settings: settings_lib.DemoSettings, rng: np.random.Generator) -> np.ndarray:
    """Returns a path that rests and now and then jumps somewhere near within two frames.

    Args:
        settings: frame size, frame count and range of speed, which sets the length of the jumps.
        rng: draws place, rests and jumps.

    Returns:
        float64 [n, 4].
    """
    steps = np.zeros((settings.num_frames, 2))
    frame = int(rng.integers(4, 10))
    while frame + 1 < settings.num_frames:
        heading = rng.uniform(0.0, 2.0 * np.pi)
        length = 3.0 * rng.uniform(*settings.distractor_speed) * settings.unit
        steps[frame : frame + 2] = length / 2.0 * np.array([np.cos(heading), np.sin(heading)])
        frame += int(rng.integers(8, 14))
    path = _still_path(settings, rng)
    moved = np.cumsum(steps, axis=0)
    path[:, X] = _reflect(path[:, X] + moved[:, 0], settings.width)
    path[:, Y] = _reflect(path[:, Y] + moved[:, 1], settings.height)
    return path


def camera_shake(settings: settings_lib.DemoSettings, rng: np.random.Generator) -> np.ndarray:
    """Returns the displacement of the whole picture by an unsteady hand, float64 [n, 2] in pixels."""
    steps = rng.normal(0.0, settings.shake * settings.unit, (settings.num_frames, 2))
    shake = np.zeros_like(steps)
    for frame in range(1, settings.num_frames):
        shake[frame] = _SHAKE_MEMORY * shake[frame - 1] + steps[frame]
    return shake


def background_path(settings: settings_lib.DemoSettings, rng: np.random.Generator) -> np.ndarray:
    """Returns pan and zoom of the background: float64 [n, 3], x and y in pixels (0 half-way), zoom (1 = none)."""
    n = settings.num_frames
    steps = np.arange(n)
    heading = rng.uniform(0.0, 2.0 * np.pi)
    pan = rng.uniform(*settings.pan) * settings.unit * (steps - n / 2.0)
    zoom = 1.0 + settings.zoom * np.sin(2.0 * np.pi * steps / max(n, 40) + rng.uniform(0.0, 2.0 * np.pi))
    return np.stack([pan * np.cos(heading), pan * np.sin(heading), zoom], axis=1)


def light(settings: settings_lib.DemoSettings, rng: np.random.Generator) -> np.ndarray:
    """Returns slow changes of the light: float64 [n, 2], contrast about mid-grey (1 = none), grey levels added."""
    steps = np.arange(settings.num_frames) / settings.num_frames
    waves = [
        rng.uniform(0.3, 1.0) * np.sin(2.0 * np.pi * (rng.uniform(0.5, 1.5) * steps + rng.uniform())) for _ in range(2)
    ]
    return np.stack([1.0 + settings.contrast * waves[0], 255.0 * settings.brightness * waves[1]], axis=1)


def _still_path(settings: settings_lib.DemoSettings, rng: np.random.Generator) -> np.ndarray:
    place = [rng.uniform(0.0, settings.width), rng.uniform(0.0, settings.height), rng.uniform(0.0, 360.0), 1.0]
    return np.tile(np.array(place), (settings.num_frames, 1))


def _reflect(position: np.ndarray, side: int) -> np.ndarray:
    folded = np.mod(position, 2.0 * side)
    return np.minimum(folded, 2.0 * side - folded)
