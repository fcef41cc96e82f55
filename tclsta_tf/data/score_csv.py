"""Reads and writes scores as CSV; `score_files` says what stands in it."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def read(local: Path, location: str) -> dict[str, Any]:
    """Reads what a CSV file says.

    Args:
        local: The file.
        location: What errors call it.

    Returns:
        `scores` float64 [n, C], finite; `labels` int32 [n] in [0, C), `ids` and `groups` str [n], `classes` tuple of
        str; None for those that are not there.

    Raises:
        ValueError: Where the file cannot be read or a line is not as the header has it.
    """
    try:
        with local.open(encoding="utf-8-sig", newline="") as stream:
            return _parse(csv.reader(stream, strict=True), location)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{location} is not a CSV file in UTF-8: {error}") from error


def write(
    local: Path, columns: Mapping[str, Sequence[str] | np.ndarray | None], classes: Sequence[str], scores: np.ndarray
) -> None:
    """Writes a CSV file that `read` reads back to the same numbers.

    Args:
        local: The file.
        columns: "id", "label" and "group" of each video; None leaves a column out.
        classes: Names of the columns of scores.
        scores: float [n, C].
    """
    known = {key: values for key, values in columns.items() if values is not None}
    with local.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*known, *classes])
        for *cells, numbers in zip(*known.values(), scores.tolist(), strict=True):
            writer.writerow([*cells, *map(repr, numbers)])


def _parse(reader: Any, location: str) -> dict[str, Any]:
    header = [cell.strip() for cell in next(reader, [])]
    known = ["id", *(key for key in ("label", "group") if key in header[1:3])]
    if header[: len(known)] != known or len(header) == len(known):
        found = ",".join(header[:6])
        raise ValueError(
            f"{location}, line 1: expected the header id,label,group,CLASS,... (label and group may be left out); "
            f"found {found[:80]!r}"
        )
    classes = header[len(known) :]
    if "" in classes:
        raise ValueError(f"{location}, line 1: the class in column {header.index('') + 1} has no name")
    places = {name: index for index, name in enumerate(classes)}
    columns: dict[str, list] = {key: [] for key in known}
    scores = []
    for cells in reader:
        if not cells:
            continue
        line = f"{location}, line {reader.line_num}"
        if len(cells) != len(header):
            raise ValueError(f"{line}: expected {len(header)} cells, as in the header; found {len(cells)}")
        for key, cell in zip(known, cells, strict=False):
            columns[key].append(_label(cell.strip(), places, line) if key == "label" else cell.strip())
        try:
            numbers = [float(cell) for cell in cells[len(known) :]]
        except ValueError:
            _complain_of_cell(cells[len(known) :], classes, line)
        if not np.isfinite(numbers).all():
            column = int(np.flatnonzero(~np.isfinite(numbers))[0])
            raise ValueError(f"{line}: scores must be finite numbers; found {numbers[column]} for {classes[column]!r}")
        scores.append(numbers)
    if not scores:
        raise ValueError(f"{location} has a header and no videos")
    return {
        "scores": np.array(scores),
        "labels": np.array(columns["label"], np.int32) if "label" in columns else None,
        "ids": np.array(columns["id"], str),
        "groups": np.array(columns["group"], str) if "group" in columns else None,
        "classes": tuple(classes),
    }


def _label(cell: str, places: dict[str, int], line: str) -> int:
    if cell in places:
        return places[cell]
    if cell.isdecimal() and int(cell) < len(places):
        return int(cell)
    raise ValueError(
        f"{line}: the label {cell!r} is neither a class of the header nor an index below {len(places)}"
        + ("; leave out the column where labels are not known" if not cell else "")
    )


def _complain_of_cell(cells: Sequence[str], classes: Sequence[str], line: str) -> None:
    for cell, name in zip(cells, classes, strict=True):
        try:
            float(cell)
        except ValueError:
            raise ValueError(f"{line}: expected a number for {name!r}; found {cell!r}") from None
