"""Opens the test part once and measures every variant that the run has trained."""

import dataclasses
import json
import os
import subprocess

import numpy as np

from tclsta_tf import config
from tclsta_tf.data import features
from tclsta_tf.evaluation import metrics
from tclsta_tf.fusion import adaptive_weights, score_fusion
from tclsta_tf.models import two_stream
from tclsta_tf.recipes import fusion, train_collaborative
from tclsta_tf.recipes import run as run_lib
from tfrecords_tools import manifest

STREAM_ROWS = {"static": "frame", "motion": "flow"}
_SUFFIX = {"none": "", "sa": "+SA", "ta": "+TA", "sta": "+STA"}


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What the test part showed.

    Attributes:
        scores: row name of metrics.json -> float [n, C].
        labels: int [n], true classes.
        results: row name -> figures of merit.
        fusion_weights: float [C, 2], those of the final row: static, motion.
        final_row: name of the row of the whole method.
    """

    scores: dict[str, np.ndarray]
    labels: np.ndarray
    results: dict[str, dict[str, float | int]]
    fusion_weights: np.ndarray
    final_row: str


def row_name(row: str, attention: str) -> str:
    """Name of a row of Table VI, e.g. `frame+STA`."""
    return row + _SUFFIX[attention]


def evaluate(run: run_lib.Run) -> Evaluation:
    """Measures all variants on the test part and writes `<workdir>/report/metrics.json`.

    Fusion weights are learned from the validation part first, so nothing is chosen by what the test part shows.
    """
    for part in config.PARTS:
        run.verify(part)
    weights = fusion.learn_fusion(run)
    scores, labels = test_scores(run, weights)
    evaluation = Evaluation(
        scores=scores,
        labels=labels,
        results={name: metrics.summarise(values, labels) for name, values in scores.items()},
        fusion_weights=weights.get("heads", weights["streams"]),
        final_row="TCLSTA" if "TCLSTA" in scores else f"{row_name('two-stream', run.config.stream.attention)}+CLN",
    )
    values = {
        "dataset": run.manifest.dataset,
        "split": run.config.data.split,
        "num_classes": len(run.labels),
        "num_test_videos": len(labels),
        "git_revision": git_revision(),
        "flags": run.config.to_json(),
        "results": evaluation.results,
        "fusion_weights": {
            label: pair.tolist() for label, pair in zip(run.labels, evaluation.fusion_weights, strict=True)
        },
        "speed": _speed(run),
    }
    run.report_dir.mkdir(parents=True, exist_ok=True)
    manifest.write_atomically(run.report_dir / "metrics.json", json.dumps(values, indent=1) + "\n")
    return evaluation


def test_scores(run: run_lib.Run, weights: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Scores of every variant for every test video.

    Args:
        run: trained, with features of the test part.
        weights: from `fusion.learn_fusion`.

    Returns:
        Row name of metrics.json -> float [n, C], and the true classes int [n].
    """
    scores: dict[str, np.ndarray] = {}
    for attention in config.ATTENTION_VARIANTS:
        variant = run.variant(attention)
        files = {stream: variant.feature_file(stream, run_lib.TEST) for stream in config.STREAMS}
        if not all(file.exists() for file in files.values()):
            continue
        read = {stream: features.read(file) for stream, file in files.items()}
        for stream, row in STREAM_ROWS.items():
            scores[row_name(row, attention)] = read[stream]["scores"]
        late = score_fusion.late_fusion(read["static"]["scores"], read["motion"]["scores"])
        scores[row_name("two-stream", attention)] = late
        if variant is run:
            labels, static, motion = read["static"]["labels"], read["static"]["scores"], read["motion"]["scores"]
    full = row_name("two-stream", run.config.stream.attention)
    adaptive = adaptive_weights.fuse_adaptive(static, motion, weights["streams"])
    collaborative = train_collaborative.run_network(run, run_lib.TEST)
    scores[f"{full}+CLN"] = np.asarray(two_stream.merged_scores(collaborative))
    scores[f"{full}+AWL"] = adaptive
    if "heads" in weights:
        heads = (collaborative["static_scores"], collaborative["motion_scores"])
        both = adaptive_weights.fuse_adaptive(*heads, weights["heads"])
        scores[f"{full}+CLN+AWL"] = scores["TCLSTA"] = both
    scores["fusion/late"] = scores[full]
    scores["fusion/awl"] = adaptive
    return scores, labels


def git_revision() -> str:
    """The commit of the code, "unknown" outside a checkout."""
    here = os.path.dirname(os.path.abspath(__file__))
    command = ["git", "-C", here, "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _speed(run: run_lib.Run) -> dict[str, object]:
    file = run.workdir / "timing.json"
    return {"seconds": json.loads(file.read_text())} if file.exists() else {}
