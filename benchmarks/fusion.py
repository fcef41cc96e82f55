"""Seconds and memory of every fusion at the size of UCF101: 101 classes, 9,537 videos to fit on and 3,783 to fuse.

python -m benchmarks.fusion
python -m benchmarks.fusion --methods=mkl,early

Scores and features are synthetic: softmax scores of streams that know some classes better than others, and rectified
2,048-dimensional features around a mean per class. Each method runs in a fresh process, which makes its data, fits,
fuses the 3,783 videos and reports the seconds of that without the making. Memory is that of the process and all that
it started, shared pages counted once, looked at every tenth of a second.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np
import psutil
from absl import app, flags
from scipy import special

from tclsta_tf.evaluation import metrics
from tclsta_tf.fusion import adaptive_weights, cross_validation, early_svm, multiple_kernel, score_fusion
from tclsta_tf.reports import tables

CLASSES, FIT, TEST, DIMENSIONS = 101, 9537, 3783, 2048
METHODS = ("data", "evaluate", "late-grid", "awl-lp", "awl-regularised", "mkl", "mkl-p1.1", "early", "early-5-costs")

_METHODS = flags.DEFINE_list("methods", list(METHODS), "Methods to run.")
_IN_THIS_PROCESS = flags.DEFINE_string("in_this_process", None, "Runs one method here and prints JSON (internal).")


def main(argv: Sequence[str]) -> None:
    """Runs every method in a process of its own and prints a table."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    if _IN_THIS_PROCESS.value:
        print(json.dumps(measure(_IN_THIS_PROCESS.value)))
        return
    rows = []
    for method in _METHODS.value:
        command = [sys.executable, "-m", "benchmarks.fusion", f"--in_this_process={method}"]
        running, peak = subprocess.Popen(command, stdout=subprocess.PIPE, text=True), 0
        while running.poll() is None:
            peak = max(peak, _memory(running.pid))
            time.sleep(0.1)
        if running.returncode:
            raise subprocess.CalledProcessError(running.returncode, command)
        found = json.loads(running.communicate()[0].splitlines()[-1])
        accuracy = f"{100 * found['accuracy']:.1f}" if found["accuracy"] else "-"
        rows.append((method, f"{found['seconds']:.1f}", f"{peak / 1e9:.2f}", accuracy, found["note"]))
        print(*rows[-1], flush=True)
    print(tables.Table(("method", "seconds", "peak GB", "accuracy %", "note"), tuple(rows)).to_markdown())


def measure(method: str) -> dict[str, float | str]:
    """Runs one method; the seconds are without making the data."""
    fit_labels, test_labels = _labels(0, FIT), _labels(1, TEST)
    if method.startswith("early"):
        fit, test = _features(2, fit_labels), _features(3, test_labels)
    else:
        fit, test = _scores(2, fit_labels), _scores(3, test_labels)
    groups = np.arange(FIT) // 5
    start, note, scores = time.perf_counter(), "", None
    if method == "evaluate":
        for _ in range(20):
            metrics.summarise(score_fusion.late_fusion(*test), test_labels)
        note = "20 rows of a table"
    elif method == "late-grid":
        pair = cross_validation.choose_late_weights(*fit, fit_labels)
        scores, note = score_fusion.late_fusion(*test, pair), f"{pair[0]:.2f}:{pair[1]:.2f}"
    elif method.startswith("awl"):
        chosen = cross_validation.choose_adaptive(
            *fit, fit_labels, groups, method.removeprefix("awl-"),
            cross_validation.TRADE_OFFS, cross_validation.FLOORS, cross_validation.STRENGTHS,
        )  # fmt: skip
        scores = adaptive_weights.fuse_adaptive(*test, chosen.fit(*fit, fit_labels))
        note = f"lambda {chosen.trade_off:g}, floor {chosen.floor:g}, strength {chosen.strength:g}"
    elif method.startswith("mkl"):
        norm = float(method.removeprefix("mkl-p") if method != "mkl" else multiple_kernel.NORM)
        machine = multiple_kernel.fit_multiple_kernels(*fit, fit_labels, norm=norm)
        scores = machine.scores(*test)
        note = f"{len(machine.rows)} videos, {machine.iterations.mean():.1f} SVMs a class"
    elif method.startswith("early"):
        costs = (0.01, 0.1, 1.0, 10.0, 100.0) if method == "early-5-costs" else (1.0,)
        held_out = (*_features(4, _labels(5, 1000)), _labels(5, 1000)) if len(costs) > 1 else None
        start = time.perf_counter()
        svm = early_svm.fit_early(*fit, fit_labels, CLASSES, costs, held_out)
        scores, note = svm.scores(*test), f"C {svm.cost:g}"
    seconds = time.perf_counter() - start
    accuracy = 0.0 if scores is None else float(metrics.summarise(scores, test_labels)["overall_accuracy"])
    return {"seconds": seconds, "accuracy": accuracy, "note": note}


def _memory(pid: int) -> int:
    """Bytes that a process and its descendants hold at this moment."""
    total = 0
    try:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            total += one.memory_full_info().pss
    except psutil.Error:  # one of them has just ended
        pass
    return total


def _labels(seed: int, num_videos: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, CLASSES, num_videos)


def _scores(seed: int, labels: np.ndarray) -> list[np.ndarray]:
    quality = np.random.default_rng(10).normal(3, 1, (2, CLASSES))
    rng, result = np.random.default_rng(seed), []
    for stream in quality:
        logits = rng.normal(size=(len(labels), CLASSES))
        logits[np.arange(len(labels)), labels] += stream[labels]
        result.append(special.softmax(2 * logits, axis=1).astype(np.float32))
    return result


def _features(seed: int, labels: np.ndarray) -> list[np.ndarray]:
    rng, result = np.random.default_rng(seed), []
    for stream in range(2):
        means = 0.15 * np.random.default_rng(20 + stream).normal(size=(CLASSES, DIMENSIONS)).astype(np.float32)
        noise = rng.standard_normal((len(labels), DIMENSIONS), np.float32)
        result.append(np.maximum(means[labels] + noise - 0.5, 0))
    return result


if __name__ == "__main__":
    app.run(main)
