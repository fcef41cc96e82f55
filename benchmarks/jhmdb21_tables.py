r"""Prints the README's tables of real clips as Markdown, from what each seed of the study answered on the test videos.

python -m benchmarks.jhmdb21_tables --workdir=study --answers_dir=benchmarks/jhmdb21

first writes seed-0.csv and so on there, one file for each seed of an experiment with --seeds and --ablation; without
--workdir it takes the files that are there. So seeds that were trained on different machines can be put together.
"""

import csv
import pathlib
from collections.abc import Sequence

import numpy as np
from absl import app, flags

from tclsta_tf import flags as run_flags
from tclsta_tf.evaluation import intervals
from tclsta_tf.recipes import protocol, results
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.reports import tables

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a finished experiment, whose answers are added.")
_ANSWERS_DIR = flags.DEFINE_string("answers_dir", None, "Folder of the answers, seed-0.csv and so on.", required=True)
_STREAMS = ("frame", "flow", "two-stream")
_ATTENTIONS = ("", "+SA", "+TA", "+STA")
_FULL = "two-stream+STA"
_FUSIONS = {  # row -> what it is called, and what it is compared with
    _FULL: ("the streams' mean, 1:1", ""),
    f"{_FULL}+CLN": ("+CLN", _FULL),
    f"{_FULL}+AWL": ("+AWL", _FULL),
    "TCLSTA": ("+CLN+AWL: TCLSTA", _FULL),
    "fusion/early": ("early fusion", "fusion/late"),
    "fusion/mkl": ("multiple kernel learning", "fusion/late"),
    "fusion/awl-lp": ("adaptive weights by linear programme, as printed", "fusion/late"),
    "fusion/late-1:1.5": ("1:1.5 for flow", "fusion/late"),
}
_VIDEO, _CLASS = "video", "class"


def main(argv: Sequence[str]) -> None:
    """Adds the answers of an experiment, then prints the tables over all seeds."""
    del argv
    folder = pathlib.Path(_ANSWERS_DIR.value)
    if _WORKDIR.value:
        _add_answers(run_lib.Run(**run_flags.arguments_of(_WORKDIR.value)), folder)
    files = sorted(folder.glob("seed-*.csv"))
    if not files:
        raise app.UsageError(f"{folder} holds no seed-*.csv: give --workdir too")
    seeds = [_read_answers(file) for file in files]
    if any(seed[column] != seeds[0][column] for seed in seeds for column in (_VIDEO, _CLASS)):
        raise app.UsageError(f"the files of {folder} are not about the same videos")
    print(f"{', '.join(file.stem for file in files)}, {len(seeds[0][_VIDEO])} videos\n")
    _print_tables(seeds)


def _add_answers(run: run_lib.Run, folder: pathlib.Path) -> None:
    """Writes the class that each row of each seed gives to each test video."""
    members = protocol.load(run)
    if members is None:
        raise app.UsageError(f"{run.workdir} is no experiment over seeds: make it with --seeds=0,1,2 --ablation")
    folder.mkdir(parents=True, exist_ok=True)
    for (_, seed), member in members.runs.items():
        found = results.read_scores(member.report_dir)
        classes = np.array(found.classes)
        columns = {
            _VIDEO: found.videos.ids,
            _CLASS: classes[found.videos.labels],
            **{row: classes[scores.argmax(axis=1)] for row, scores in found.rows.items()},
        }
        with (folder / f"seed-{seed}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))


def _read_answers(file: pathlib.Path) -> dict[str, list[str]]:
    """Name of a column -> its cells."""
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: [row[name] for row in rows] for name in rows[0]}


def _print_tables(seeds: Sequence[dict[str, list[str]]]) -> None:
    truth = np.array(seeds[0][_CLASS])
    needed = [*(stream + attention for stream in _STREAMS for attention in _ATTENTIONS), *_FUSIONS, "fusion/late"]
    if missing := [row for row in needed if any(row not in seed for seed in seeds)]:
        raise app.UsageError(f"some seed has no row {missing[0]}: run the experiment with --ablation")

    def right(row: str) -> np.ndarray:
        """Which seed has which video right, float [seeds, n]."""
        return np.array([np.array(seed[row]) == truth for seed in seeds], float)

    def accuracy(row: str) -> str:
        by_seed = 100 * right(row).mean(axis=1)
        spread = f" ± {by_seed.std(ddof=1):.1f}" if len(seeds) > 1 else ""
        low, high = (100 * end for end in intervals.bootstrap(right(row).mean(axis=0)))
        return f"{by_seed.mean():.1f}{spread} [{low:.1f}, {high:.1f}]"

    def difference(first: str, second: str) -> str:
        found = intervals.compare(right(first).mean(axis=0), right(second).mean(axis=0))
        low, high = (100 * end for end in found.interval)
        return f"{100 * found.difference:+.1f} [{low:+.1f}, {high:+.1f}], {found.verdict}"

    attentions = [
        (attention or "none", *(accuracy(stream + attention) for stream in _STREAMS)) for attention in _ATTENTIONS
    ]
    attentions.append(("+STA minus none", *(difference(stream, f"{stream}+STA") for stream in _STREAMS)))
    fusions = [
        (name, accuracy(row), difference(rival, row) if rival else "") for row, (name, rival) in _FUSIONS.items()
    ]
    for header, rows in (
        (("attention (Table VI)", *_STREAMS), attentions),
        (("with +STA on both streams (Tables VII, VIII)", "accuracy", "minus the streams' mean"), fusions),
    ):
        print(tables.Table(header, tuple(rows), text_columns=len(header)).to_markdown())
    for first in ("frame+STA", "flow+STA"):
        print(f"{_FULL} minus {first}: {difference(first, _FULL)}")
    print("TCLSTA, videos of a class that are right, mean of the seeds:")
    of_video = right("TCLSTA").mean(axis=0)
    for name in sorted(np.unique(truth), key=lambda name: of_video[truth == name].mean()):
        print(f"  {name}: {of_video[truth == name].sum():.1f} of {(truth == name).sum()}")


if __name__ == "__main__":
    app.run(main)
