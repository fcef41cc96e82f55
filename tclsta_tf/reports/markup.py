"""Pieces of HTML for the page. Every text from outside passes through `text` or `embedded_json`."""

import base64
import html
import json
import re
from collections.abc import Callable

from tclsta_tf.reports import tables

_LONG = 25  # rows; a longer table scrolls in a box of its own, under its headers

Decoration = Callable[[int, str], str]
"""(column, cell as text) -> cell as HTML."""


def text(value: object) -> str:
    """Returns a value as text that HTML shows as it is, in an element or between the quotes of an attribute."""
    return html.escape(str(value), quote=True)


def unbroken(value: str) -> str:
    """Returns a text whose percent signs stay on the line of their number."""
    return text(value).replace(" %", "\N{NO-BREAK SPACE}%")


def breakable(name: str) -> str:
    """Returns a name that may wrap after the characters that join its parts, as in two-stream+STA+CLN."""
    return re.sub(r"([+_/-])", r"\1<wbr>", text(name))


def number(cell: str) -> str:
    """Returns a cell of numbers: what follows the first stands back, and a dash is read out as what it means."""
    if cell == tables.ABSENT:
        return '<span aria-hidden="true">–</span><span class="unseen">none</span>'
    first, *rest = cell.split(" ", 1)
    return f'{text(first)} <span class="range">{text(rest[0])}</span>' if rest else text(first)


def meter(cell: str, kind: str, percent: float) -> str:
    """Returns a number over a bar of that many percent, in the colour of `kind`: static, motion or fused."""
    return f'<span class="meter {kind}" style="--share:{percent:g}%">{number(cell)}</span>'


def embedded_json(name: str, value: object) -> str:
    """Returns data for the script. Nothing in it can end the element: every `<` is written as an escape of JSON."""
    data = json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", r"\u003c")
    return f'<script type="application/json" id="{name}">{data}</script>\n'


def data_url(kind: str, data: bytes) -> str:
    """Returns a file as an address that holds the file itself."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def scrolling(content: str, name: str, kind: str = "") -> str:
    """Returns a box that scrolls; it takes the keyboard's focus, or only a mouse could scroll it."""
    css_class = f"scroll {kind}".rstrip()
    return f'<div class="{css_class}" role="group" tabindex="0" aria-label="{text(name)}">{content}</div>'


def table(
    source: tables.Table, best: str = "", kind: str = "", sortable: bool = True, decorate: Decoration | None = None
) -> str:
    """Returns a table in a card, with headers for columns and rows.

    Args:
        source: The table.
        best: First cell of the row to highlight; "" for none.
        kind: CSS class of the table.
        sortable: Lets the script sort it by a click on a header.
        decorate: Returns the HTML of the cells that hold numbers, in place of `number`.
    """
    decorate = decorate or (lambda _, cell: number(cell))
    words = [' class="words"' if column < source.text_columns else "" for column in range(len(source.header))]
    head = "".join(
        f'<th scope="col"{css}>{unbroken(title)}</th>' for css, title in zip(words, source.header, strict=True)
    )
    rows = []
    for name, *values in source.rows:
        cells = (
            f"<td{words[i]}>{breakable(value) if words[i] else decorate(i, value)}</td>"
            for i, value in enumerate(values, start=1)
        )
        mark = ' class="best"' if best and name == best else ""
        rows.append(f'<tr{mark}><th scope="row" class="words">{breakable(name)}</th>{"".join(cells)}</tr>\n')
    caption = f"<caption><span>{text(source.caption)}</span></caption>" if source.caption else ""
    attributes = (f' class="{kind}"' if kind else "") + (" data-sortable" if sortable and len(rows) > 1 else "")
    content = f"<table{attributes}>{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody></table>"
    name = source.caption or f"Table: {', '.join(source.header)}"
    return f'<div class="card">{scrolling(content, name, "long" if len(rows) > _LONG else "")}</div>\n'


def filtered(content: str, noun: str, label: str, choices: str = "") -> str:
    """Returns content whose rows or cards a search box filters; the script shows the box and counts what is left.

    Args:
        content: HTML with the rows of a table or elements with `data-text`, the words to search in.
        noun: What is counted, such as "classes".
        label: Label of the search box.
        choices: HTML of a further control, a select whose values `data-kind` of the elements takes; "" for none.
    """
    return (
        f'<div data-filter="{text(noun)}"><div class="tools" hidden>'
        f'<label>{text(label)} <input type="search" autocomplete="off" spellcheck="false"></label>{choices}'
        f"<output></output></div>\n{content}</div>\n"
    )
