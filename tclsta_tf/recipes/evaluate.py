"""Opens the test part once and measures every variant that the run has trained."""

import dataclasses
import datetime
import itertools
import json
import os
import subprocess
from collections.abc import Collection
from typing import Any

import numpy as np

from tclsta_tf import config
from tclsta_tf.evaluation import intervals as intervals_lib
from tclsta_tf.evaluation import metrics
from tclsta_tf.models import two_stream
from tclsta_tf.recipes import extract, fusion, identity, results, train_collaborative
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.recipes import scores as scores_lib
from tfrecords_tools import manifest

STREAM_ROWS = {"static": "frame", "motion": "flow"}
_SUFFIX = {"none": "", "sa": "+SA", "ta": "+TA", "sta": "+STA"}
_SPEED_FILE = "speed.json"
_ROWS = (*STREAM_ROWS.values(), "two-stream")


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What the test part showed.

    Attributes:
        videos: the test videos.
        scores: row name of metrics.json -> float [n, C].
        network: outputs of the collaborative network, see `train_collaborative.run_network`.
        results: row name -> figures of merit.
        intervals: row name -> metric -> ends of its 95 % interval.
        comparisons: (row, row) -> how the second differs from the first.
        fusion_weights: float [C, 2], those of the final row: static, motion.
        final_row: name of the row of the whole method.
    """

    videos: scores_lib.Videos
    scores: dict[str, np.ndarray]
    network: dict[str, np.ndarray]
    results: dict[str, dict[str, float | int]]
    intervals: dict[str, dict[str, tuple[float, float]]]
    comparisons: dict[tuple[str, str], intervals_lib.Comparison]
    fusion_weights: np.ndarray
    final_row: str

    @property
    def labels(self) -> np.ndarray:
        """The classes of the videos, as `metrics` takes them: int [n], or bool [n, C] where one has several or none."""
        return self.videos.truth if self.videos.is_multi_label else self.videos.labels


def row_name(row: str, attention: str) -> str:
    """Name of a row of Table VI, e.g. `frame+STA`."""
    return row + _SUFFIX[attention]


def final_row(run: run_lib.Run, rows: Collection[str]) -> str:
    """Name of the row of the whole method, among the rows of an evaluation: the release network has no TCLSTA."""
    return "TCLSTA" if "TCLSTA" in rows else row_name("two-stream", run.config.stream.attention) + "+CLN"


def evaluate(run: run_lib.Run) -> Evaluation:
    """Measures all variants on the test part; writes metrics.json and scores.npz to `<workdir>/report/`.

    Fusion is learned on videos of the training part first, so nothing is chosen by what the test part shows.
    """
    for part in config.PARTS:
        identity.verify(run, part)
    learned = fusion.learn_fusion(run)
    with run_lib.open_test_part():
        reads = note_test_part_read(run, "evaluate")
        evaluation = measure(run, learned)
    run.report_dir.mkdir(parents=True, exist_ok=True)
    saved = results.Scores(evaluation.videos, tuple(run.labels), evaluation.scores)
    results.write_scores(run.report_dir / results.SCORES_FILE, saved)
    values = {
        "dataset": run.manifest.dataset,
        "split": run.config.data.split,
        "seed": run.config.device.seed,
        "num_classes": len(run.labels),
        "num_test_videos": len(evaluation.videos),
        "protocol": scores_lib.protocol(run),
        "git_revision": git_revision(),
        "inputs": inputs_digest(run),
        "test_part_reads": reads,
        "flags": run.config.to_json(),
        "results": evaluation.results,
        "intervals": evaluation.intervals,
        "comparisons": comparisons_to_json(evaluation.comparisons),
        "fusion_weights": {
            label: pair.tolist() for label, pair in zip(run.labels, evaluation.fusion_weights, strict=True)
        },
        "fusion": learned.to_json(),
        "collaborative_convergence": _convergence(evaluation.network),
        "speed": speed(run),
    }
    results.write_metrics(run.report_dir, values)
    return evaluation


def _convergence(network: dict[str, np.ndarray]) -> list[float]:
    """Mean over the videos of the largest change of a weight, in each round of Algorithm 1."""
    return network["convergence"].mean(axis=0).tolist() if "convergence" in network else []


def comparisons_to_json(comparisons: dict[tuple[str, str], intervals_lib.Comparison]) -> list[dict[str, Any]]:
    """Comparisons as they stand in metrics.json."""
    return [
        {"first": first, "second": second, **dataclasses.asdict(found)}
        for (first, second), found in comparisons.items()
    ]


def measure(run: run_lib.Run, learned: fusion.Fusion) -> Evaluation:
    """Scores every variant on every test video; the test part must be open.

    Args:
        run: trained.
        learned: from `fusion.learn_fusion`.
    """
    scores: dict[str, np.ndarray] = {}
    for attention in config.ATTENTION_VARIANTS:
        variant = run.variant(attention)
        if not all(variant.model_file(stream).exists() for stream in config.STREAMS):
            continue
        for stream, row in STREAM_ROWS.items():
            extract.extract(variant, stream, (run_lib.TEST,))
            scores[row_name(row, attention)] = scores_lib.stream_scores(variant, stream, run_lib.TEST)
        pair = [scores[row_name(row, attention)] for row in STREAM_ROWS.values()]
        scores[row_name("two-stream", attention)] = np.mean(pair, axis=0)
    attention = run.config.stream.attention
    full = row_name("two-stream", attention)
    network = train_collaborative.run_network(run, run_lib.TEST)
    scores[f"{full}+CLN"] = np.asarray(two_stream.merged_scores(network))
    streams = [scores[row_name(row, attention)] for row in STREAM_ROWS.values()]
    fused = fusion.fuse_streams(run, learned, *streams)
    scores[f"{full}+AWL"] = fused["fusion/awl"]
    if learned.heads is not None:
        scores[f"{full}+CLN+AWL"] = scores["TCLSTA"] = fusion.fuse_heads(learned, network)
    scores.update(fused)
    videos = scores_lib.videos(run, run_lib.TEST)
    measured = Evaluation(
        videos=videos,
        scores=scores,
        network=network,
        results={},
        intervals={},
        comparisons={},
        fusion_weights=learned.final_weights,
        final_row=final_row(run, scores),
    )
    labels = measured.labels
    return dataclasses.replace(
        measured,
        results={name: metrics.summarise(values, labels) for name, values in scores.items()},
        intervals={name: intervals_lib.bootstrap_metrics(values, labels) for name, values in scores.items()},
        comparisons=_compare(scores, labels, full),
    )


def _compare(
    scores: dict[str, np.ndarray], labels: np.ndarray, full: str
) -> dict[tuple[str, str], intervals_lib.Comparison]:
    """Compares what the paper's tables claim: each part with what it is added to, each fusion with late fusion."""
    pairs = [
        *((row_name(row, a), row_name(row, b)) for row in _ROWS for a, b in itertools.combinations(_SUFFIX, 2)
          if (a, b) != ("sa", "ta")),
        *((row + full.removeprefix("two-stream"), full) for row in STREAM_ROWS.values()),
        *((full, full + part) for part in ("+CLN", "+AWL", "+CLN+AWL")),
        *(("fusion/late", name) for name in scores if name.startswith("fusion/") and name != "fusion/late"),
    ]  # fmt: skip
    right = {name: metrics.is_right(values, labels) for name, values in scores.items()}
    return {
        (first, second): intervals_lib.compare(right[first], right[second])
        for first, second in pairs
        if first in scores and second in scores
    }


def inputs_digest(run: run_lib.Run) -> str:
    """Tells whether an evaluation would say the same again: a hash of models, settings, records, speeds and code."""
    variants = [run.variant(attention) for attention in config.ATTENTION_VARIANTS]
    files = [variant.model_file(stream) for variant in variants for stream in config.STREAMS]
    files += [run.model_file("collaborative"), run.workdir / _SPEED_FILE]
    settings = {"config": run.config.to_json(), "shards": [shard.sha256 for shard in run.manifest.shards]}
    pieces = (file.read_bytes() if file.exists() else b"" for file in files)
    return run_lib.digest([json.dumps(settings).encode(), git_revision().encode(), *pieces])


def note_test_part_read(run: run_lib.Run, reader: str) -> int:
    """Adds a line about a command to `<workdir>/test_part_reads.txt`; returns how many there are."""
    file = run.workdir / "test_part_reads.txt"
    lines = file.read_text(encoding="utf-8") if file.exists() else ""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    lines += f"{now} {reader}, code revision {git_revision()}\n"
    manifest.write_atomically(file, lines)
    return lines.count("\n")


def git_revision() -> str:
    """The commit of the code, "unknown" outside a checkout."""
    here = os.path.dirname(os.path.abspath(__file__))
    command = ["git", "-C", here, "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def speed(run: run_lib.Run) -> dict[str, Any]:
    """Seconds that each step took, and frames per second of each part where they were measured."""
    found = {}
    for name, file in (("seconds", "timing.json"), ("frames_per_second", _SPEED_FILE)):
        if (run.workdir / file).exists():
            found[name] = json.loads((run.workdir / file).read_text())
    return found
