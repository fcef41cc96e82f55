"""The report of a run as one HTML file: no script, no network, light and dark, from a phone's width up."""

import base64
import dataclasses
import html
import os
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tclsta_tf.reports import tables as tables_lib

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_STYLE = """
:root { color-scheme: light dark; --paper: #fbfbf9; --card: #ffffff; --ink: #1d2126; --soft: #5a636e;
  --line: #dfe2e6; --accent: #005a8f; --bar: #cfe3f1; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --card: #1d2125; --ink: #e8eaed; --soft: #a3acb6;
  --line: #363c43; --accent: #7cc4f2; --bar: #1f4560; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main, header, footer { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
h1 { font-size: clamp(1.6rem, 5vw, 2.3rem); line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.35rem; margin: 3rem 0 .8rem; padding-top: .9rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 0 0 .3rem; overflow-wrap: anywhere; }
.soft, figcaption { color: var(--soft); }
.soft { margin: 0; }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; list-style: none; margin: 1rem 0 0; padding: 0; }
a { color: var(--accent); }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.headlines { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .9rem;
  margin: 1.8rem 0 0; padding: 0; list-style: none; }
.headlines li, .card { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; }
.headlines li { padding: .9rem 1.1rem; }
.headlines strong { display: block; font-size: 1.75rem; line-height: 1.3; font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere; }
.headlines span { display: block; }
.scroll { overflow-x: auto; border-radius: .7rem; }
.card { margin: 0 0 1.5rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .8rem 1rem .3rem; color: var(--soft); }
th, td { padding: .45rem 1rem; text-align: right; border-top: 1px solid var(--line); white-space: nowrap; }
th.words, td.words { text-align: left; }
thead th { border-top: 0; font-weight: 600; color: var(--soft); vertical-align: bottom; }
tbody th { font-weight: 500; }
tbody tr:hover { background: color-mix(in srgb, var(--bar) 45%, transparent); }
tr.best th, tr.best td { font-weight: 700; background: var(--bar); }
details tbody th { vertical-align: top; white-space: normal; }
details tbody td { white-space: normal; overflow-wrap: anywhere; font: .9em ui-monospace, monospace; }
.gallery { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.2rem;
  align-items: start; }
figure { margin: 0; padding: 1rem; }
.gallery .card { margin: 0; min-width: 0; }
.gallery .wide { grid-column: 1 / -1; }
figure img { display: block; width: 100%; max-width: 40rem; height: auto; margin: 0 auto; background: #fff;
  border-radius: .4rem; }
.wide .scroll img { max-width: none; min-width: 44rem; }
figcaption { margin: 0 0 .7rem; font-size: .93rem; }
figcaption h3 { color: var(--ink); }
figcaption p { margin: 0; }
summary { cursor: pointer; padding: .7rem 1rem; font-weight: 600; }
footer { padding-top: 2rem; padding-bottom: 3rem; color: var(--soft); font-size: .9rem; overflow-wrap: anywhere; }
@media (max-width: 30rem) { body { font-size: 15px; } main, header, footer { padding-inline: .8rem; }
  th, td { padding: .4rem .35rem; } tbody th { min-width: 7rem; } table { font-size: .92rem; }
  th, td.words { white-space: normal; }
  .headlines { grid-template-columns: 1fr 1fr; gap: .6rem; } .headlines li { padding: .7rem .8rem; }
  .headlines strong { font-size: 1.5rem; } figure { padding: .6rem; } }
@media print { .scroll { overflow: visible; } .wide .scroll img { min-width: 0; } figure { break-inside: avoid; } }
"""


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
    """Everything the page shows. All text is escaped: names of files and classes may hold any character.

    Attributes:
        title: Heading of the page.
        subtitle: A line below it: dataset, split, date.
        headlines: The few numbers to see first.
        results: Name of the variant -> metrics, fractions, as under `results` in `metrics.json`.
        best: Name of the variant to highlight in their table; "" for none.
        confused: Most confused pairs: (true class, predicted class, videos, share of the true class in [0, 1]).
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


def render(report: Report) -> str:
    """Returns the page as HTML text; equal reports give equal text.

    Raises:
        ValueError: Where a metric is no fraction (see `tables.accuracy_table`).
    """
    sections: list[tuple[str, str]] = []  # (heading, HTML)
    if report.results:
        caption = "Percent of test videos; mean class: every class counts once."
        table = tables_lib.accuracy_table(report.results, caption=caption)
        sections.append(("Results", _table(table, best=report.best)))
    if report.confused:
        rows = tuple(
            (true, predicted, str(count), f"{100 * share:.1f}") for true, predicted, count, share in report.confused
        )
        table = tables_lib.Table(("true class", "predicted class", "videos", "% of the class"), rows, text_columns=2)
        sections.append(("Most confused pairs", _table(table)))
    sections.extend((section.title, _section(section)) for section in report.sections)
    if report.configuration:
        sections.append(("Configuration", _configuration(report.configuration)))

    links = [f'<li><a href="#part-{i}">{_text(title)}</a></li>' for i, (title, _) in enumerate(sections, start=1)]
    parts = [
        f'<section id="part-{i}" aria-labelledby="title-{i}"><h2 id="title-{i}">{_text(title)}</h2>\n{body}</section>'
        for i, (title, body) in enumerate(sections, start=1)
    ]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
            # An empty icon: without one a browser asks the server for favicon.ico.
            f'<title>{_text(report.title)}</title><link rel="icon" href="data:,"><style>{_STYLE}</style></head>',
            f'<body><header><h1>{_text(report.title)}</h1><p class="soft">{_text(report.subtitle)}</p>',
            f'<nav aria-label="Contents"><ul>{"".join(links)}</ul></nav></header>',
            f"<main>{_headlines(report.headlines)}",
            *parts,
            f"</main><footer>{_text(report.footer)}</footer></body>",
            "</html>",
            "",
        ]
    )


def write(report: Report, path: str | os.PathLike[str]) -> None:
    """Writes the page to `path` (UTF-8), under a temporary name first, so that no half page is ever seen there."""
    path = Path(path)
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(render(report), encoding="utf-8")
    temporary.replace(path)


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)


def _breakable(name: str) -> str:
    """Returns a name that may wrap after the characters that join its parts, as in two-stream+STA+CLN."""
    return re.sub(r"([+_/-])", r"\1<wbr>", _text(name))


def _headlines(headlines: Iterable[Headline]) -> str:
    items = [
        f"<li><span>{_text(item.label)}</span><strong>{_text(item.value)}</strong>"
        f'<span class="soft">{_text(item.note)}</span></li>'
        for item in headlines
    ]
    return f'<ul class="headlines">{"".join(items)}</ul>' if items else ""


def _scrolling(content: str, name: str) -> str:
    """Returns a box that scrolls sideways; it takes the keyboard's focus, or only a mouse could scroll it."""
    return f'<div class="scroll" role="group" tabindex="0" aria-label="{_text(name)}">{content}</div>'


def _table(table: tables_lib.Table, best: str = "") -> str:
    classes = [' class="words"' if i < table.text_columns else "" for i in range(len(table.header))]
    head = "".join(
        f'<th scope="col"{kind}>{_text(title)}</th>' for kind, title in zip(classes, table.header, strict=True)
    )
    rows = []
    for name, *values in table.rows:
        mark = ' class="best"' if best and name == best else ""
        cells = "".join(
            f"<td{kind}>{_breakable(value) if kind else _text(value)}</td>"
            for kind, value in zip(classes[1:], values, strict=True)
        )
        rows.append(f'<tr{mark}><th scope="row" class="words">{_breakable(name)}</th>{cells}</tr>\n')
    caption = f"<caption>{_text(table.caption)}</caption>" if table.caption else ""
    body = "".join(rows)
    content = f"<table>{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>"
    return f'<div class="card">{_scrolling(content, table.caption or "Table: " + ", ".join(table.header))}</div>\n'


def _picture(picture: Picture) -> str:
    width, height = picture.size
    data = base64.b64encode(picture.png).decode("ascii")
    image = f'<img src="data:image/png;base64,{data}" alt="{_text(picture.alt)}" width="{width}" height="{height}">'
    if picture.wide:
        image = _scrolling(image, picture.title)
    caption = f"<p>{_text(picture.caption)}</p>" if picture.caption else ""
    css_class = "card wide" if picture.wide else "card"
    legend = f"<figcaption><h3>{_text(picture.title)}</h3>{caption}</figcaption>"
    return f'<figure class="{css_class}">{legend}{image}</figure>\n'


def _section(section: Section) -> str:
    text = f"<p>{_text(section.text)}</p>\n" if section.text else ""
    pictures = "".join(_picture(picture) for picture in section.pictures)
    gallery = f'<div class="gallery">{pictures}</div>\n' if pictures else ""
    return text + "".join(_table(table) for table in section.tables) + gallery


def _configuration(configuration: Mapping[str, object]) -> str:
    rows = tuple((str(name), str(value)) for name, value in configuration.items())
    table = _table(tables_lib.Table(("setting", "value"), rows, text_columns=2))
    return f"<details><summary>{len(rows)} settings of this run</summary>\n{table}</details>\n"
