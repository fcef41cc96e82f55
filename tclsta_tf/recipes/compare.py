"""Finished runs side by side, on the videos that all of them were tested on."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tclsta_tf.evaluation import intervals
from tclsta_tf.recipes import results
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.reports import tables
from tfrecords_tools import storage


@dataclasses.dataclass(frozen=True)
class _Tested:
    """What a run, or an experiment of several runs, showed on its test videos.

    Attributes:
        name: of its folder.
        saved: its metrics.json.
        right: row -> (split, id) -> share of its trainings that have the video right.
        is_multi_label: whether a video has several classes or none.
    """

    name: str
    saved: dict[str, Any]
    right: dict[str, dict[tuple[str, str], float]]
    is_multi_label: bool


def compare(workdirs: Sequence[storage.AnyPath], rows: Sequence[str] = ()) -> list[tables.Table]:
    """Compares runs with the first of them.

    Args:
        workdirs: two or more working folders that were evaluated, or their folders of a report with another name.
        rows: names of the rows that are wanted; none for all that the runs share.

    Returns:
        What their settings differ in, their accuracy by row, and how each differs from the first.

    Raises:
        ValueError: a run was not evaluated, the runs were tested on different videos, or share no wanted row.
    """
    if len(workdirs) < 2:
        raise ValueError(f"compare needs two or more working folders. Received: {len(workdirs)}")
    runs = [_read(workdir, name) for workdir, name in zip(workdirs, _short_names(workdirs), strict=True)]
    first, *others = runs
    shared = [row for row in tables.order_names(first.right) if all(row in of.right for of in runs)]
    if unknown := [row for row in rows if row not in shared]:
        raise ValueError(f"--rows must be among {', '.join(shared)}. Received: {unknown[0]}")
    videos = list(first.right[shared[0]]) if shared else []
    for other in others:
        theirs = other.right[shared[0]].keys() if shared else set()
        if theirs != set(videos):
            raise ValueError(
                f"{first.name} and {other.name} were tested on different videos: {len(videos)} and {len(theirs)}, "
                f"{len(theirs & set(videos))} of them in both. Only runs on the same split can be compared"
            )
    if not shared:
        raise ValueError(f"{', '.join(of.name for of in runs)} share no row")
    shared = list(rows) or shared
    return [*_settings(runs), _accuracies(runs, shared), _differences(first, others, shared, videos)]


def _short_names(workdirs: Sequence[storage.AnyPath]) -> list[str]:
    """The last parts of the paths, as many as tell them apart."""
    paths = [str(workdir).rstrip("/").split("/") for workdir in workdirs]
    for length in range(1, max(map(len, paths)) + 1):
        names = ["/".join(path[-length:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise ValueError(f"compare needs different working folders. Received: {', '.join(map(str, workdirs))}")


def _read(workdir: storage.AnyPath, name: str) -> _Tested:
    folder = workdir if (workdir / results.METRICS_FILE).exists() else workdir / run_lib.REPORT
    saved = results.read_metrics(folder)
    members = [folder.parent / member / folder.name for member in saved.get("members", [])] or [folder]
    seen: dict[str, dict[tuple[str, str], list[float]]] = {}
    is_multi_label = False
    for member in members:
        split = results.read_metrics(member)["split"]
        found = results.read_scores(member)
        labelled = found.videos.truth.any(axis=1)
        is_multi_label |= found.videos.is_multi_label
        for row in [row for row in found.rows if row in saved["results"]]:  # which every member has
            of_row = seen.setdefault(row, {})
            for video, right in zip(found.videos.ids[labelled], found.right(row)[labelled], strict=True):
                of_row.setdefault((split, str(video)), []).append(float(right))
    means = {row: {video: float(np.mean(values)) for video, values in of.items()} for row, of in seen.items()}
    return _Tested(name, saved, means, is_multi_label)


def _settings(runs: Sequence[_Tested]) -> list[tables.Table]:
    """The flags that differ; no table where none does."""
    flags = [
        {f"{group}.{name}": value for group, values in of.saved["flags"].items() for name, value in values.items()}
        for of in runs
    ]
    names = dict.fromkeys(name for of in flags for name in of)
    rows = tuple(
        (name, *(str(of.get(name, "-")) for of in flags))
        for name in names
        if len({str(of.get(name)) for of in flags}) > 1
    )
    header = ("setting", *(of.name for of in runs))
    return [tables.Table(header, rows, caption="Settings that differ", text_columns=len(header))] if rows else []


def _accuracies(runs: Sequence[_Tested], rows: Sequence[str]) -> tables.Table:
    is_multi_label = any(of.is_multi_label for of in runs)
    metric = "mean_average_precision" if is_multi_label else "overall_accuracy"
    lines = []
    for row in rows:
        cells = []
        for of in runs:
            cell = f"{100 * of.saved['results'][row][metric]:.1f}"
            if ends := of.saved["intervals"][row].get(metric):
                cell += f" [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]"
            spread = of.saved.get("deviations", {}).get(row, {}).get(metric)
            cells.append(cell if spread is None else f"{cell} ± {100 * spread:.1f}")
        lines.append((row, *cells))
    what = "Mean average precision" if is_multi_label else "Overall accuracy"
    caption = f"{what} in percent, with 95 % intervals over videos"
    return tables.Table(("variant", *(of.name for of in runs)), tuple(lines), caption=caption)


def _differences(
    first: _Tested, others: Sequence[_Tested], rows: Sequence[str], videos: Sequence[tuple[str, str]]
) -> tables.Table:
    lines = []
    ids = [video for _, video in videos]  # one that several splits test is one video
    for other in others:
        for row in rows:
            reference, right = (np.array([of.right[row][video] for video in videos]) for of in (first, other))
            lines.append((other.name, row, *comparison_cells(intervals.compare(reference, right, ids))))
    header = ("run", "variant", *COMPARISON_HEADER)
    caption = (
        f"Difference to {first.name} in points of overall accuracy, with 95 % intervals over the {len(videos)} videos; "
        "better or worse where the interval excludes 0, else undecided; videos lost and gained; p of McNemar's exact "
        "test, each by itself"
    )
    return tables.Table(header, tuple(lines), caption=caption, text_columns=2)


COMPARISON_HEADER = ("points", "95 % interval", "verdict", "lost", "gained", "p")
"""Titles of what `comparison_cells` gives."""


def comparison_cells(found: intervals.Comparison) -> tuple[str, ...]:
    """A comparison as the cells of a table."""
    low, high = found.interval
    return (
        f"{100 * found.difference:+.1f}",
        f"{100 * low:+.1f} to {100 * high:+.1f}",
        found.verdict,
        str(found.only_first),
        str(found.only_second),
        "-" if found.p_value is None else f"{found.p_value:.2g}",
    )


def comparison_table(comparisons: Mapping[tuple[str, str], intervals.Comparison]) -> tables.Table:
    """What each part adds: one line for each pair of rows."""
    lines = tuple((second, first, *comparison_cells(found)) for (first, second), found in comparisons.items())
    header = ("variant", "against", *COMPARISON_HEADER)
    caption = (
        "What each part adds: points of overall accuracy on the same videos, with 95 % intervals; better or worse "
        "where the interval excludes 0, else undecided; videos lost and gained; p of McNemar's exact test, each by "
        "itself"
    )
    return tables.Table(header, lines, caption=caption, text_columns=2)
