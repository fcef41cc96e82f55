"""The attention of one video as the paper's Fig. 7 shows it: heat maps over frames and flow, weights over time."""

import dataclasses
import textwrap

import cv2
import matplotlib
import numpy as np
from matplotlib import axes, cm, colors, figure, ticker

from tclsta_tf.reports import figures
from tfrecords_tools.flow import colour

# Perceptually uniform and readable with every common colour blindness.
COLOUR_MAP = "inferno"
_MAX_COLUMNS = 8

# The layout in inches. It is set by hand, so that pictures keep their shape and stand above their bars exactly.
_PICTURE_WIDTHS = (1.45, 2.0)  # smallest and largest
_CURVE_HEIGHT = 1.1
_LEFT, _RIGHT, _BOTTOM, _LINE = 1.3, 0.95, 0.25, 0.22
_GAP, _NARROW_GAP = 0.26, 0.08  # below a panel with and without numbers under it


@dataclasses.dataclass(frozen=True)
class VideoAttention:
    """What the network looked at in one video. N positions in order of time; arrays of a stream left out are None.

    Attributes:
        frames: uint8 [N, H, W, 3], RGB, cropped as the network saw them.
        flow: float [N, H, W, 2], pixels per frame, one field per position (the first of its stack, say), or None.
        static_attention: float [N, h, w], spatial attention of Eq. (3), mean 1 over the grid; None without SA.
        motion_attention: As `static_attention`, of the motion stream.
        static_temporal: float [N], weights of Eq. (6), sum 1; None without TA.
        motion_temporal: As `static_temporal`.
        static_collaborative: float [N], weights z of Eq. (8), sum 1; None without the collaborative network.
        motion_collaborative: As `static_collaborative`.
        title: Name of the video.
        true_label: Its class; "" where it is not known.
        predicted_label: The class that was predicted; "" for none.
        pictures: What `frames` shows, for its row's name.
    """

    frames: np.ndarray
    flow: np.ndarray | None = None
    static_attention: np.ndarray | None = None
    motion_attention: np.ndarray | None = None
    static_temporal: np.ndarray | None = None
    motion_temporal: np.ndarray | None = None
    static_collaborative: np.ndarray | None = None
    motion_collaborative: np.ndarray | None = None
    title: str = ""
    true_label: str = ""
    predicted_label: str = ""
    pictures: str = "frames"

    def __post_init__(self) -> None:
        frames = np.asarray(self.frames)
        if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or 0 in frames.shape:
            raise ValueError(
                "`frames` must be uint8 of shape [N, H, W, 3], RGB, N >= 1. "
                f"Received: frames.shape={frames.shape}, frames.dtype={frames.dtype}"
            )
        count, height, width, _ = frames.shape
        for name in (field.name for field in dataclasses.fields(self)):
            value = getattr(self, name)
            if name == "frames" or value is None or isinstance(value, str):
                continue
            shape = np.shape(value)
            if name == "flow":
                expected, fits = str([count, height, width, 2]), shape == (count, height, width, 2)
            elif name.endswith("_attention"):
                expected, fits = f"[{count}, h, w]", len(shape) == 3 and shape[0] == count and 0 not in shape
            else:
                expected, fits = f"[{count}]", shape == (count,)
            if not fits:
                raise ValueError(f"`{name}` must have the shape {expected} to go with `frames`. Received: {shape}")
            if name != "flow" and not (np.isfinite(value).all() and np.min(value) >= 0):
                raise ValueError(f"`{name}` must hold finite weights >= 0. Received: {np.asarray(value).tolist()}")


def overlay_heat_map(
    image: np.ndarray, attention: np.ndarray, maximum: float, colour_map: str = COLOUR_MAP
) -> np.ndarray:
    """Lays spatial attention over a grey picture: faint where the network hardly looked, in colour where it did.

    Args:
        image: uint8 [H, W, 3], RGB; shown in grey, since its own colours would mix with the map's.
        attention: float [h, w], >= 0; cell (y, x) covers its share of the whole picture.
        maximum: Attention of the brightest colour, > 0.
        colour_map: A name of matplotlib's.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    height, width = image.shape[:2]
    # Cubic interpolation may overshoot: attention stays between what the cells really hold.
    heat = cv2.resize(np.asarray(attention, np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    heat = np.clip(np.clip(heat, np.min(attention), np.max(attention)) / maximum, 0.0, 1.0)[..., np.newaxis]
    tint = 255 * matplotlib.colormaps[colour_map](heat[..., 0])[..., :3]  # [H, W, 3]
    grey = (np.asarray(image, np.float64) @ (0.299, 0.587, 0.114))[..., np.newaxis]
    opacity = 0.15 + 0.65 * heat
    return np.round((1 - opacity) * grey + opacity * tint).astype(np.uint8)


def colour_flow(flow: np.ndarray) -> np.ndarray:
    """Gives flow fields as pictures: float [N, H, W, 2], pixels per frame -> uint8 [N, H, W, 3]."""
    return np.stack([colour.flow_to_color(field) for field in flow])


def draw(video: VideoAttention, max_columns: int = _MAX_COLUMNS) -> figure.Figure:
    """Draws frames, flow and their heat maps, and below them, on the same time axis, the weights over time.

    With more than `max_columns` positions, evenly spaced ones are pictured; the bars always show all, and each
    picture stands over its position (to half a position), which the bars mark with a shade.

    Args:
        video: Pictures and weights of one video.
        max_columns: Most pictures in a row, >= 1.

    Raises:
        ValueError: Where `max_columns` is below 1.
    """
    if max_columns < 1:
        raise ValueError(f"`max_columns` must be at least 1. Received: max_columns={max_columns}")
    count, height, width = video.frames.shape[:3]
    columns = min(count, max_columns)
    shown = np.floor((np.arange(columns) + 0.5) * count / columns).astype(int)  # centres of equal parts
    rows = _picture_rows(video, shown)
    curves = [
        ("temporal\nattention", video.static_temporal, video.motion_temporal),
        ("collaborative\nweight", video.static_collaborative, video.motion_collaborative),
    ]
    curves = [(title, static, motion) for title, static, motion in curves if static is not None or motion is not None]

    picture_width = float(np.clip(5.0 / columns, *_PICTURE_WIDTHS))
    plot_width = columns * picture_width
    total_width = _LEFT + plot_width + _RIGHT
    heights = [picture_width * height / width] * len(rows) + [_CURVE_HEIGHT] * len(curves)
    gaps = [_GAP, *[_NARROW_GAP] * (len(rows) - 1), *[_GAP] * len(curves)]
    headline = _headline(video, characters=int(11 * (plot_width + _RIGHT)))
    total_height = _LINE * (len(headline) + 1) + sum(heights) + sum(gaps) + _BOTTOM

    chart = figures.new_figure(total_width, total_height)
    chart.set_layout_engine("none")
    for line, text in enumerate(headline):
        baseline = 1 - (_LINE * (line + 1)) / total_height
        chart.text(_LEFT / total_width, baseline, text, fontsize=10.5, color=figures.INK)
    top = total_height - _LINE * (len(headline) + 1)
    panels = []  # (axes over the time axis, axes for the legend to the right of it)
    for panel_height, gap in zip(heights, gaps, strict=True):
        bottom, top = top - panel_height, top - panel_height - gap
        vertical = (bottom / total_height, panel_height / total_height)
        boxes = ((_LEFT, plot_width), (_LEFT + plot_width + 0.08, _RIGHT - 0.1))
        panels.append([chart.add_axes((x / total_width, vertical[0], w / total_width, vertical[1])) for x, w in boxes])
    for (axis, side), row in zip(panels, rows, strict=False):
        _draw_pictures(axis, row.pictures, shown, count, row.title)
        _draw_legend(chart, side, row)
    for (axis, side), (title, static, motion) in zip(panels[len(rows) :], curves, strict=True):
        _draw_weights(axis, side, title, static, motion, shown)
    for axis, _ in panels[1 : len(rows)]:
        axis.set_xticks([])  # the numbers under the frames hold for all pictures
    if curves:
        panels[-1][0].set_xlabel("position in the video", fontsize=8)
    return chart


@dataclasses.dataclass(frozen=True)
class _Row:
    """Pictures uint8 [columns, H, W, 3] of one row, and what their colours mean."""

    title: str
    pictures: np.ndarray
    attention_maximum: float | None = None
    flow_maximum: float | None = None


def _picture_rows(video: VideoAttention, shown: np.ndarray) -> list[_Row]:
    frames = video.frames[shown]
    rows = [_Row(video.pictures, frames)]
    if video.static_attention is not None:
        rows.append(_heat_row("static\nattention", frames, np.asarray(video.static_attention)[shown]))
    if video.flow is not None:
        fields = np.asarray(video.flow)[shown]
        # One scale for the whole row. The longest vectors are often errors: a percentile keeps the rest visible.
        longest = max(float(np.percentile(np.hypot(fields[..., 0], fields[..., 1]), 99)), 0.5)
        rows.append(
            _Row("flow", np.stack([colour.flow_to_color(field, longest) for field in fields]), flow_maximum=longest)
        )
    if video.motion_attention is not None:
        # Over the frames, not over the flow: there hue already stands for direction.
        rows.append(_heat_row("motion\nattention", frames, np.asarray(video.motion_attention)[shown]))
    return rows


def _heat_row(title: str, frames: np.ndarray, maps: np.ndarray) -> _Row:
    maximum = max(float(maps.max()), 2.0)  # an even map, all ones, must not come out as hot all over
    pictures = [overlay_heat_map(frame, cells, maximum) for frame, cells in zip(frames, maps, strict=True)]
    return _Row(title, np.stack(pictures), attention_maximum=maximum)


def _draw_pictures(axis: axes.Axes, pictures: np.ndarray, shown: np.ndarray, count: int, title: str) -> None:
    columns, gap = len(pictures), 0.015
    part = count / columns  # positions that one picture covers on the time axis
    for column, picture in enumerate(pictures):
        left, right = (column + gap) * part - 0.5, (column + 1 - gap) * part - 0.5
        axis.imshow(picture, extent=(left, right, 0, 1), aspect="auto", interpolation="antialiased")
    axis.set_xlim(-0.5, count - 0.5)
    axis.set_ylim(0, 1)
    axis.set_xticks((np.arange(columns) + 0.5) * part - 0.5, [str(position) for position in shown], fontsize=7)
    axis.set_yticks([])
    axis.tick_params(length=0, pad=2)
    axis.spines[:].set_visible(False)
    axis.set_ylabel(title, fontsize=8.5, rotation=0, ha="right", va="center")


def _draw_legend(chart: figure.Figure, side: axes.Axes, row: _Row) -> None:
    """Draws what a row's colours mean into the axes beside it: a colour bar, the wheel of directions, or nothing."""
    side.set_axis_off()
    if row.attention_maximum is not None:
        scale = cm.ScalarMappable(colors.Normalize(0.0, row.attention_maximum), COLOUR_MAP)
        bar = chart.colorbar(scale, cax=side.inset_axes((0.0, 0.0, 0.14, 1.0)))
        bar.set_label("1 = even", fontsize=7)
        bar.ax.yaxis.set_major_locator(ticker.MaxNLocator(nbins=5))
        bar.ax.tick_params(labelsize=7, pad=2, length=2)
        bar.ax.axhline(1.0, color="white", linewidth=1)
        bar.outline.set_visible(False)
    elif row.flow_maximum is not None:
        span = np.linspace(-1.0, 1.0, 121)
        wheel = np.stack(np.meshgrid(span, span), axis=-1)  # rows grow downwards, as v does
        picture = colour.flow_to_color(wheel, 1.0)
        picture[np.hypot(wheel[..., 0], wheel[..., 1]) > 1] = 255
        inset = side.inset_axes((0.0, 0.3, 0.8, 0.6))
        inset.imshow(picture, interpolation="antialiased")
        inset.set_axis_off()
        side.text(0.4, 0.2, f"rim: {row.flow_maximum:.1f} px\nper frame", fontsize=7, ha="center", va="top")


def _draw_weights(
    axis: axes.Axes,
    side: axes.Axes,
    title: str,
    static: np.ndarray | None,
    motion: np.ndarray | None,
    shown: np.ndarray,
) -> None:
    side.set_axis_off()
    candidates = (("static", static, figures.STATIC, None), ("motion", motion, figures.MOTION, "////"))
    streams = [(name, values, *look) for name, values, *look in candidates if values is not None]
    count = len(streams[0][1])
    width = 0.8 / len(streams)
    if len(shown) < count:
        for position in shown:
            axis.axvspan(position - 0.5, position + 0.5, color="#EFEFEF", linewidth=0)
    handles = []
    for index, (name, values, color, hatch) in enumerate(streams):
        places = np.arange(count) - 0.4 + (index + 0.5) * width
        handles.append(
            axis.bar(places, values, width, color=color, hatch=hatch, edgecolor="white", linewidth=0, label=name)
        )
    handles.append(axis.axhline(1 / count, color=figures.INK, linewidth=1, linestyle=":", label="even"))
    axis.set_xlim(-0.5, count - 0.5)
    axis.set_xticks(np.arange(0, count, -(-count // 25)))
    axis.yaxis.set_major_locator(ticker.MaxNLocator(nbins=3))
    axis.tick_params(labelsize=7, pad=2, length=2)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_ylabel(title, fontsize=8.5, rotation=0, ha="right", va="center", labelpad=6)
    side.legend(handles=handles, fontsize=7, frameon=False, loc="upper left", borderaxespad=0, handlelength=1.4)


def _headline(video: VideoAttention, characters: int) -> list[str]:
    """Returns the lines above the pictures, none longer than so many characters."""
    verdict = []
    if video.predicted_label:
        verdict.append(f"predicted: {video.predicted_label}")
    if video.true_label:
        verdict.append(f"true: {video.true_label}")
    text = ",  ".join(verdict)
    if len(verdict) == 2:
        text += "  (right)" if video.true_label == video.predicted_label else "  (wrong)"
    lines = [*textwrap.wrap(video.title, characters), *textwrap.wrap(text, characters)]
    return [figures.plain(line, characters) for line in lines]
