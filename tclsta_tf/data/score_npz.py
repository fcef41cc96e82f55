"""Reads scores from an .npz file; `score_files` says what stands in it."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfrecords_tools import suggestions

_READ_ERRORS = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


def read(local: Path, location: str, row: str) -> dict[str, Any]:
    """Reads what an .npz file says.

    Args:
        local: The file.
        location: What errors call it.
        row: Name of one of several rows of scores; "" for the only one.

    Returns:
        `scores` as they stand there, `labels` int32 [n], `ids` and `groups` str [n], `classes` tuple of str; None for
        those that are not there. Shapes and values are not checked.

    Raises:
        ValueError: Where the file cannot be read, or lacks scores, or the row.
    """
    with local.open("rb") as stream:  # numpy leaves a file of its own open where it fails
        try:
            archive = np.load(stream, allow_pickle=False)
        except _READ_ERRORS as error:
            raise ValueError(f"{location} is not an .npz file, or is damaged: {error}") from error
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError(f"{location} is one array (.npy); expected an .npz file with the key `scores`")
        keys = archive.files

        def array(key: str) -> np.ndarray | None:
            if key not in keys:
                return None
            try:
                return np.asarray(archive[key])
            except _READ_ERRORS as error:
                if "pickle" in str(error) or "Object arrays" in str(error):
                    raise ValueError(
                        f"{location}: `{key}` holds Python objects, which are not read; save it as an array of "
                        "numbers or of text, e.g. np.array(values, dtype=str)"
                    ) from error
                raise ValueError(f"{location}: `{key}` cannot be read; the file is damaged: {error}") from error

        stacked = [key.removeprefix("scores/") for key in keys if key.startswith("scores/")]
        row_names = array("rows")
        if row_names is not None:
            rows = _texts(row_names, location, "rows").tolist()
            scores = array("scores")
            if scores is None or scores.ndim != 3 or len(scores) != len(rows):
                found = "no such key" if scores is None else f"shape {scores.shape}"
                raise ValueError(
                    f"{location}: expected `scores` of shape [rows, videos, classes] for {len(rows)} `rows`; "
                    f"found {found}"
                )
            scores = scores[_pick(row, rows, location)]
        elif stacked:
            scores = array(f"scores/{stacked[_pick(row, stacked, location)]}")
        elif row:
            raise ValueError(f"{location} holds one row of scores and no names of rows; leave out {':' + row!r}")
        else:
            scores = array("scores")
        if scores is None:
            raise ValueError(f"{location}: expected the key `scores`; found {', '.join(keys) or 'nothing'}")
        texts = {
            key: None if (values := array(key)) is None else _texts(values, location, key)
            for key in ("ids", "groups", "classes")
        }
        labels, truth = array("labels"), array("truth")
    if truth is not None and truth.ndim == 2 and (others := int((truth.sum(axis=1) != 1).sum())):
        raise ValueError(
            f"{location}: {others} videos have several classes or none (`truth`), which is "
            "neither learned from nor measured here; leave out `labels` and `truth` to fuse the scores alone"
        )
    classes = texts["classes"]
    return {
        "scores": scores,
        "labels": None if labels is None else _labels(labels, classes, location),
        "ids": texts["ids"],
        "groups": texts["groups"],
        "classes": None if classes is None else tuple(classes.tolist()),
    }


def _pick(row: str, rows: Sequence[str], location: str) -> int:
    if row in rows:
        return list(rows).index(row)
    if not row and len(rows) == 1:
        return 0
    problem = f"no row {row!r}" if row else "several rows"
    raise ValueError(
        f"{location} has {problem}; choose one as {location}:ROW among {', '.join(map(str, rows)) or 'none'}."
        + suggestions.among(row, rows)
    )


def _texts(values: np.ndarray, location: str, key: str) -> np.ndarray:
    """Returns names as str [n]."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if values.ndim != 1 or values.dtype.kind not in "Uiu":
        raise ValueError(
            f"{location}: expected a list of text under `{key}`; found shape {values.shape}, dtype {values.dtype}"
        )
    return values.astype(str)


def _labels(values: np.ndarray, classes: np.ndarray | None, location: str) -> np.ndarray:
    """Returns labels, given as indices or as names, as int32."""
    if values.dtype.kind in "US":
        if classes is None:
            raise ValueError(f"{location}: `labels` are names; `classes` must give the classes in order")
        places = {name: index for index, name in enumerate(classes.tolist())}
        names = _texts(values, location, "labels").tolist()
        unknown = [name for name in names if name not in places]
        if unknown:
            raise ValueError(f"{location}: the label {unknown[0]!r} is not among `classes`")
        return np.array([places[name] for name in names], np.int32)
    if values.dtype.kind not in "iu":
        raise ValueError(f"{location}: expected class indices under `labels`; found dtype {values.dtype}")
    return np.clip(values, -1, np.iinfo(np.int32).max).astype(np.int32)
