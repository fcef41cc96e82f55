"""Answers as text for people, JSON lines and CSV."""

import csv
import io
import json
from typing import Any

import numpy as np

from tclsta_tf.prediction import answer

_FOR_PICTURES = "spatial_attention"


class Writer:
    """Turns answers into lines.

    Args:
        form: `text`, `json` or `csv`.
        labels: class names in index order.
        top: classes shown.
    """

    def __init__(self, form: str, labels: tuple[str, ...], top: int) -> None:
        self._form = form
        self._labels = labels
        self._top = top

    def header(self) -> str:
        """The line that a CSV file begins with; nothing in other formats."""
        return _csv_line(["path", "start", "end", "label", "score", *self._labels]) if self._form == "csv" else ""

    def video(self, prediction: answer.Prediction, with_timeline: bool = True) -> str:
        """All lines of a video, each ended.

        Args:
            prediction: its answer.
            with_timeline: tells the steps too where the answer has them; CSV then has a row for each step instead of
                one for the video.
        """
        line = prediction.timeline if with_timeline else None
        steps = [] if line is None else list(zip(line.starts, line.ends, line.scores, strict=True))
        path = str(prediction.path)
        if self._form == "json":
            extra = {"timeline": [self._step(*step) for step in steps]} if steps else {}
            return _json_line(self._as_json(prediction) | extra)
        if self._form == "csv":
            rows = steps or [(0.0, prediction.seconds, prediction.scores)]
            return "".join(self._row(path, *row) for row in rows)
        best = [f"  {score:6.3f}  {label}" for label, score in prediction.top(self._top)]
        shown = [self._moment(*step) for step in steps]
        return "".join(f"{text}\n" for text in (path, *best, *shown))

    def moment(self, name: str, start: float, end: float, scores: np.ndarray) -> str:
        """The line of one step of a camera called `name`."""
        if self._form == "json":
            return _json_line({"path": name, **self._step(start, end, scores)})
        if self._form == "csv":
            return self._row(name, start, end, scores)
        return f"{self._moment(start, end, scores)}\n"

    def mean(self, name: str, seconds: float, scores: np.ndarray) -> str:
        """What is said of a camera at the end: the mean of all its windows; nothing in CSV, which has all of them."""
        best = answer.best(self._labels, scores, self._top)
        if self._form == "json":
            values = {
                "path": name,
                "whole_video": "mean of windows",
                **self._best(scores),
                "scores": dict(zip(self._labels, scores.tolist(), strict=True)),
                "seconds_of_video": seconds,
            }
            return _json_line(values)
        if self._form == "csv":
            return ""
        lines = [f"{name}, mean of the windows of {seconds:.1f} s"]
        return "".join(f"{line}\n" for line in [*lines, *(f"  {score:6.3f}  {label}" for label, score in best)])

    def _best(self, scores: np.ndarray) -> dict[str, Any]:
        best = answer.best(self._labels, scores, self._top)
        top = [{"label": label, "score": score} for label, score in best]
        return {"label": best[0][0], "score": best[0][1], "top": top}

    def _step(self, start: float, end: float, scores: np.ndarray) -> dict[str, Any]:
        return {"start": round(float(start), 6), "end": round(float(end), 6), **self._best(scores)}

    def _moment(self, start: float, end: float, scores: np.ndarray) -> str:
        best = answer.best(self._labels, scores, min(self._top, 3))
        times = f"{_clock(start)} - {_clock(end)}"
        return f"  {times}  " + "  ".join(f"{score:6.3f} {label}" for label, score in best)

    def _row(self, path: str, start: float, end: float, scores: np.ndarray) -> str:
        ((label, score),) = answer.best(self._labels, scores, 1)
        return _csv_line([path, f"{start:.3f}", f"{end:.3f}", label, *(f"{x:.6f}" for x in (score, *scores))])

    def _as_json(self, prediction: answer.Prediction) -> dict[str, Any]:
        outputs = {name: value for name, value in prediction.outputs.items() if not name.endswith(_FOR_PICTURES)}
        return {
            "path": str(prediction.path),
            **self._best(prediction.scores),
            "scores": dict(zip(prediction.labels, prediction.scores.tolist(), strict=True)),
            "num_frames": prediction.num_frames,
            "frame_rate": prediction.frame_rate,
            "seconds_of_video": prediction.seconds,
            "seconds": prediction.timestamps.tolist(),
            **{name: value.tolist() for name, value in outputs.items()},
        }


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(float(seconds), 1), 60)
    return f"{int(minutes):3d}:{rest:04.1f}"


def _json_line(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"


def _csv_line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
