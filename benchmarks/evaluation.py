"""Measures figures of merit, intervals, comparisons and the report at UCF101's size, on synthetic scores.

python -m benchmarks.evaluation

101 classes, 13,320 test videos, the 22 rows of a whole ablation; prints seconds, the page's size, the peak of memory.
"""

import resource
import time

import numpy as np
from scipy import special

from tclsta_tf import config
from tclsta_tf.evaluation import intervals, metrics
from tclsta_tf.recipes import evaluate
from tclsta_tf.reports import explorers, figures, html, tables

CLASSES, VIDEOS = 101, 13320


def main() -> None:
    """Runs the benchmark."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, VIDEOS)
    names = [evaluate.row_name(row, a) for row in ("frame", "flow", "two-stream") for a in config.ATTENTION_VARIANTS]
    names += [row for row in tables.ROW_ORDER if row not in names] + ["fusion/late-1:1.5", "fusion/late-grid"]
    own = labels[:, np.newaxis] == np.arange(CLASSES)
    scores = {name: special.softmax(3 * rng.normal(size=own.shape) + 6 * own, axis=1) for name in names}
    start = time.perf_counter()

    def lap(what: str) -> None:
        nonlocal start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{what:36}{time.perf_counter() - start:7.1f} s   peak {peak:.2f} GB")
        start = time.perf_counter()

    results = {name: metrics.summarise(values, labels) for name, values in scores.items()}
    lap(f"figures of merit of {len(names)} rows")
    ends = {name: intervals.bootstrap_metrics(values, labels) for name, values in scores.items()}
    lap("intervals")
    right = {name: metrics.is_right(values, labels) for name, values in scores.items()}
    for name in names:
        intervals.compare(right["frame"], right[name])
    lap("comparisons")
    truth = metrics.truth_of(labels, CLASSES).copy()
    truth[rng.random(VIDEOS) < 0.1] = False
    intervals.bootstrap_metrics(scores["frame"], truth)
    lap("intervals of one multi-label row")
    confusion = metrics.confusion_matrix(scores["TCLSTA"], labels)
    classes = [f"class_{index}" for index in range(CLASSES)]
    accuracy = metrics.per_class_accuracy(scores["TCLSTA"], labels)
    rows = [
        explorers.ClassRow(name, 130, accuracy[j], accuracy[j], accuracy[j], 0.5, 0.5) for j, name in enumerate(classes)
    ]
    picture = html.Picture(
        "Confusion matrix", figures.to_png(figures.confusion_matrix(confusion, classes)), alt="matrix"
    )
    page = html.render(
        html.Report(
            "Report",
            results=results,
            intervals=ends,
            tables=tables.paper_tables(results, "ucf101", ends),
            confusion=explorers.Confusion(classes, confusion),
            classes=rows,
            sections=[html.Section("Classes", pictures=[picture])],
        )
    )
    lap(f"page of {len(page) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
