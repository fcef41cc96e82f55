"""The report of a run as one HTML file: no network, light and dark, from a phone's width up.

Everything can be read without the script; with it, tables sort, lists filter and the confusion matrix zooms.
"""

import base64
import dataclasses
import hashlib
import importlib.resources
import struct
from collections.abc import Iterable, Mapping, Sequence

from tclsta_tf.reports import explorers, markup
from tclsta_tf.reports import tables as tables_lib

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclasses.dataclass(frozen=True)
class Headline:
    """One number on top of the page.

    Attributes:
        label: What it is, such as "overall accuracy".
        value: The number as text, with its unit.
        note: A few words below it, such as the variant or an interval; "" for none.
    """

    label: str
    value: str
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Attributes:
        title: Heading.
        png: Bytes of a PNG file.
        alt: What the picture shows, in words, for those who cannot see it; not empty.
        caption: How to read it; "" for none.
        wide: Takes the whole width, and scrolls sideways on a narrow screen instead of shrinking beyond reading.
    """

    title: str
    png: bytes
    alt: str
    caption: str = ""
    wide: bool = False

    def __post_init__(self) -> None:
        if self.png[:8] != _PNG_SIGNATURE or self.png[12:16] != b"IHDR":
            raise ValueError(f"`png` must hold the bytes of a PNG file. Received: png={self.png[:16]!r}...")
        if not self.alt.strip():
            raise ValueError(f"`alt` must say in words what the picture shows. Received: alt={self.alt!r}")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return struct.unpack(">II", self.png[16:24])


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page under a heading of its own; tables come before pictures.

    Attributes:
        title: Heading, also its entry in the list of contents.
        text: A paragraph below the heading; "" for none.
        tables: Tables.
        pictures: Figures.
    """

    title: str
    text: str = ""
    tables: Sequence[tables_lib.Table] = ()
    pictures: Sequence[Picture] = ()


@dataclasses.dataclass(frozen=True)
class Report:
    """Everything the page shows, in its order. All text is escaped: names of files and classes may hold any character.

    Attributes:
        title: Heading of the page.
        subtitle: A line below it: dataset, split, date.
        headlines: The few numbers to see first, the most important one in front.
        results: Name of the variant -> metrics, fractions, as under `results` in `metrics.json`.
        intervals: Name of the variant -> metric -> lower and upper end of its 95 % interval, fractions.
        best: Name of the variant to highlight in the tables of results; "" for none.
        tables: Further tables of results, such as `tables.paper_tables`.
        confusion: Confusion matrix to explore; None for none.
        confused: Most confused pairs: (true class, predicted class, videos, share of the true class in [0, 1]).
        classes: One row per class, those without test videos too.
        measure: What the values of `classes` are, such as "accuracy" or "average precision".
        examples: Successes and failures.
        sections: What follows: figures, further tables.
        configuration: Name -> value of each setting, shown folded at the end.
        footer: Last line, such as the revision of the code.
    """

    title: str
    subtitle: str = ""
    headlines: Sequence[Headline] = ()
    results: Mapping[str, Mapping[str, float | int]] = dataclasses.field(default_factory=dict)
    best: str = ""
    confused: Sequence[tuple[str, str, int, float]] = ()
    sections: Sequence[Section] = ()
    configuration: Mapping[str, object] = dataclasses.field(default_factory=dict)
    footer: str = ""
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] = dataclasses.field(default_factory=dict)
    tables: Sequence[tables_lib.Table] = ()
    confusion: explorers.Confusion | None = None
    classes: Sequence[explorers.ClassRow] = ()
    measure: str = "accuracy"
    examples: Sequence[explorers.Example] = ()


def render(report: Report) -> str:
    """Returns the page as HTML text; equal reports give equal text.

    Raises:
        ValueError: Where a metric is no fraction (see `tables.accuracy_table`).
    """
    script = _asset("report.js") + _asset("confusion.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # Only this very script may run, whatever a name may hold; pictures come from the page itself, nothing else loads.
    policy = (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    sections = _sections(report)
    links = [f'<li><a href="#part-{i}">{markup.text(name)}</a></li>' for i, (name, _) in enumerate(sections, start=1)]
    parts = [
        f'<section id="part-{i}" aria-labelledby="title-{i}"><h2 id="title-{i}">{markup.text(name)}</h2>\n'
        f"{body}</section>"
        for i, (name, body) in enumerate(sections, start=1)
    ]
    title = markup.text(report.title)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            # An empty icon: without one a browser asks the server for favicon.ico.
            f'<title>{title}</title><link rel="icon" href="data:,"><style>\n{_asset("report.css")}</style></head>',
            f'<body><header><h1>{title}</h1><p class="soft">{markup.text(report.subtitle)}</p>',
            f'<nav aria-label="Contents"><ul>{"".join(links)}</ul></nav></header>' if links else "</header>",
            f"<main>{_headlines(report.headlines)}",
            *parts,
            f"</main><footer>{markup.text(report.footer)}</footer>",
            f"<script>{script}</script></body>",
            "</html>",
            "",
        ]
    )


def _asset(name: str) -> str:
    return (importlib.resources.files("tclsta_tf.reports") / "assets" / name).read_text(encoding="utf-8")


def _sections(report: Report) -> list[tuple[str, str]]:
    """Returns (heading, HTML) of each part of the page."""
    sections: list[tuple[str, str]] = []
    results = ""
    if report.results:
        caption = "Percent of test videos; mean class: every class counts once"
        caption += "; in brackets: 95 % interval." if report.intervals else "."
        table = tables_lib.accuracy_table(report.results, caption=caption, intervals=report.intervals)
        results = markup.table(table, report.best, "results")
    results += "".join(markup.table(table, report.best, "results") for table in report.tables)
    if results:
        sections.append(("Results", results))
    pairs = _confused_pairs(report.confused) if report.confused else ""
    if report.confusion is not None:
        sections.append(("Confusion", explorers.confusion_html(report.confusion, pairs)))
    elif pairs:
        sections.append(("Most confused pairs", pairs))
    if report.classes:
        sections.append(("Class by class", explorers.classes_html(report.classes, report.measure)))
    if report.examples:
        sections.append(("Successes and failures", explorers.examples_html(report.examples)))
    sections.extend((section.title, _section(section)) for section in report.sections)
    if report.configuration:
        sections.append(("Configuration", _configuration(report.configuration)))
    return sections


def _headlines(headlines: Iterable[Headline]) -> str:
    items = [
        f"<li><span>{markup.text(item.label)}</span><strong>{markup.unbroken(item.value)}</strong>"
        f'<span class="soft">{markup.unbroken(item.note)}</span></li>'
        for item in headlines
    ]
    return f'<ul class="headlines">{"".join(items)}</ul>' if items else ""


def _confused_pairs(pairs: Iterable[tuple[str, str, int, float]]) -> str:
    rows = []
    for true, predicted, count, share in pairs:
        explorers.check_fraction("share", share)
        rows.append((true, predicted, str(count), f"{100 * share:.1f}"))
    header = ("true class", "predicted class", "videos", "%")
    return markup.table(
        tables_lib.Table(header, tuple(rows), "Most confused pairs; percent of the true class", text_columns=2)
    )


def _picture(picture: Picture) -> str:
    width, height = picture.size
    image = (
        f'<img src="{markup.data_url("image/png", picture.png)}" alt="{markup.text(picture.alt)}" '
        f'width="{width}" height="{height}" loading="lazy" decoding="async">'
    )
    if picture.wide:
        image = markup.scrolling(image, picture.title)
    caption = f"<p>{markup.text(picture.caption)}</p>" if picture.caption else ""
    css_class = "card wide" if picture.wide else "card"
    legend = f"<figcaption><h3>{markup.text(picture.title)}</h3>{caption}</figcaption>"
    return f'<figure class="{css_class}">{legend}{image}</figure>\n'


def _section(section: Section) -> str:
    words = f"<p>{markup.text(section.text)}</p>\n" if section.text else ""
    pictures = "".join(_picture(picture) for picture in section.pictures)
    gallery = f'<div class="gallery">{pictures}</div>\n' if pictures else ""
    return words + "".join(markup.table(table) for table in section.tables) + gallery


def _configuration(configuration: Mapping[str, object]) -> str:
    rows = tuple((str(name), str(value)) for name, value in configuration.items())
    table = markup.table(tables_lib.Table(("setting", "value"), rows, text_columns=2), kind="settings", sortable=False)
    return f"<details><summary>{len(rows)} settings of this run</summary>\n{table}</details>\n"
