"""Tables of results as aligned text, Markdown and CSV."""

import csv
import dataclasses
import io
import math
from collections.abc import Mapping, Sequence

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

_HEADERS = {
    "overall_accuracy": "overall %",
    "mean_class_accuracy": "mean class %",
    "top5_accuracy": "top-5 %",
    "mean_average_precision": "mAP %",
}
_ABSENT = "-"


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
    metrics: Sequence[str] = METRICS,
    decimals: int = 1,
    caption: str = "",
) -> Table:
    """Returns the table of variants: fractions as percent, and the number of videos.

    Args:
        results: Name of the variant -> metrics, fractions in [0, 1], as under `results` in `metrics.json`. Rows appear
            in `ROW_ORDER`, names not listed there after them in the order given. A metric that a variant lacks shows
            as "-".
        deviations: Standard deviations over splits or seeds in the same form, shown as "54.8 ± 0.6".
        metrics: Columns.
        decimals: Digits after the point of a percentage, >= 0; 1 for people, more for a CSV file.
        caption: Caption of the table.

    Raises:
        ValueError: For an unknown metric or a value that is no fraction.
    """
    unknown = [metric for metric in metrics if metric not in _HEADERS]
    if unknown:
        raise ValueError(f"`metrics` must be among {tuple(_HEADERS)}. Received: {unknown}")
    deviations = deviations or {}
    rows = []
    for name in order_names(results):
        values, spread = results[name], deviations.get(name, {})
        cells = []
        for metric in metrics:
            cell = _percent(name, metric, values.get(metric), decimals)
            if metric in values and metric in spread:
                cell += f" ± {_percent(name, metric, spread[metric], decimals)}"
            cells.append(cell)
        rows.append((name, *cells, str(values.get("num_videos", _ABSENT))))
    return Table(("variant", *(_HEADERS[metric] for metric in metrics), "videos"), tuple(rows), caption)


def order_names(names: Mapping[str, object] | Sequence[str]) -> list[str]:
    """Returns the names of variants in `ROW_ORDER`, those not listed there after them in the order given."""
    listed = [name for name in ROW_ORDER if name in names]
    return listed + [name for name in names if name not in ROW_ORDER]


def _percent(name: str, metric: str, value: float | None, decimals: int) -> str:
    if value is None:
        return _ABSENT
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise ValueError(f"`results` must hold fractions in [0, 1]. Received: results[{name!r}][{metric!r}]={value}")
    return f"{100 * value:.{decimals}f}"
