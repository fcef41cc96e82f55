"""Prints the README's tables of real clips as Markdown, from an experiment over several seeds with the ablation.

python -m benchmarks.jhmdb21_tables --workdir=study
"""

from collections.abc import Sequence

import numpy as np
from absl import app, flags

from tclsta_tf import flags as run_flags
from tclsta_tf.recipes import protocol
from tclsta_tf.recipes import run as run_lib

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the finished experiment.", required=True)
_STREAMS = ("frame", "flow", "two-stream")
_FULL = "two-stream+STA"
_FUSIONS = {  # row -> what it is called, and what it is compared with
    f"{_FULL}+CLN": ("+CLN", _FULL),
    f"{_FULL}+AWL": ("+AWL", _FULL),
    "TCLSTA": ("+CLN+AWL: TCLSTA", _FULL),
    "fusion/early": ("early fusion", "fusion/late"),
    "fusion/mkl": ("multiple kernel learning", "fusion/late"),
    "fusion/awl-lp": ("adaptive weights by linear programme, as printed", "fusion/late"),
    "fusion/late-1:1.5": ("1:1.5 for flow", "fusion/late"),
}


def main(argv: Sequence[str]) -> None:
    """Prints the tables, and the figures of the text beside them."""
    del argv
    run = run_lib.Run(**run_flags.arguments_of(_WORKDIR.value))
    members = protocol.load(run)
    if members is None:
        raise app.UsageError(f"{_WORKDIR.value} is no experiment over seeds: make it with --seeds=0,1,2 --ablation")
    common = protocol.combine(members)
    needed = ["frame", "flow", _FULL, *_FUSIONS]
    if missing := [row for row in needed if row not in common.results]:
        raise app.UsageError(f"{_WORKDIR.value} has no row {missing[0]}: run the experiment with --ablation")

    def accuracy(row: str) -> str:
        mean, spread = (100 * of[row]["overall_accuracy"] for of in (common.results, common.deviations))
        low, high = (100 * end for end in common.intervals[row]["overall_accuracy"])
        return f"{mean:.1f} ± {spread:.1f} [{low:.1f}, {high:.1f}]"

    def difference(first: str, second: str) -> str:
        found = common.comparisons[first, second]
        low, high = (100 * end for end in found.interval)
        return f"{100 * found.difference:+.1f} [{low:+.1f}, {high:+.1f}], {found.verdict}"

    def line(*cells: str) -> None:
        print(f"| {' | '.join(cells)} |".replace("|  |", "| |"))

    line("attention (Table VI)", *_STREAMS)
    line(*["---"] * 4)
    for name, suffix in (("none", ""), *((part, part) for part in ("+SA", "+TA", "+STA"))):
        line(name, *(accuracy(stream + suffix) for stream in _STREAMS))
    line("+STA minus none", *(difference(stream, f"{stream}+STA") for stream in _STREAMS))
    print()
    line("with +STA on both streams (Tables VII, VIII)", "accuracy", "minus the streams' mean")
    line(*["---"] * 3)
    line("the streams' mean, 1:1", accuracy(_FULL), "")
    for row, (name, rival) in _FUSIONS.items():
        line(name, accuracy(row), difference(rival, row))
    print()
    for first in ("frame+STA", "flow+STA"):
        print(f"{_FULL} minus {first}: {difference(first, _FULL)}")
    chosen = common.scores["TCLSTA"].argmax(axis=1)
    for label, name in enumerate(run.labels):
        own = common.videos.labels == label
        print(f"{name}: {np.sum(own & (chosen == label))} of {np.sum(own)}")


if __name__ == "__main__":
    app.run(main)
