"""Pictures with flow in them: the wheel's legend, sizes, text, files."""

import cv2
import numpy as np

from tfrecords_tools import storage
from tfrecords_tools.flow import colour

LEGEND_HEIGHT = 96
"""Height of the legend in pixels."""

_LINE, _FONT = cv2.LINE_AA, cv2.FONT_HERSHEY_SIMPLEX


def draw_legend(width: int, max_speed: float) -> np.ndarray:
    """Draws the colour wheel and says what it means.

    Args:
        width: Of the picture in pixels, 320 or more.
        max_speed: Speed at the wheel's rim, pixels per frame.

    Returns:
        uint8 [96, width, 3], RGB.
    """
    strip = np.full((LEGEND_HEIGHT, width, 3), 255, np.uint8)
    radius = LEGEND_HEIGHT // 2 - 6
    centre = np.array([LEGEND_HEIGHT // 2, LEGEND_HEIGHT // 2])
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    inside = np.hypot(x, y) <= radius
    wheel = colour.flow_to_color(np.stack([x, y], axis=-1) / radius, 1.0)
    window = strip[centre[1] - radius : centre[1] + radius + 1, centre[0] - radius : centre[0] + radius + 1]
    window[inside] = wheel[inside]
    cv2.circle(strip, centre.tolist(), radius, (120, 120, 120), 1, _LINE)
    lines = ("centre: at rest", f"rim: {max_speed:.3g} pixels/frame", "darker: faster than the rim")
    for row, text in enumerate(lines):
        cv2.putText(strip, text, (LEGEND_HEIGHT + 8, 32 + 22 * row), _FONT, 0.45, (40, 40, 40), 1, _LINE)
    return strip


def fit(picture: np.ndarray, width: int) -> np.ndarray:
    """Resizes a picture, uint8 [H, W, 3], to a width; its height follows, and is even."""
    height = max(2, round(picture.shape[0] * width / picture.shape[1] / 2) * 2)
    shrinks = picture.shape[1] > width
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def write_text(picture: np.ndarray, text: str, place: tuple[int, int]) -> None:
    """Writes a line of text into a picture, uint8 [H, W, 3], at `place` = (x, y) of its lower left corner."""
    # White with a dark rim is legible on any frame. The rim is the text itself, moved: from OpenCV 5 on, thicker
    # letters are also wider ones, which would run out from under the white.
    around = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y]
    for (x, y), shade in [*((offset, 0) for offset in around), ((0, 0), 255)]:
        cv2.putText(picture, text, (place[0] + x, place[1] + y), _FONT, 0.5, (shade,) * 3, 1, _LINE)


def write_picture(path: storage.AnyPath, picture: np.ndarray) -> None:
    """Writes a picture, uint8 [H, W, 3], RGB; the file appears only when it is whole.

    Raises:
        OSError: It cannot be written.
    """
    done, data = cv2.imencode(path.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not done:
        raise OSError(f"{path} cannot be encoded")
    with storage.created(path) as partial:
        partial.write_bytes(data.tobytes())
