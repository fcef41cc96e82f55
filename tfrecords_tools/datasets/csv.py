"""Videos named by a CSV file, with columns `path`, `label`, and optionally `split` and `group`.

    path,label,split,group
    a/one.mp4,run,train,film1
    b/two.mp4,run;jump,test,film2

`path` is relative to the folder of the videos. Several labels are separated by semicolons. `split` is train, test or
unused; columns `split1`, `split2` and so on give several splits. Without any, a split is made as for dataset=folder.
Videos of one `group` are never on both sides of it; an empty one is the video's own.
"""

import collections
import csv
import dataclasses
import re
from pathlib import PurePosixPath

from tfrecords_tools import config, manifest, storage
from tfrecords_tools.datasets import disk, folder, listing


def list_videos(settings: config.ListingSettings) -> listing.Listing:
    """Lists the videos of `csv_file`.

    Args:
        settings: `videos_dir`, `csv_file`, `classes`, `allow_missing`, and for a split that is made here `seed` and
            `test_fraction` are used.

    Returns:
        The videos.

    Raises:
        ValueError: The file is missing or a line of it is wrong, a path leaves `videos_dir`, or a video is not there.
    """
    if not settings.csv_file:
        raise ValueError("`csv_file` must name the CSV file of dataset=csv; give --csv_file=FILE")
    videos_dir, path = storage.path(settings.videos_dir), storage.path(settings.csv_file)
    splits, rows = read_rows(path)
    labels = listing.choose_classes(
        tuple(sorted({label for row in rows for label in row.labels})), settings.classes, path
    )
    rows = [row for row in rows if set(row.labels) & set(labels)]
    rows = [dataclasses.replace(row, labels=tuple(name for name in row.labels if name in labels)) for row in rows]
    if not splits:
        counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
        for row in rows:
            counts[row.labels[0]][row.group] += 1
        tested = folder.choose_test_groups(counts, settings.test_fraction, settings.seed)
        splits = (folder.SPLIT,)
        rows = [dataclasses.replace(row, roles=("test" if row.group in tested else "train",)) for row in rows]
    found, missing = [], []
    names = storage.ask(lambda path: _find_name(path, settings.frame_folders), [videos_dir / row.path for row in rows])
    for row, name in zip(rows, names, strict=True):
        if name is None:
            missing.append(listing.Missing(row.path, row.labels, f"{path.name} names it"))
        else:
            found.append(dataclasses.replace(row, path=row.path.with_name(name)))
    return listing.Listing("csv", videos_dir, labels, splits, tuple(found), (), tuple(missing)).check_missing(
        settings.allow_missing
    )


def read_rows(path: storage.AnyPath) -> tuple[tuple[str, ...], list[listing.Video]]:
    """Reads a CSV file of videos.

    Args:
        path: UTF-8, with a header line; a byte order mark is passed over.

    Returns:
        Names of the splits, none where there is no such column; and the videos.

    Raises:
        ValueError: The header or a row is wrong; the message names file and line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = list(reader.fieldnames or ())
            splits = _split_columns(path, columns)
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError as error:
        raise ValueError(f"`csv_file` must exist. Received: csv_file={str(path)!r}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} must be a CSV file in UTF-8 ({error})") from error
    videos, seen = [], set()
    for number, row in rows:
        where = f"{path}, line {number}"
        if None in row or None in row.values():
            raise ValueError(f"{where}: expected {len(columns)} values: {', '.join(columns)}")
        video_path = PurePosixPath(row["path"].strip())
        if not row["path"].strip() or video_path.is_absolute() or ".." in video_path.parts or "\0" in row["path"]:
            raise ValueError(f"{where}: `path` must lie inside `videos_dir`. Received: {row['path']!r}")
        if video_path in seen:
            raise ValueError(f"{where}: {str(video_path)!r} is in the file twice. Remove one of its lines")
        seen.add(video_path)
        labels = tuple(dict.fromkeys(name.strip() for name in row["label"].split(";") if name.strip()))
        if not labels:
            raise ValueError(f"{where}: `label` must name a class, or several separated by semicolons")
        roles = tuple(row[column].strip().lower() for column in splits.values())
        if not set(manifest.ROLES).issuperset(roles):
            raise ValueError(f"{where}: the split must be one of {list(manifest.ROLES)}. Received: {list(roles)}")
        example_id = str(video_path.with_name(disk.without_suffix(video_path.name)))
        videos.append(
            listing.Video(example_id, video_path, labels, (row.get("group") or "").strip() or example_id, roles)
        )
    return tuple(splits), videos


def _find_name(path: storage.AnyPath, frame_folders: bool) -> str | None:
    """Gives the name of what is there: of the file, or of the folder of frames, which may lack the suffix."""
    if not frame_folders:
        return path.name if path.is_file() else None
    candidates = (path.name, disk.without_suffix(path.name))
    return next((name for name in candidates if path.with_name(name).is_dir()), None)


def _split_columns(path: storage.AnyPath, columns: list[str]) -> dict[str, str]:
    """Gives the columns that are splits, by the name of the split."""
    if not {"path", "label"} <= set(columns) or len(set(columns)) != len(columns):
        raise ValueError(f"{path}: the first line must name the columns path, label, split, group. Received: {columns}")
    splits = {}
    for column in columns:
        if match := re.fullmatch(r"split(\d*)", column):
            splits[match[1] or "1"] = column
        elif column not in ("path", "label", "group"):
            raise ValueError(
                f"{path}: unknown column {column!r}; known are path, label, group, split, split1, split2..."
            )
    if len(splits) != sum(column.startswith("split") for column in columns):
        raise ValueError(f"{path}: the columns `split` and `split1` are the same split. Remove one")
    return dict(sorted(splits.items(), key=lambda item: int(item[0])))
