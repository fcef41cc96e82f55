"""Optical flow as a picture: hue for direction, saturation for speed."""

import numpy as np

# Steps between neighbouring primaries of the wheel, from red round to red again. They are uneven because the eye
# tells more hues apart between red and yellow than between yellow and green.
_SEGMENTS = (
    ((255, 0, 0), 15),  # red to yellow
    ((255, 255, 0), 6),  # yellow to green
    ((0, 255, 0), 4),  # green to cyan
    ((0, 255, 255), 11),  # cyan to blue
    ((0, 0, 255), 13),  # blue to magenta
    ((255, 0, 255), 6),  # magenta to red
)
_BEYOND_MAXIMUM = 0.75  # darkening of vectors longer than the maximum
_UNKNOWN = 1e9  # the benchmark's files mark pixels without ground truth by components above this


def _make_wheel() -> np.ndarray:
    """Returns the colours of the wheel, float64 [55, 3] in [0, 1], full saturation."""
    starts = np.array([colour for colour, _ in _SEGMENTS], np.float64) / 255
    ends = np.roll(starts, -1, axis=0)
    steps = [count for _, count in _SEGMENTS]
    return np.concatenate(
        [
            start + (end - start) * np.arange(count)[:, np.newaxis] / count
            for start, end, count in zip(starts, ends, steps, strict=True)
        ]
    )


_WHEEL = _make_wheel()


def flow_to_color(flow: np.ndarray, max_magnitude: float | None = None) -> np.ndarray:
    """Colours a flow field after the wheel of the Middlebury benchmark.

    No motion is white; towards `max_magnitude` the colour saturates; beyond it, it darkens. Motion to the right is
    red, downwards yellow, to the left a light blue, upwards violet. Unknown vectors, not finite or above 1e9,
    are black.

    Args:
        flow: float [H, W, 2], u (right) and v (down), pixels per frame.
        max_magnitude: Speed of full saturation, pixels per frame, > 0. None takes the longest vector of this field;
            pass one value to make several fields comparable.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        ValueError: Where `flow` is no field or `max_magnitude` is not positive.

    Reference:
        Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 2011.
    """
    flow = np.asarray(flow)
    if flow.ndim != 3 or flow.shape[2] != 2 or flow.dtype.kind not in "fiu":
        raise ValueError(
            "`flow` must be numbers of shape [height, width, 2]: u (right), v (down). "
            f"Received: flow.shape={flow.shape}, flow.dtype={flow.dtype}"
        )
    if max_magnitude is not None and not (np.isfinite(max_magnitude) and max_magnitude > 0):
        raise ValueError(f"`max_magnitude` must be finite and > 0, or None. Received: max_magnitude={max_magnitude}")
    known = (np.abs(flow) <= _UNKNOWN).all(axis=2)  # false for NaN too
    u, v = np.moveaxis(np.where(known[..., np.newaxis], flow, 0.0).astype(np.float64), 2, 0)
    speed = np.hypot(u, v)  # [H, W]
    if max_magnitude is None:
        max_magnitude = speed.max(initial=0.0) or 1.0  # a field at rest is white, whatever the scale
    radius = speed / max_magnitude

    # The wheel is a closed circle: the last colour passes into the first.
    position = np.arctan2(v, u) / (2 * np.pi) % 1.0 * len(_WHEEL)  # [H, W] in [0, 55]
    lower = np.floor(position).astype(int) % len(_WHEEL)
    fraction = (position % 1.0)[..., np.newaxis]
    hue = (1 - fraction) * _WHEEL[lower] + fraction * _WHEEL[(lower + 1) % len(_WHEEL)]  # [H, W, 3]

    radius = radius[..., np.newaxis]
    within = radius <= 1 + 1e-6  # a maximum computed in float32 may fall just short of the vector it came from
    colour = np.where(within, 1 - np.minimum(radius, 1) * (1 - hue), _BEYOND_MAXIMUM * hue)
    colour[~known] = 0.0
    return np.round(255 * colour).astype(np.uint8)
