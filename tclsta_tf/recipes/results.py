"""What an evaluation leaves in `<workdir>/report/`: metrics.json, and the scores of every row in scores.npz."""

import dataclasses
import io
import json
import zipfile
from typing import Any

import numpy as np

from tclsta_tf.evaluation import metrics
from tclsta_tf.recipes import scores
from tfrecords_tools import manifest, storage

METRICS_FILE = "metrics.json"
SCORES_FILE = "scores.npz"


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores of every row for every test video.

    Attributes:
        videos: the test videos.
        classes: names of the C classes.
        rows: row name of metrics.json -> float [n, C].
    """

    videos: scores.Videos
    classes: tuple[str, ...]
    rows: dict[str, np.ndarray]

    def right(self, row: str) -> np.ndarray:
        """Which videos a row has right, bool [n]; of those that have a class."""
        return metrics.is_right(self.rows[row], self.videos.truth)


def write_scores(file: storage.AnyPath, found: Scores) -> None:
    """Writes an .npz file: `scores` float32 [rows, n, C] and the names of `rows`, `ids`, `groups` and `classes`."""
    data = io.BytesIO()
    np.savez_compressed(
        data,
        ids=found.videos.ids,
        labels=found.videos.labels,
        truth=found.videos.truth,
        groups=found.videos.groups,
        classes=np.array(found.classes, str),
        rows=np.array(list(found.rows), str),
        scores=np.stack(list(found.rows.values())).astype(np.float32),
    )
    with storage.created(file) as partial:
        partial.write_bytes(data.getvalue())


def read_scores(folder: storage.AnyPath) -> Scores:
    """Inverse of `write_scores`.

    Raises:
        ValueError: the file is missing or no such file.
    """
    file = folder / SCORES_FILE
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as held:
            videos = scores.Videos(*(held[name] for name in ("ids", "labels", "truth", "groups")))
            rows = dict(zip(held["rows"].tolist(), held["scores"], strict=True))
            return Scores(videos, tuple(held["classes"].tolist()), rows)
    except FileNotFoundError as error:
        raise ValueError(f"{file} does not exist: run `python -m tclsta_tf.evaluate` first") from error
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{file} is damaged: run `python -m tclsta_tf.evaluate` again") from error


def write_metrics(folder: storage.AnyPath, values: dict[str, Any]) -> None:
    """Writes metrics.json."""
    manifest.write_atomically(folder / METRICS_FILE, json.dumps(values, indent=1) + "\n")


def read_metrics(folder: storage.AnyPath) -> dict[str, Any]:
    """Reads metrics.json.

    Raises:
        ValueError: the file is missing or damaged.
    """
    file = folder / METRICS_FILE
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{file} does not exist: run `python -m tclsta_tf.evaluate` first") from error
    except ValueError as error:
        raise ValueError(f"{file} is damaged: run `python -m tclsta_tf.evaluate` again") from error
    if not isinstance(values, dict) or "results" not in values:
        raise ValueError(f"{file} holds no `results`: run `python -m tclsta_tf.evaluate` again")
    return values
