"""The picture of an annotated video: the frame, and below it classes, flow and curves, each in its own place."""

import dataclasses
import unicodedata
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

CLASSES = 5
"""Best classes shown."""

_WIDTH = 640  # pixels of the picture; text is sized for it
_HIGHEST = 480  # pixels of the frame, which a tall video is fitted into
_PANEL = 132
_BAR = 72  # of a class whose score is 1
_FLOW = (252, 22, 148, 104)  # x, y, width and height in the panel that a flow field is fitted into
_CURVES = (416, _WIDTH - 10)  # x of the curves
_WHITE, _GREY, _BACKGROUND = (255, 255, 255), (150, 150, 150), (24, 24, 24)
_SHADES = {"static": (52, 152, 219), "motion": (245, 140, 60)}
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclasses.dataclass(frozen=True)
class Region:
    """The part of an image that the model saw, as shares of its height and width.

    Attributes:
        top: in [0, 1].
        left: in [0, 1].
        height: in (0, 1].
        width: in (0, 1].
    """

    top: float
    left: float
    height: float
    width: float

    @classmethod
    def centre(cls, size: tuple[int, ...], side: int) -> "Region":
        """The centre square of `side` pixels of an image of `size` = (height, width)."""
        height, width = size
        return cls((height - side) // 2 / height, (width - side) // 2 / width, side / height, side / width)

    def spread(self, attention: np.ndarray, height: int, width: int) -> np.ndarray:
        """Attention [h, w] of the region over an image of another size, 0 outside: float32 [height, width]."""
        top, left = round(self.top * height), round(self.left * width)
        bottom = min(max(round((self.top + self.height) * height), top + 1), height)
        right = min(max(round((self.left + self.width) * width), left + 1), width)
        spread = np.zeros((height, width), np.float32)
        size = (right - left, bottom - top)
        spread[top:bottom, left:right] = cv2.resize(
            np.asarray(attention, np.float32), size, interpolation=cv2.INTER_CUBIC
        )
        return spread


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where things are in pictures uint8 [height + panel, 640, 3], RGB.

    Attributes:
        height: pixels of the part that the frame is in, even.
    """

    height: int

    @classmethod
    def of(cls, height: int, width: int) -> "Layout":
        """For frames of that many pixels: as wide as the picture, or as high as it may be."""
        return cls(max(2, round(min(_HIGHEST, height * _WIDTH / width) / 2) * 2))

    def blank(self) -> np.ndarray:
        """A picture to draw on."""
        return np.full((self.height + _PANEL, _WIDTH, 3), _BACKGROUND, np.uint8)

    def put_frame(
        self, picture: np.ndarray, frame: np.ndarray, attention: np.ndarray | None, highest: float, region: Region
    ) -> None:
        """Draws a frame with the heat map of where the static stream looked.

        Args:
            picture: to draw on.
            frame: uint8 [H, W, 3], RGB, of any size.
            attention: float32 [h, w], or None.
            highest: the attention that has the brightest colour.
            region: what `attention` is of.
        """
        fitted, top, left = _fit(frame, self.height, _WIDTH)
        if attention is not None:
            share = np.clip(region.spread(attention, *fitted.shape[:2]) / highest, 0, 1)
            coloured = cv2.applyColorMap((share * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
            share = 0.6 * share[..., np.newaxis]
            fitted = (fitted * (1 - share) + coloured * share).astype(np.uint8)
        picture[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted

    def put_flow(
        self,
        picture: np.ndarray,
        flow: np.ndarray | None,
        attention: np.ndarray | None,
        highest: float,
        region: Region,
    ) -> None:
        """Draws a coloured flow field, bright where the motion stream looked.

        Args:
            picture: to draw on.
            flow: uint8 [H, W, 3], RGB; None where there is none.
            attention: float32 [h, w], or None.
            highest: the attention that is brightest.
            region: what `attention` is of.
        """
        x, y, width, height = _FLOW
        if flow is None:
            _write(picture, "no flow", x, self.height + 14, _GREY)
            return
        _write(picture, "flow, bright: looked at" if attention is not None else "flow", x, self.height + 14, _GREY)
        fitted, top, left = _fit(flow, height, width)
        if attention is not None:
            share = np.clip(region.spread(attention, *fitted.shape[:2]) / highest, 0, 1)
            fitted = (fitted * (0.35 + 0.65 * share[..., np.newaxis])).astype(np.uint8)
        top += self.height + y
        left += x
        picture[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted

    def put_classes(self, picture: np.ndarray, title: str, best: Sequence[tuple[str, float]]) -> None:
        """Lists classes with a bar each; names that are too long are cut."""
        _write(picture, title, 8, self.height + 14, _GREY)
        for row, (label, score) in enumerate(best):
            y = self.height + 36 + 20 * row
            cv2.rectangle(
                picture, (8, y - 11), (8 + round(_BAR * min(max(score, 0.0), 1.0)), y + 3), _SHADES["static"], -1
            )
            _write(picture, _cut(f"{score:.2f} {label}", _FLOW[0] - 8 - 86), 86, y, _WHITE)

    def put_curves(
        self,
        picture: np.ndarray,
        times: np.ndarray,
        curves: Mapping[str, Mapping[str, np.ndarray]],
        seconds: float,
        duration: float,
    ) -> None:
        """Draws curves over time, one plot above the other, with a cursor.

        Args:
            picture: to draw on.
            times: float64 [N], seconds.
            curves: by title and stream float32 [N].
            seconds: where the cursor is.
            duration: of the video, seconds.
        """
        left, right = _CURVES
        each = (_PANEL - 6) // max(1, len(curves))

        def across(moment: np.ndarray | float) -> np.ndarray:
            return left + (right - left) * np.clip(np.asarray(moment) / max(duration, 1e-6), 0, 1)

        for row, (title, streams) in enumerate(curves.items()):
            top, bottom = self.height + row * each + 20, self.height + (row + 1) * each - 4
            _write(picture, title, left, top - 7, _GREY)
            cv2.line(picture, (left, bottom), (right, bottom), (70, 70, 70), 1)
            highest = max(*(float(values.max()) for values in streams.values()), 1e-6)
            for stream, values in streams.items():
                points = np.stack([across(times), bottom - (bottom - top) * np.clip(values / highest, 0, 1)], axis=1)
                corners = points.round().astype(np.int32)
                cv2.polylines(picture, [corners], False, _SHADES[stream], 1, cv2.LINE_AA)
                for corner in corners.tolist():
                    cv2.circle(picture, corner, 1, _SHADES[stream], -1, cv2.LINE_AA)
            cursor = int(across(seconds).round())
            cv2.line(picture, (cursor, top), (cursor, bottom), _WHITE, 1)
        for x, stream in ((right - 84, "static"), (right - 40, "motion")):
            if any(stream in streams for streams in curves.values()):
                _write(picture, stream, x, self.height + 13, _SHADES[stream])


def clock(seconds: float) -> str:
    """A time as minutes and seconds, 1:02.5."""
    minutes, rest = divmod(round(float(seconds), 1), 60)
    return f"{int(minutes)}:{rest:04.1f}"


def _fit(image: np.ndarray, height: int, width: int) -> tuple[np.ndarray, int, int]:
    """Fits an image into a box, in the middle; gives its top and left there."""
    scale = min(height / image.shape[0], width / image.shape[1])
    size = (max(1, min(width, round(image.shape[1] * scale))), max(1, min(height, round(image.shape[0] * scale))))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=interpolation), (height - size[1]) // 2, (width - size[0]) // 2


def _write(picture: np.ndarray, text: str, x: int, y: int, shade: tuple[int, int, int]) -> None:
    cv2.putText(picture, text, (x, y), _FONT, 0.38, shade, 1, cv2.LINE_AA)


def _cut(text: str, width: int) -> str:
    """Shortens a text to `width` pixels; letters that the font lacks lose their accents or become a question mark."""
    plain = unicodedata.normalize("NFKD", text.replace("\u00df", "ss"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = plain.encode("ascii", "replace").decode("ascii")
    if _width(plain) <= width:
        return plain
    while plain and _width(f"{plain}...") > width:
        plain = plain[:-1]
    return f"{plain}..."


def _width(text: str) -> int:
    return cv2.getTextSize(text, _FONT, 0.38, 1)[0][0]
