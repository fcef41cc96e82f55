"""The parts of the page that a reader explores: the confusion matrix, the table of classes, the examples."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from tclsta_tf.reports import markup, tables

_JPEG_SIGNATURE = b"\xff\xd8\xff"


_CLASS_COLUMNS = {
    "static": "static %",
    "motion": "motion %",
    "fused": "fused %",
    "static_weight": "static weight",
    "motion_weight": "motion weight",
}


@dataclasses.dataclass(frozen=True)
class Confusion:
    """A confusion matrix.

    Attributes:
        labels: Names of the C classes.
        counts: int [C, C], videos; true classes in rows, predicted ones in columns.
    """

    labels: Sequence[str]
    counts: np.ndarray

    def __post_init__(self) -> None:
        counts, size = np.asarray(self.counts), len(self.labels)
        if size == 0 or counts.shape != (size, size) or counts.dtype.kind not in "iu" or (counts < 0).any():
            raise ValueError(
                f"`counts` must be integers >= 0 with one row and one column per label, here {(size, size)}. "
                f"Received: counts.shape={counts.shape}, counts.dtype={counts.dtype}"
            )


@dataclasses.dataclass(frozen=True)
class ClassRow:
    """What is known of one class. Accuracies and weights are fractions in [0, 1], None where there is no such value.

    Attributes:
        name: The class.
        videos: Its test videos.
        static: Share of them that the static stream gets right; None where there is no test video.
        motion: As `static`, of the motion stream.
        fused: As `static`, of both together.
        static_weight: Fusion weight of the static stream for this class, Eq. (13).
        motion_weight: As `static_weight`, of the motion stream.
    """

    name: str
    videos: int
    static: float | None = None
    motion: float | None = None
    fused: float | None = None
    static_weight: float | None = None
    motion_weight: float | None = None

    def __post_init__(self) -> None:
        for name in ("static", "motion", "fused", "static_weight", "motion_weight"):
            check_fraction(name, getattr(self, name))


@dataclasses.dataclass(frozen=True)
class Example:
    """A test video with what was made of it, as in the paper's Fig. 6.

    Attributes:
        thumbnail: Bytes of a JPEG file; some 240 pixels wide are enough.
        title: Name of the video.
        true_label: Its class.
        predicted_label: The class that was predicted.
        score: Score of the predicted class, a fraction in [0, 1]; None for none.
        alt: What the thumbnail shows, in words; not empty.
    """

    thumbnail: bytes
    title: str
    true_label: str
    predicted_label: str
    score: float | None
    alt: str

    def __post_init__(self) -> None:
        if not self.thumbnail.startswith(_JPEG_SIGNATURE):
            raise ValueError(f"`thumbnail` must hold the bytes of a JPEG file. Received: {self.thumbnail[:16]!r}...")
        if not self.alt.strip():
            raise ValueError(f"`alt` must say in words what the thumbnail shows. Received: alt={self.alt!r}")
        check_fraction("score", self.score)

    @property
    def right(self) -> bool:
        """Whether the prediction is the true class."""
        return self.true_label == self.predicted_label


def class_table(classes: Sequence[ClassRow], caption: str = "") -> tables.Table:
    """Returns the table of classes, percent and weights; a column that no class has a value for is left out."""
    columns = [
        (title, [getattr(row, name) for row in classes], 100 if title.endswith("%") else 1)
        for name, title in _CLASS_COLUMNS.items()
    ]
    columns = [column for column in columns if any(value is not None for value in column[1])]
    cells = [
        [tables.ABSENT if value is None else f"{scale * value:.{1 if scale > 1 else 2}f}" for value in values]
        for _, values, scale in columns
    ]
    header = ("class", "videos", *(title for title, *_ in columns))
    rows = zip((row.name for row in classes), (str(row.videos) for row in classes), *cells, strict=True)
    return tables.Table(header, tuple(rows), caption)


def confusion_html(confusion: Confusion, pairs: str = "") -> str:
    """Returns the matrix to explore, with `pairs` (HTML, "" for none) beside it, and the same counts in words."""
    counts, labels = np.asarray(confusion.counts), list(confusion.labels)
    classes = "1 class" if len(labels) == 1 else f"{len(labels)} classes"
    summary = f"{classes}; {counts.trace()} of {counts.sum()} test videos are right"
    rows = []
    for true, row in enumerate(counts):
        mistakes = sorted((j for j in np.flatnonzero(row) if j != true), key=lambda j: -row[j])
        taken_for = ", ".join(f"{labels[j]} ({row[j]})" for j in mistakes)
        rows.append((labels[true], taken_for, str(row.sum()), str(row[true])))
    header = ("true class", "taken for (videos)", "videos", "right")
    words = markup.table(tables.Table(header, tuple(rows), text_columns=2), kind="wordy")
    data = markup.embedded_json("confusion", {"labels": labels, "counts": counts.tolist()})
    matrix = _MATRIX.format(summary=summary) + data
    return (
        (f'<div class="beside"><div>{matrix}</div><div>{pairs}</div></div>\n' if pairs else matrix)
        + "<noscript><p>The matrix is drawn by a script; the same counts stand in words below.</p></noscript>\n"
        + f'<details class="in-words"><summary>The whole matrix in words</summary>\n{words}</details>\n'
    )


_MATRIX = """<div class="tools" data-matrix-tools hidden>
<label>Order <select><option value="index">class list</option><option value="name">name</option>
<option value="error">most errors first</option></select></label>
<label>Find a class <input type="search" autocomplete="off" spellcheck="false"></label>
<span class="group" role="group" aria-label="Zoom"><button type="button" data-zoom="-1" aria-label="Zoom out">−</button>
<button type="button" data-zoom="1" aria-label="Zoom in">+</button>
<button type="button" data-zoom="0">Fit</button></span>
<output></output></div>
<div class="card matrix-card" data-matrix hidden>
<p class="readout" role="status">Rows are true classes, columns predicted ones. Point at a cell, tap it, or use the
arrow keys.</p>
<div class="matrix" tabindex="0" role="application" aria-roledescription="confusion matrix"
 aria-label="Confusion matrix: {summary}" aria-describedby="matrix-keys"><div><canvas aria-hidden="true"></canvas></div>
</div>
<ul class="legend"></ul></div>
<p class="soft" id="matrix-keys">{summary}. Colour: share of the true class. Ctrl and the wheel, two fingers or the keys
+, − and 0 zoom; a class in the box is shown with those that it is confused with.</p>
"""


def classes_html(classes: Sequence[ClassRow], measure: str) -> str:
    """Returns the table of classes with a search box; the values are `measure`, such as "accuracy"."""
    caption = f"Percent: {measure} of each stream and of both fused; weights: what each stream counts in the fusion."
    table = class_table(classes, caption)
    kinds = [title.split()[0] for title in table.header]

    def decorate(column: int, cell: str) -> str:
        if column < 2 or cell == tables.ABSENT:
            return markup.number(cell)
        return markup.meter(cell, kinds[column], float(cell) * (1 if table.header[column].endswith("%") else 100))

    return markup.filtered(markup.table(table, kind="classes", decorate=decorate), "classes", "Find a class")


def examples_html(examples: Sequence[Example]) -> str:
    """Returns a card per example, to filter by right and wrong and by words."""
    cards = []
    for example in examples:
        verdict = "right" if example.right else "wrong"
        words = markup.text(f"{example.true_label} {example.predicted_label} {example.title}")
        score = f"<dt>score</dt><dd>{100 * example.score:.1f} %</dd>" if example.score is not None else ""
        cards.append(
            f'<li class="card example {verdict}" data-kind="{verdict}" data-text="{words}">'
            f'<img src="{markup.data_url("image/jpeg", example.thumbnail)}" alt="{markup.text(example.alt)}" '
            f'loading="lazy" decoding="async"><div><span class="verdict">{verdict}</span>'
            f"<dl><dt>true</dt><dd>{markup.text(example.true_label)}</dd>"
            f"<dt>predicted</dt><dd>{markup.text(example.predicted_label)}</dd>{score}</dl>"
            f"<p>{markup.breakable(example.title)}</p></div></li>\n"
        )
    choices = (
        '<label>Show <select><option value="">all</option><option value="right">right</option>'
        '<option value="wrong">wrong</option></select></label>'
    )
    return markup.filtered(f'<ul class="examples">\n{"".join(cards)}</ul>', "videos", "Find a class or video", choices)


def check_fraction(name: str, value: float | None) -> None:
    """Raises a ValueError where a value is neither None nor a fraction in [0, 1]."""
    if value is not None and not (math.isfinite(value) and 0 <= value <= 1):
        raise ValueError(f"`{name}` must be None or a fraction in [0, 1]. Received: {name}={value}")
