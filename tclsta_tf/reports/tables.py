"""Tables of results as aligned text, Markdown and CSV."""

import csv
import dataclasses
import io
import math
from collections.abc import Mapping, Sequence

from tclsta_tf.reports import paper as published

ROW_ORDER = (
    *(f"{stream}{part}" for stream in ("frame", "flow", "two-stream") for part in ("", "+SA", "+TA", "+STA")),
    "two-stream+STA+CLN",
    "two-stream+STA+AWL",
    "two-stream+STA+CLN+AWL",
    "TCLSTA",
    "fusion/late",
    "fusion/early",
    "fusion/mkl",
    "fusion/awl",
)
"""Names of variants in the order of the paper's Tables VI, VII and VIII."""

METRICS = ("overall_accuracy", "mean_class_accuracy", "top5_accuracy")
"""Metrics of the accuracy table, in column order."""

MULTI_LABEL_METRICS = ("mean_average_precision",)
"""The same where a video may belong to several classes."""

_HEADERS = {
    "overall_accuracy": "overall %",
    "mean_class_accuracy": "mean class %",
    "top5_accuracy": "top-5 %",
    "mean_average_precision": "mAP %",
}
ABSENT = "-"
"""The cell of a value that there is not."""

_PAPER_TABLES = {
    "Table VI: levels of attention": ROW_ORDER[:12],
    "Table VII: collaborative learning and adaptive weights": ("two-stream+STA", *ROW_ORDER[12:15]),
    "Table VIII: ways to fuse the streams": ROW_ORDER[16:],
}


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of strings; the first column names the rows.

    Attributes:
        header: One title per column.
        rows: Cells, one tuple per row, as many as `header` has.
        caption: What the table shows, one line; "" for none.
        text_columns: So many first columns hold words and stand to the left, the others hold numbers.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    text_columns: int = 1

    def __post_init__(self) -> None:
        if not self.header:
            raise ValueError("`header` must name at least one column. Received: header=()")
        for index, row in enumerate(self.rows):
            if len(row) != len(self.header):
                raise ValueError(
                    f"`rows` must have {len(self.header)} cells each, one per title of `header`. "
                    f"Received: rows[{index}]={row}"
                )

    def to_text(self) -> str:
        """Returns aligned columns for a terminal: names to the left, numbers to the right, no line ends in blanks."""
        cells = [[" ".join(cell.split()) for cell in row] for row in (self.header, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(self._align(row, widths)).rstrip() for row in cells]
        lines.insert(1, "  ".join("-" * width for width in widths))
        if self.caption:
            lines.insert(0, self.caption)
        return "\n".join(lines) + "\n"

    def to_markdown(self) -> str:
        """Returns a pipe table of GitHub's Markdown, aligned in its source too."""
        cells = [[" ".join(cell.split()).replace("|", r"\|") for cell in row] for row in (self.header, *self.rows)]
        widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
        rule = ["-" * width if i < self.text_columns else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
        lines = [f"| {' | '.join(self._align(row, widths))} |" for row in cells]
        lines.insert(1, f"| {' | '.join(rule)} |")
        if self.caption:
            lines[:0] = [f"**{self.caption}**", ""]
        return "\n".join(lines) + "\n"

    def to_csv(self) -> str:
        """Returns comma-separated values, header first, without the caption."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows((self.header, *self.rows))
        return text.getvalue()

    def _align(self, row: Sequence[str], widths: Sequence[int]) -> list[str]:
        return [
            cell.ljust(width) if i < self.text_columns else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]


def accuracy_table(
    results: Mapping[str, Mapping[str, float | int]],
    deviations: Mapping[str, Mapping[str, float]] | None = None,
    metrics: Sequence[str] | None = None,
    decimals: int = 1,
    caption: str = "",
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] | None = None,
    paper: Mapping[str, float] | None = None,
) -> Table:
    """Returns the table of variants: fractions as percent, and the number of videos.

    Args:
        results: Name of the variant -> metrics, fractions in [0, 1], as under `results` in `metrics.json`. Rows appear
            in `ROW_ORDER`, names not listed there after them in the order given. A metric that a variant lacks shows
            as "-".
        deviations: Standard deviations over splits or seeds in the same form, shown as "54.8 ± 0.6".
        metrics: Columns; None for `METRICS`, or for `MULTI_LABEL_METRICS` where `results` hold those only.
        decimals: Digits after the point of a percentage, >= 0; 1 for people, more for a CSV file.
        caption: Caption of the table.
        intervals: Lower and upper end, fractions, in the same form, shown as "54.8 [50.1, 59.3]".
        paper: Name of the variant -> published fraction of the first metric, shown in a column beside it.

    Raises:
        ValueError: For an unknown metric or a value that is no fraction.
    """
    if metrics is None:
        metrics = _metrics_of(results)
    unknown = [metric for metric in metrics if metric not in _HEADERS]
    if unknown:
        raise ValueError(f"`metrics` must be among {tuple(_HEADERS)}. Received: {unknown}")
    header = ["variant", *(_HEADERS[metric] for metric in metrics), "videos"]
    rows = []
    for name in order_names(results):
        values, spread, ends = results[name], (deviations or {}).get(name, {}), (intervals or {}).get(name, {})
        cells = []
        for metric in metrics:
            cell = _percent(name, metric, values.get(metric), decimals)
            if metric in values and metric in spread:
                cell += f" ± {_percent(name, metric, spread[metric], decimals)}"
            if metric in values and metric in ends:
                low, high = (_percent(name, metric, end, decimals) for end in ends[metric])
                cell += f" [{low}, {high}]"
            cells.append(cell)
        if paper is not None:
            cells.insert(1, _percent(name, "paper", paper.get(name), decimals))
        rows.append((name, *cells, str(values.get("num_videos", ABSENT))))
    if paper is not None:
        header.insert(2, "paper %")
    return Table(tuple(header), tuple(rows), caption)


def paper_tables(
    results: Mapping[str, Mapping[str, float | int]],
    dataset: str,
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] | None = None,
    deviations: Mapping[str, Mapping[str, float]] | None = None,
    speed: Mapping[str, float | None] | None = None,
) -> list[Table]:
    """Returns Tables VI to IX of the paper with one's own figures, and beside them the published ones.

    A table holds the rows that `results` has; one without rows is left out.

    Args:
        results: As for `accuracy_table`.
        dataset: Name such as "hmdb51"; of one that the paper lacks there are own figures only.
        intervals: As for `accuracy_table`, of 95 %.
        deviations: As for `accuracy_table`.
        speed: Part of the work, such as "decode", "flow", "static", "motion", "fusion" -> frames per second; None
            where it was not measured.

    Raises:
        ValueError: As `accuracy_table`, and for a speed that is no number above 0.
    """
    paper = published.accuracy(dataset)
    note = f"; paper: {published.PROTOCOLS[dataset]}" if paper else ""
    note += "; in brackets: 95 % interval" if intervals else ""
    tables = []
    for caption, names in _PAPER_TABLES.items():
        if "TCLSTA" in results and "two-stream+STA+CLN+AWL" not in results:  # two names of one row
            names = tuple(name.replace("two-stream+STA+CLN+AWL", "TCLSTA") for name in names)
        rows = {name: results[name] for name in names if name in results}
        if rows:
            tables.append(
                accuracy_table(
                    rows,
                    deviations,
                    metrics=_metrics_of(results),
                    caption=caption + note,
                    intervals=intervals,
                    paper=paper or None,
                )
            )
    if speed:
        tables.append(_speed_table(speed))
    return tables


def _speed_table(speed: Mapping[str, float | None]) -> Table:
    for part, rate in speed.items():
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            raise ValueError(f"`speed` must hold frames per second above 0. Received: speed[{part!r}]={rate}")
    rows = [(part, ABSENT if rate is None else f"{rate:.1f}") for part, rate in speed.items()]
    rows += [(f"paper: {method}", f"{rate:.1f}") for method, rate in published.SPEED.items()]
    caption = "Table IX: speed of each part; paper: HMDB51 on an NVIDIA TITAN X"
    return Table(("part", "frames per second"), tuple(rows), caption)


def _metrics_of(results: Mapping[str, Mapping[str, float | int]]) -> tuple[str, ...]:
    names = {metric for values in results.values() for metric in values}
    only_multi_label = not names.isdisjoint(MULTI_LABEL_METRICS) and names.isdisjoint(METRICS)
    return MULTI_LABEL_METRICS if only_multi_label else METRICS


def order_names(names: Mapping[str, object] | Sequence[str]) -> list[str]:
    """Returns the names of variants in `ROW_ORDER`, those not listed there after them in the order given."""
    listed = [name for name in ROW_ORDER if name in names]
    return listed + [name for name in names if name not in ROW_ORDER]


def _percent(name: str, metric: str, value: float | None, decimals: int) -> str:
    if value is None:
        return ABSENT
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise ValueError(f"`results` must hold fractions in [0, 1]. Received: results[{name!r}][{metric!r}]={value}")
    return f"{100 * value:.{decimals}f}"
