"""Score files: what a stream, or any other program, says about videos, as .npz or CSV.

An .npz file has the keys `scores` float [n, C], and as far as they are known `ids` [n], `labels` [n] (class indices, or
names where `classes` is there), `groups` [n] and `classes` [C]. Several variants of the same videos fit into one file,
as `scores` [rows, n, C] with their names under `rows`, or as one key `scores/NAME` for each; `file.npz:NAME` picks one.

A CSV file has a header `id,label,group,CLASS,CLASS,...`, where `label` and `group` may be left out, and one line per
video; a label is the name of a class or its index.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from tclsta_tf.data import score_csv, score_npz
from tfrecords_tools import storage, suggestions

SUFFIXES = (".npz", ".csv")


@dataclasses.dataclass(frozen=True)
class ScoreFile:
    """Scores of videos and what is known of these.

    Attributes:
        scores: float [n, C], finite.
        labels: int32 [n], true classes in [0, C), or None.
        ids: str [n], all different, or None.
        groups: str [n], or None.
        classes: C different names, or None.
        name: What errors call it.
    """

    scores: np.ndarray
    labels: np.ndarray | None = None
    ids: np.ndarray | None = None
    groups: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    name: str = "scores"

    def __post_init__(self) -> None:
        shape = self.scores.shape
        if len(shape) != 2 or 0 in shape or self.scores.dtype.kind not in "fiu":
            raise ValueError(
                f"{self.name}: expected numbers of shape [videos, classes] under `scores`, at least one of each; "
                f"found shape {shape}, dtype {self.scores.dtype}"
            )
        bad = np.argwhere(~np.isfinite(self.scores))
        if bad.size:
            row, column = (int(index) for index in bad[0])
            raise ValueError(
                f"{self.name}: scores must be finite numbers; found {self.scores[row, column]} for "
                f"{self._video(row)}, {self._class(column)}, and {len(bad) - 1} more such values"
            )
        for key in ("labels", "ids", "groups"):
            values = getattr(self, key)
            if values is not None and values.shape != shape[:1]:
                raise ValueError(
                    f"{self.name}: expected one value per video under `{key}`, {shape[0]}; found shape {values.shape}"
                )
        if self.classes is not None and len(self.classes) != shape[1]:
            raise ValueError(
                f"{self.name}: expected one name per column of `scores` under `classes`, {shape[1]}; "
                f"found {len(self.classes)}"
            )
        for key, names in (("class", self.classes), ("id", self.ids)):
            if names is not None and len(set(names)) < len(names):
                raise ValueError(f"{self.name}: the {key} {_first_repeated(names)!r} is there more than once")
        if self.labels is not None:
            wrong = np.flatnonzero((self.labels < 0) | (self.labels >= shape[1]))
            if wrong.size:
                raise ValueError(
                    f"{self.name}: labels must lie in [0, {shape[1]}), the number of classes; found "
                    f"{self.labels[wrong[0]]} for {self._video(int(wrong[0]))}. Is the first class 1? It must be 0"
                )

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, or their numbers as text where they have no names."""
        return self.classes or tuple(str(index) for index in range(self.scores.shape[1]))

    def probabilities(self, logits: bool = False) -> "ScoreFile":
        """Returns the file with scores in [0, 1] as float64.

        Args:
            logits: Whether the scores are logits, of which the softmax is taken.

        Raises:
            ValueError: Without `logits`, where a score lies outside [0, 1].
        """
        scores = self.scores.astype(np.float64)
        if logits:
            return dataclasses.replace(self, scores=special.softmax(scores, axis=1))
        bad = np.argwhere((scores < 0) | (scores > 1 + 1e-6))
        if bad.size:
            row, column = (int(index) for index in bad[0])
            raise ValueError(
                f"{self.name}: scores must lie in [0, 1]; found {scores[row, column]:g} for {self._video(row)}, "
                f"{self._class(column)}. If these are logits, say so with --logits, and their softmax is taken"
            )
        return dataclasses.replace(self, scores=scores)

    def _video(self, row: int) -> str:
        return f"video {str(self.ids[row])!r}" if self.ids is not None else f"row {row}"

    def _class(self, column: int) -> str:
        return f"class {self.classes[column]!r}" if self.classes is not None else f"column {column}"


def load(text: str) -> ScoreFile:
    """Reads a score file.

    Args:
        text: Path of an .npz or .csv file, also on remote storage; `PATH.npz:ROW` for one of several rows.

    Returns:
        The scores as they stand there.

    Raises:
        ValueError: Where the file is not as the module's docstring says; one line that names the place.
        OSError: Where there is no such file or it cannot be read.
    """
    location, row = text, ""
    position = text.lower().rfind(".npz:")
    if position >= 0:
        location, row = text[: position + 4], text[position + 5 :]
    path = storage.path(location)
    suffix = Path(location).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{location}: expected a file that ends in {' or '.join(SUFFIXES)}")
    if not path.exists():
        raise FileNotFoundError(f"{location} does not exist.{suggestions.for_path(location)}")
    with storage.staged(path) as local:
        if local.is_dir():
            raise ValueError(f"{location} is a folder; expected a file of scores")
        if local.stat().st_size == 0:
            raise ValueError(f"{location} is empty")
        if suffix == ".csv":
            return ScoreFile(**score_csv.read(local, location), name=location)
        return ScoreFile(**score_npz.read(local, location, row), name=text)


def save(path: storage.AnyPath, file: ScoreFile) -> None:
    """Writes a score file; it appears under its name only when it is whole.

    Args:
        path: Ends in .npz, or in .csv, which needs ids.
        file: What to write.

    Raises:
        ValueError: For another suffix, or a CSV file without ids.
    """
    suffix = Path(path.name).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"`path` must end in {' or '.join(SUFFIXES)}. Received: path={path}")
    if suffix == ".csv" and file.ids is None:
        raise ValueError(f"{path}: a CSV file needs ids, which {file.name} has not; write .npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    with storage.created(path) as partial:
        if suffix == ".csv":
            labels = None if file.labels is None else [file.class_names[label] for label in file.labels]
            columns = {"id": file.ids, "label": labels, "group": file.groups}
            score_csv.write(partial, columns, file.class_names, file.scores)
            return
        optional = {"labels": file.labels, "ids": file.ids, "groups": file.groups, "classes": file.classes}
        arrays = {key: np.asarray(value) for key, value in optional.items() if value is not None}
        with partial.open("wb") as stream:
            np.savez_compressed(stream, scores=file.scores, **arrays)


def align(reference: ScoreFile, other: ScoreFile) -> tuple[ScoreFile, ScoreFile]:
    """Brings two files of the same videos into one order, that of the first, and gives each what only one knows.

    Videos are matched by id, classes by name. Without ids in both files rows are matched by their place, without
    names columns by theirs.

    Args:
        reference: Stays in its order.
        other: Is reordered.

    Returns:
        Both, with the same ids, labels, groups and classes.

    Raises:
        ValueError: Where videos, classes, labels or groups do not agree; names the first that does not.
    """
    other = reorder_classes(other, reference)
    names = f"{reference.name} and {other.name}"
    if (reference.ids is None) != (other.ids is None):
        without, with_ids = (reference, other) if reference.ids is None else (other, reference)
        raise ValueError(
            f"{without.name} has no ids and {with_ids.name} has; videos cannot be matched. Add `ids` to the first"
        )
    if reference.ids is None or other.ids is None:
        if len(reference.scores) != len(other.scores):
            raise ValueError(
                f"{names} must hold the same videos; found {len(reference.scores)} and {len(other.scores)}, "
                "without ids to match them by"
            )
    else:
        for ours, theirs in ((reference, other), (other, reference)):
            missing = sorted(set(ours.ids.tolist()) - set(theirs.ids.tolist()))  # type: ignore[union-attr]
            if missing:
                raise ValueError(
                    f"{names} must hold the same videos; {missing[0]!r} is in {ours.name} only, "
                    f"as are {len(missing) - 1} more"
                )
        places = {video: row for row, video in enumerate(other.ids.tolist())}
        order = np.array([places[video] for video in reference.ids.tolist()])
        other = dataclasses.replace(
            other,
            scores=other.scores[order],
            labels=None if other.labels is None else other.labels[order],
            ids=other.ids[order],
            groups=None if other.groups is None else other.groups[order],
        )
    shared: dict[str, Any] = {"classes": reference.classes or other.classes}
    for key in ("labels", "groups"):
        ours, theirs = getattr(reference, key), getattr(other, key)
        if ours is not None and theirs is not None and (ours != theirs).any():
            row = int(np.flatnonzero(ours != theirs)[0])
            raise ValueError(
                f"{names} must agree on `{key}`; found {ours[row].item()!r} and {theirs[row].item()!r} for "
                f"{reference._video(row)}"
            )
        shared[key] = theirs if ours is None else ours
    return dataclasses.replace(reference, **shared), dataclasses.replace(other, **shared)


def reorder_classes(file: ScoreFile, like: ScoreFile) -> ScoreFile:
    """Returns `file` with its classes in the order of `like`; unchanged where either does not name them.

    Raises:
        ValueError: Where they have different numbers of classes, or different names.
    """
    if file.scores.shape[1] != like.scores.shape[1]:
        raise ValueError(
            f"{like.name} and {file.name} must hold the same classes; "
            f"found {like.scores.shape[1]} and {file.scores.shape[1]}"
        )
    if file.classes is None or like.classes is None or file.classes == like.classes:
        return file
    for ours, theirs in ((like, file), (file, like)):
        missing = [name for name in ours.classes or () if name not in (theirs.classes or ())]
        if missing:
            raise ValueError(
                f"{like.name} and {file.name} must hold the same classes; {missing[0]!r} is in {ours.name} only, "
                f"as are {len(missing) - 1} more"
            )
    order = np.array([file.classes.index(name) for name in like.classes])
    labels = None if file.labels is None else np.argsort(order)[file.labels].astype(np.int32)
    return dataclasses.replace(file, scores=file.scores[:, order], labels=labels, classes=like.classes)


def _first_repeated(names: Sequence[str] | np.ndarray) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return str(name)
        seen.add(name)
    return ""
