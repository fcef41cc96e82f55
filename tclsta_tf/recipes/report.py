"""Turns evaluations into what people look at: tables, pictures, the page."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.evaluation import metrics
from tclsta_tf.recipes import compare, evaluate, pictures, protocol, results, scores
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.reports import explorers, html, paper, tables
from tclsta_tf.training import summaries
from tfrecords_tools import storage

_TABLES_FILE = "tables.txt"
_NOTES = {"static": "static stream", "motion": "motion stream"}


def evaluate_and_report(run: run_lib.Run, keep_equal: bool = False) -> None:
    """Evaluates the run and writes metrics.json, scores.npz, index.html, tables and pictures to `<workdir>/report`.

    Args:
        run: trained.
        keep_equal: where the report was made of the very same models, settings and code, leave it.
    """
    if keep_equal and (run.report_dir / _TABLES_FILE).exists():
        if results.read_metrics(run.report_dir).get("inputs") == evaluate.inputs_digest(run):
            return
    # Without its tables a report is not finished: one that is broken off from here on is made anew.
    for old in storage.entries(run.report_dir, _TABLES_FILE):
        tf.io.gfile.remove(str(old))
    evaluation = evaluate.evaluate(run)
    with run_lib.open_test_part():
        page, further = _page(run, evaluation)
    _write(run.report_dir, page, further, _tables(run, evaluation), evaluation.results)


def report_members(run: run_lib.Run, members: protocol.Members) -> None:
    """Writes the common report of an experiment to `<workdir>/report`; its members must be evaluated."""
    common = protocol.combine(members)
    first = next(iter(members.runs.values()))
    saved = next(iter(common.saved.values()))
    is_multi_label = common.videos.is_multi_label
    shown = _shown(common.results, is_multi_label)
    what = _describe_members(members)
    deviations = common.deviations if len(members.runs) > 1 else None
    note = f"; ± is the standard deviation over {_spread(members)}" if deviations else ""
    caption = f"{first.manifest.dataset}, {what}{note}"
    overview = tables.accuracy_table(shown, deviations, caption=caption, intervals=common.intervals)
    speeds = _mean_speed([of.get("speed", {}).get("frames_per_second", {}) for of in common.saved.values()])
    made = {
        "results": overview,
        **_paper_tables(first, shown, common.intervals, deviations, speeds),
        "members": _members_table(members, common),
        "comparisons": compare.comparison_table(common.comparisons),
    }
    final = evaluate.final_row(first, common.results)
    confusion = metrics.confusion_matrix(common.scores[final], common.videos.truth)
    weights = np.mean([list(of["fusion_weights"].values()) for of in common.saved.values()], axis=0)
    evaluation = evaluate.Evaluation(
        videos=common.videos,
        scores=common.scores,
        network={},
        results=common.results,
        intervals=common.intervals,
        comparisons=common.comparisons,
        fusion_weights=weights,
        final_row=final,
    )
    classes = pictures.class_rows(first, evaluation)
    page = html.Report(
        title=f"TCLSTA on {first.manifest.dataset}, {what}",
        subtitle=(
            f"{len(common.videos)} test videos in all, {len(first.labels)} classes. "
            f"{scores.describe_protocol(saved['protocol'])}"
        ),
        headlines=_headlines(first, evaluation),
        tables=[table for name, table in made.items() if name != "comparisons"],
        best=final,
        confusion=explorers.Confusion(first.labels, confusion),
        confused=_confused(first, confusion),
        classes=classes,
        measure=_measure(evaluation),
        sections=[
            html.Section("What each part adds", tables=[made["comparisons"]]),
            html.Section("Classes", pictures=pictures.class_charts(classes, not is_multi_label)),
        ],
        configuration=_configuration(run),
        footer=f"code revision {evaluate.git_revision()}",
    )
    values = {
        "dataset": first.manifest.dataset,
        "splits": members.all_splits,
        "seeds": members.all_seeds,
        "members": [members.folders[key] for key in members.runs],
        "num_classes": len(first.labels),
        "num_test_videos": len(common.videos),
        "protocol": saved["protocol"],
        "git_revision": evaluate.git_revision(),
        "flags": run.config.to_json(),
        "results": common.results,
        "deviations": deviations or {},
        "intervals": common.intervals,
        "comparisons": evaluate.comparisons_to_json(common.comparisons),
        "fusion_weights": dict(zip(first.labels, weights.tolist(), strict=True)),
        "speed": {"frames_per_second": speeds},
    }
    run.report_dir.mkdir(parents=True, exist_ok=True)
    results.write_metrics(run.report_dir, values)
    _write(run.report_dir, page, [pictures.confusion_chart(first.labels, confusion)], made, common.results)


def read_tables(run: run_lib.Run, all_of_them: bool = False) -> str:
    """The tables of the run's report as text: that of the results, or all."""
    text = (run.report_dir / _TABLES_FILE).read_text(encoding="utf-8").rstrip()
    return text if all_of_them else text.partition("\n\n")[0]


def _page(run: run_lib.Run, evaluation: evaluate.Evaluation) -> tuple[html.Report, list[html.Picture]]:
    """The page of one run, and further pictures that are written beside it only."""
    confusion = metrics.confusion_matrix(evaluation.scores[evaluation.final_row], evaluation.labels)
    classes = pictures.class_rows(run, evaluation)
    charts = pictures.class_charts(classes, not evaluation.videos.is_multi_label)
    page = html.Report(
        title=f"TCLSTA on {run.manifest.dataset}, split {run.config.data.split}",
        subtitle=(
            f"{len(evaluation.videos)} test videos, {len(run.labels)} classes. "
            f"{scores.describe_protocol(scores.protocol(run))}"
        ),
        headlines=_headlines(run, evaluation),
        intervals=evaluation.intervals,
        **_page_tables(run, evaluation),
        confusion=explorers.Confusion(run.labels, confusion),
        confused=_confused(run, confusion),
        classes=classes,
        measure=_measure(evaluation),
        examples=pictures.examples(run, evaluation),
        sections=[
            html.Section("What each part adds", tables=[compare.comparison_table(evaluation.comparisons)]),
            html.Section("Attention", text=pictures.attention_rule(), pictures=pictures.attention(run, evaluation)),
            html.Section("Classes", pictures=charts),
            html.Section("Training", pictures=pictures.training_curves(run)),
            *_rounds(evaluation),
        ],
        configuration=_configuration(run),
        footer=f"code revision {evaluate.git_revision()}",
    )
    return page, [pictures.confusion_chart(run.labels, confusion)]


def _page_tables(run: run_lib.Run, evaluation: evaluate.Evaluation) -> dict[str, Any]:
    """Tables VI to IX and what goes beyond them where every attention variant was trained, else all rows in one."""
    shown = _shown(evaluation.results, evaluation.videos.is_multi_label)
    if not all(evaluate.row_name("frame", attention) in shown for attention in config.ATTENTION_VARIANTS):
        return {"results": shown, "best": evaluation.final_row}
    made = [table for name, table in _tables(run, evaluation).items() if name.startswith("table_")]
    beyond = {row: values for row, values in shown.items() if row not in tables.ROW_ORDER}
    if beyond:
        caption = "Further ways to fuse the streams; in brackets: 95 % interval"
        made.append(tables.accuracy_table(beyond, caption=caption, intervals=evaluation.intervals))
    return {"tables": made, "best": evaluation.final_row.replace("TCLSTA", "two-stream+STA+CLN+AWL")}


def _rounds(evaluation: evaluate.Evaluation) -> list[html.Section]:
    """How far the rounds of collaborative learning were from a fixed point; nothing of the release network."""
    if "convergence" not in evaluation.network:
        return []
    rows = tuple(
        (str(number), f"{changes.mean():.2g}", f"{np.quantile(changes, 0.95):.2g}", f"{changes.max():.2g}")
        for number, changes in enumerate(evaluation.network["convergence"].T, start=1)
    )
    caption = "Largest change of a collaborative weight in each round of Algorithm 1, over the test videos"
    table = tables.Table(("round", "mean", "95 % of videos below", "largest"), rows, caption=caption)
    text = "Each stream's weights sum to 1 over the frames. Small changes in the last round mean that it has converged."
    return [html.Section("Rounds", text=text, tables=[table])]


def _tables(run: run_lib.Run, evaluation: evaluate.Evaluation) -> dict[str, tables.Table]:
    """Name of a file -> table; the first holds every row."""
    shown = _shown(evaluation.results, evaluation.videos.is_multi_label)
    caption = f"{run.manifest.dataset}, split {run.config.data.split}: {len(evaluation.videos)} test videos"
    speed = evaluate.speed(run).get("frames_per_second", {})
    return {
        "results": tables.accuracy_table(shown, caption=caption),
        **_paper_tables(run, shown, evaluation.intervals, None, speed),
        "comparisons": compare.comparison_table(evaluation.comparisons),
    }


def _paper_tables(
    run: run_lib.Run,
    shown: Mapping[str, Mapping[str, float | int]],
    ends: Mapping[str, Mapping[str, tuple[float, float]]],
    deviations: Mapping[str, Mapping[str, float]] | None,
    speed: Mapping[str, float],
) -> dict[str, tables.Table]:
    dataset = run.manifest.dataset
    if paper.NUM_CLASSES.get(dataset) != len(run.labels):
        dataset = ""  # some of its classes, or another set in its layout
    made = tables.paper_tables(shown, dataset, ends, deviations, speed)
    return {table.caption.split(":")[0].lower().replace(" ", "_"): table for table in made}


def _shown(found: Mapping[str, dict[str, float | int]], is_multi_label: bool) -> dict[str, dict[str, float | int]]:
    """The measures that tables show: where videos have several classes or none, the mean average precision."""
    names = (*tables.MULTI_LABEL_METRICS, "num_videos") if is_multi_label else (*tables.METRICS, "num_videos")
    return {row: {name: values[name] for name in names} for row, values in found.items()}


def _measure(evaluation: evaluate.Evaluation) -> str:
    return "average precision" if evaluation.videos.is_multi_label else "accuracy"


def _headlines(run: run_lib.Run, evaluation: evaluate.Evaluation) -> list[html.Headline]:
    attention = run.config.stream.attention
    metric = "mean_average_precision" if evaluation.videos.is_multi_label else "overall_accuracy"
    rows = {
        evaluation.final_row: "the whole method",
        evaluate.row_name("two-stream", attention): "mean of both streams",
        **{evaluate.row_name(row, attention): _NOTES[stream] for stream, row in evaluate.STREAM_ROWS.items()},
    }
    shown = []
    for row, note in rows.items():
        ends = evaluation.intervals.get(row, {}).get(metric)
        interval = f"; 95 % interval {100 * ends[0]:.1f} to {100 * ends[1]:.1f} %" if ends else ""
        shown.append(html.Headline(row, f"{100 * evaluation.results[row][metric]:.1f} %", note + interval))
    return shown


def _confused(run: run_lib.Run, confusion: np.ndarray) -> list[tuple[str, str, int, float]]:
    return [
        (run.labels[pair.true_class], run.labels[pair.predicted_class], pair.count, pair.share)
        for pair in metrics.most_confused_pairs(confusion)
    ]


def _configuration(run: run_lib.Run) -> dict[str, object]:
    return {
        f"{group}.{name}": value for group, values in run.config.to_json().items() for name, value in values.items()
    }


def _describe_members(members: protocol.Members) -> str:
    splits, seeds = members.all_splits, members.all_seeds
    if members.by_group:
        what = f"{len(splits)} groups left out in turn" if len(splits) > 1 else f"group {splits[0]} left out"
    else:
        what = f"splits {', '.join(splits)}" if len(splits) > 1 else f"split {splits[0]}"
    return f"{what}, {len(seeds)} seeds" if len(seeds) > 1 else what


def _spread(members: protocol.Members) -> str:
    return f"{len(members.all_seeds)} seeds" if len(members.all_seeds) > 1 else f"{len(members.all_splits)} splits"


def _mean_speed(speeds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean time of a frame over the runs, as a rate; nothing where one of them was not timed."""
    return {part: len(speeds) / sum(1 / of[part] for of in speeds) for part in speeds[0]} if all(speeds) else {}


def _members_table(members: protocol.Members, common: protocol.Common) -> tables.Table:
    rows = list(common.results)
    lines = tuple(
        (
            split,
            str(seed),
            *(f"{100 * common.saved[split, seed]['results'][row]['overall_accuracy']:.1f}" for row in rows),
        )
        for split, seed in members.runs
    )
    caption = "Overall accuracy of each run, percent"
    return tables.Table(("split", "seed", *rows), lines, caption=caption, text_columns=2)


def _write(
    folder: storage.AnyPath,
    page: html.Report,
    further: Sequence[html.Picture],
    made: Mapping[str, tables.Table],
    rows: Mapping[str, Mapping[str, float | int]],
) -> None:
    """Writes page, pictures, tables and TensorBoard's events."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = [*further, *(picture for section in page.sections for picture in section.pictures)]
    for picture in shown:
        _write_file(folder / f"{_file_name(picture.title)}.png", picture.png)
    _write_events(folder, page, shown, rows)
    _write_file(folder / "index.html", html.render(page).encode())
    for name, table in made.items():
        _write_file(folder / f"{name}.csv", table.to_csv().encode())
    _write_file(folder / "tables.md", "\n".join(table.to_markdown() for table in made.values()).encode())
    text = "\n".join(table.to_text() for table in made.values())
    _write_file(folder / _TABLES_FILE, text.encode())  # last: what a later run looks for


def _write_events(
    folder: storage.AnyPath,
    page: html.Report,
    shown: Sequence[html.Picture],
    rows: Mapping[str, Mapping[str, float | int]],
) -> None:
    """The same figures for TensorBoard, instead of those of an earlier evaluation."""
    logs = folder / "logs"
    for old in storage.entries(logs, "events*"):
        tf.io.gfile.remove(str(old))
    board = summaries.Summaries(str(logs), page.subtitle)
    for picture in shown:
        board.write_image(0, f"report/{picture.title}", picture.png)
    board.write(0, {f"report/{row}/{name}": value for row, of in rows.items() for name, value in of.items()})
    board.close()


def _file_name(title: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in title.lower())


def _write_file(path: storage.AnyPath, data: bytes) -> None:
    with storage.created(path) as partial:
        partial.write_bytes(data)
