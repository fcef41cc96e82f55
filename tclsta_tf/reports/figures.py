"""Charts of a run. Each function returns a figure of its own; `to_png` turns it into bytes."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import axes, figure, ticker
from matplotlib.backends import backend_agg

# Okabe and Ito's colours: told apart with every common colour blindness. Each also gets a marker of its own.
STATIC = "#0072B2"
MOTION = "#D55E00"
FUSED = "#009E73"
_CURVES = (STATIC, MOTION, FUSED, "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = "osD^vPX"

INK = "#222222"
GRID = "#DDDDDD"
_WIDTH = 5.4  # inches; narrow, so that letters are still legible when a phone shows the whole width
_DPI = 160


def new_figure(width: float, height: float) -> figure.Figure:
    """Returns an empty figure of that size in inches, drawn by Agg, apart from matplotlib's global state."""
    chart = figure.Figure(figsize=(width, height), layout="constrained", facecolor="white")
    backend_agg.FigureCanvasAgg(chart)
    return chart


def to_png(chart: figure.Figure, dpi: int = _DPI) -> bytes:
    """Returns the figure as the bytes of a PNG file, `dpi` pixels per inch. Equal figures give equal bytes."""
    stream = io.BytesIO()
    chart.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return stream.getvalue()


def plain(text: str, limit: int = 40) -> str:
    """Returns a name as matplotlib should show it: one line, no formula between dollar signs, shortened to `limit`."""
    line = " ".join(text.split())
    line = line if len(line) <= limit else line[: limit - 1] + "…"
    return line.replace("$", r"\$")


def confusion_matrix(counts: np.ndarray, labels: Sequence[str]) -> figure.Figure:
    """Draws a confusion matrix, each row as fractions of its true class; counts stand in the cells where they fit.

    Args:
        counts: int [C, C], true classes in rows. A class without videos keeps an empty row.
        labels: Names of the C classes.

    Raises:
        ValueError: Where the shapes do not match.
    """
    counts = np.asarray(counts)
    size = len(labels)
    if counts.shape != (size, size) or size == 0:
        raise ValueError(
            f"`counts` must have one row and one column per label, here {(size, size)}. "
            f"Received: counts.shape={counts.shape}"
        )
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(0.34 * size, 3.5, 14.0))
    chart = new_figure(side + 2.2, side + 1.2)
    axis = chart.add_subplot()
    image = axis.imshow(fractions, cmap="Blues", vmin=0.0, vmax=1.0, interpolation="nearest")
    font_size = float(np.clip(320 / size, 4.0, 9.0))
    if size <= 30:
        for row, column in np.argwhere(counts):
            axis.text(
                column,
                row,
                f"{counts[row, column]}",
                ha="center",
                va="center",
                fontsize=font_size - 1,
                color="white" if fractions[row, column] > 0.55 else INK,
            )
    names = [plain(label) for label in labels]
    axis.set_xticks(np.arange(size), names, rotation=90, fontsize=font_size)
    axis.set_yticks(np.arange(size), names, fontsize=font_size)
    axis.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axis.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axis.grid(which="minor", color="#EEEEEE", linewidth=0.5)
    axis.tick_params(which="both", length=0)
    axis.spines[:].set_visible(False)
    axis.set_xlabel("predicted class")
    axis.set_ylabel("true class")
    bar = chart.colorbar(image, ax=axis, shrink=0.6, pad=0.02, format=ticker.PercentFormatter(1.0, decimals=0))
    bar.set_label("share of the true class")
    bar.outline.set_visible(False)
    return chart


def per_class_accuracy(labels: Sequence[str], accuracies: Mapping[str, Sequence[float]]) -> figure.Figure:
    """Draws the accuracy of several variants per class: one line per class, one marker per variant.

    Classes are sorted by the last variant, best on top. Markers on one line show at a glance which stream knows the
    class and what fusion makes of it.

    Args:
        labels: Names of the classes.
        accuracies: Name of the variant, such as "static", "motion", "fused" -> one fraction per class.

    Raises:
        ValueError: Where lengths differ or a value is no fraction.
    """
    _check_bars("accuracies", labels, accuracies)
    last = np.asarray(list(accuracies.values())[-1])
    order = np.argsort(last, kind="stable")
    chart = new_figure(_WIDTH, _bar_height(len(labels)))
    axis = chart.add_subplot()
    columns = np.array([np.asarray(values, float)[order] for values in accuracies.values()])  # [variants, C]
    axis.hlines(np.arange(len(labels)), columns.min(axis=0), columns.max(axis=0), color="#BBBBBB", linewidth=1.5)
    for index, (name, values) in enumerate(zip(accuracies, columns, strict=True)):
        color, is_last = _CURVES[index % len(_CURVES)], index == len(columns) - 1
        axis.plot(
            values,
            np.arange(len(labels)),
            _MARKERS[index % len(_MARKERS)],
            # Of equal values none hides another: ever smaller markers, and the last a large hollow one.
            markersize=9 if is_last else max(7 - 2 * index, 3),
            markerfacecolor="none" if is_last else color,
            markeredgecolor=color,
            markeredgewidth=1.8 if is_last else 0.5,
            label=plain(name),
            clip_on=False,
            zorder=3,
        )
    _finish_bars(axis, [labels[i] for i in order], "accuracy on the videos of the class")
    axis.set_xlim(0, 1)
    axis.xaxis.set_major_formatter(ticker.PercentFormatter(1.0, decimals=0))
    chart.legend(loc="outside upper center", ncols=min(len(accuracies), 4), frameon=False)
    return chart


def fusion_weights(labels: Sequence[str], weights: np.ndarray) -> figure.Figure:
    """Draws each class's fusion weights as one bar, static from the left and motion from the right.

    Args:
        labels: Names of the C classes.
        weights: float [C, 2], static then motion, rows that sum to 1.

    Raises:
        ValueError: Where the shape does not fit or a weight is no fraction.
    """
    weights = np.asarray(weights, float)
    if weights.shape != (len(labels), 2):
        raise ValueError(
            f"`weights` must have the shape [classes, 2], here {(len(labels), 2)}. "
            f"Received: weights.shape={weights.shape}"
        )
    _check_bars("weights", labels, {"static": weights[:, 0].tolist(), "motion": weights[:, 1].tolist()})
    order = np.argsort(weights[:, 0], kind="stable")
    positions = np.arange(len(labels))
    chart = new_figure(_WIDTH, _bar_height(len(labels)))
    axis = chart.add_subplot()
    axis.barh(positions, weights[order, 0], color=STATIC, label="static", height=0.75)
    axis.barh(
        positions, weights[order, 1], left=weights[order, 0], color=MOTION, label="motion", height=0.75, hatch="///",
        edgecolor="white", linewidth=0,
    )  # fmt: skip
    axis.axvline(0.5, color=INK, linewidth=1, linestyle=":")
    _finish_bars(axis, [labels[i] for i in order], "fusion weight")
    axis.set_xlim(0, 1)
    chart.legend(loc="outside upper center", ncols=2, frameon=False)
    return chart


def training_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], ylabel: str, title: str = ""
) -> figure.Figure:
    """Draws curves over training steps, on a logarithmic scale where they span more than a factor of 30.

    Args:
        curves: Name -> (steps, values), of equal length. Values that are not finite leave a gap.
        ylabel: What the values are.
        title: Title; "" for none.

    Raises:
        ValueError: Where there is no curve, or steps and values differ in length.
    """
    if not curves:
        raise ValueError("`curves` must hold at least one curve. Received: curves={}")
    chart = new_figure(_WIDTH, 3.2)
    axis = chart.add_subplot()
    finite = []
    for index, (name, (steps, values)) in enumerate(curves.items()):
        if len(steps) != len(values):
            raise ValueError(
                "`curves` must give one value per step. "
                f"Received: curves[{name!r}] with {len(steps)} steps and {len(values)} values"
            )
        series = np.asarray(values, float)
        finite.append(series[np.isfinite(series)])
        axis.plot(
            steps,
            series,
            color=_CURVES[index % len(_CURVES)],
            linestyle=("-", "--", "-.", ":")[index % 4],
            linewidth=1.6,
            marker=_MARKERS[index % len(_MARKERS)] if len(series) <= 40 else None,
            markersize=4,
            label=plain(name),
        )
    shown = np.concatenate(finite)
    if shown.size and shown.min() > 0 and shown.max() > 30 * shown.min():
        axis.set_yscale("log")
    _clean(axis)
    axis.set_xlabel("step")
    axis.set_ylabel(ylabel)
    axis.set_title(plain(title, 80))
    axis.legend(frameon=False)
    return chart


def _check_bars(name: str, labels: Sequence[str], columns: Mapping[str, Sequence[float]]) -> None:
    if not columns or not len(labels):
        raise ValueError(f"`{name}` must hold at least one class and one column of values. Received: none")
    for column, values in columns.items():
        array = np.asarray(values, float)
        if array.shape != (len(labels),):
            raise ValueError(
                f"`{name}` must hold one value per label, {len(labels)}. Received: {column} with shape {array.shape}"
            )
        if not ((array >= -1e-9) & (array <= 1 + 1e-9)).all():  # false for NaN too
            raise ValueError(f"`{name}` must lie in [0, 1]. Received: {column}={array.tolist()}")


def _bar_height(num_classes: int) -> float:
    return 1.2 + 0.24 * num_classes


def _finish_bars(axis: axes.Axes, labels: Sequence[str], xlabel: str) -> None:
    _clean(axis)
    axis.set_yticks(np.arange(len(labels)), [plain(label) for label in labels], fontsize=8.5)
    axis.set_ylim(-0.7, len(labels) - 0.3)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", visible=False)
    axis.set_xlabel(xlabel)


def _clean(axis: axes.Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color("#999999")
    axis.grid(color=GRID, linewidth=0.7)
    axis.set_axisbelow(True)
