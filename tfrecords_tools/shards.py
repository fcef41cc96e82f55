"""Shards: which video goes where, and one shard written from start to end."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from tfrecords_tools import config, extraction, manifest, record_file, schema, storage, video, writer
from tfrecords_tools.datasets import disk, listing

WORK_DIR = ".shards"
"""Folder inside the output folder for what a restart needs to know."""


@dataclasses.dataclass(frozen=True)
class BadVideo:
    """A video that did not become a record.

    Attributes:
        path: Relative to the dataset's folder.
        label: Its class, or classes joined by a comma.
        reason: Why, in one line.
        fingerprint: Size and time of the file, by which a file that was mended since is known; "" where it has none.
    """

    path: str
    label: str
    reason: str
    fingerprint: str


@dataclasses.dataclass(frozen=True)
class Task:
    """One shard to write.

    Attributes:
        name: File name.
        partition: Its partition.
        output_dir: Folder of the shard.
        videos_dir: Folder that the videos' paths start from.
        videos: The videos, in the order of their records.
        labels: All classes, in the order of their indices.
        record: How a video becomes a record.
        extraction: How frames were extracted where videos are folders of them; None where they are files.
    """

    name: str
    partition: str
    output_dir: storage.AnyPath
    videos_dir: storage.AnyPath
    videos: tuple[listing.Video, ...]
    labels: tuple[str, ...]
    record: config.RecordSettings
    extraction: config.ExtractionSettings | None = None


@dataclasses.dataclass(frozen=True)
class Result:
    """A finished shard.

    Attributes:
        shard: What it holds.
        bad_videos: Videos that should be in it and do not decode.
    """

    shard: manifest.Shard
    bad_videos: tuple[BadVideo, ...]


def plan(
    videos: listing.Listing,
    output_dir: storage.AnyPath,
    record: config.RecordSettings,
    videos_per_shard: int,
    seed: int,
    extracted: config.ExtractionSettings | None = None,
) -> list[Task]:
    """Distributes a listing over shards, which nothing but the listing and the seed decides.

    Args:
        videos: The listing.
        output_dir: Folder of the shards.
        record: How a video becomes a record.
        videos_per_shard: Largest number of videos in a shard; the shards of a partition are filled evenly.
        seed: Fixes the order, which mixes the classes inside each shard.
        extracted: How frames were extracted where videos are folders of them; None where they are files.

    Returns:
        The shards to write.
    """
    tasks = []
    for partition, members in videos.partitions().items():
        mixed = sorted(members, key=lambda member: listing.seeded_order(seed, member.example_id))
        count = -(-len(mixed) // videos_per_shard)
        for number, chosen in enumerate(np.array_split(np.arange(len(mixed)), count)):
            tasks.append(
                Task(
                    name=f"{partition}-{number:05d}-of-{count:05d}.tfrecord",
                    partition=partition,
                    output_dir=output_dir,
                    videos_dir=videos.videos_dir,
                    videos=tuple(mixed[i] for i in chosen),
                    labels=videos.labels,
                    record=record,
                    extraction=extracted,
                )
            )
    return tasks


def write(task: Task) -> Result:
    """Writes a shard under a temporary name, puts it in its place, and leaves a note that it is whole.

    Args:
        task: The shard.

    Returns:
        What was written.

    Raises:
        OSError: The disk is full, or the folder cannot be written to.
        ValueError: A video on remote storage cannot be fetched.
    """
    try:
        return _write(task)
    except OSError as error:
        # Of reading a video, errors have become bad videos: this is about the disk that is written to.
        remedy = "run" if isinstance(task.output_dir, storage.RemotePath) else "make room and run"
        raise OSError(
            f"{task.output_dir / task.name} cannot be written ({error.strerror or error}). What is finished is kept: "
            f"{remedy} the same command again"
        ) from error


def _write(task: Task) -> Result:
    final, spool_dir = task.output_dir / task.name, storage.local_folder(task.output_dir / WORK_DIR)
    with storage.created(final, partial=spool_dir / f"{task.name}.tmp") as temporary:
        entries, bad_videos = _write_records(task, temporary, spool_dir)
        digest, size = _hash(temporary)
    result = Result(manifest.Shard(final, task.partition, digest, size, entries), bad_videos)
    note = {**manifest.shard_to_json(result.shard), "bad_videos": [dataclasses.asdict(bad) for bad in bad_videos]}
    manifest.write_atomically(_note(task), json.dumps(note, ensure_ascii=False))
    return result


def _write_records(
    task: Task, path: Path, spool_dir: Path
) -> tuple[tuple[manifest.VideoEntry, ...], tuple[BadVideo, ...]]:
    entries, bad_videos = [], []
    with record_file.RecordWriter(path) as file:
        for member in task.videos:
            try:
                record = _read(task, member, spool_dir)
            except (video.VideoError, cv2.error) as error:
                bad_videos.append(_bad_video(task, member, error))
                continue
            file.write(schema.encode(record))
            entries.append(
                manifest.VideoEntry(
                    id=record.example_id,
                    path=record.data_path,
                    labels=record.label_indices,
                    group=record.group,
                    frames=len(record.frames),
                    fields=len(record.flow),
                )
            )
    return tuple(entries), tuple(bad_videos)


def finished(task: Task) -> Result | None:
    """Gives the result of a shard that an earlier run has finished, or None where it has to be written.

    It has to be where the file is not the one that was written, or where a video that did not decode has changed since.
    """
    try:
        note = json.loads(_note(task).read_text(encoding="utf-8"))
        bad_videos = tuple(BadVideo(**bad) for bad in note.pop("bad_videos"))
        shard = manifest.shard_from_json(task.output_dir, task.name, note)
        if _hash(shard.path) != (shard.sha256, shard.bytes):
            return None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    if any(_fingerprint(task, PurePosixPath(bad.path)) != bad.fingerprint for bad in bad_videos):
        return None
    return Result(shard, bad_videos)


def _read(task: Task, member: listing.Video, spool_dir: Path) -> schema.VideoRecord:
    description = writer.Description(
        example_id=member.example_id,
        media_id=disk.without_suffix(member.path.name),
        data_path=str(member.path),
        label_indices=tuple(task.labels.index(label) for label in member.labels),
        label_strings=member.labels,
        group=member.group,
        segments=tuple((part.start, part.end, task.labels.index(part.label), part.label) for part in member.segments),
    )
    if task.extraction:
        frames_dir = storage.local(task.videos_dir, "frames_dir")
        return extraction.make_record(frames_dir, task.extraction, task.record, description, spool_dir)
    with _staged(task.videos_dir / member.path) as path:
        source = video.read_video(path)
        return writer.make_record(source, source.frame_rate, task.record, description, spool_dir)


@contextlib.contextmanager
def _staged(path: storage.AnyPath) -> Iterator[Path]:
    with contextlib.ExitStack() as stack:
        try:
            local = stack.enter_context(storage.staged(path))
        except OSError as error:
            # Not the video's fault: the listing has just seen it. A storage that fails must not fill the quarantine.
            raise ValueError(
                f"{path} cannot be fetched ({error.strerror or error}). What is finished is kept: run the same command "
                "again"
            ) from error
        yield local


def _bad_video(task: Task, member: listing.Video, error: Exception) -> BadVideo:
    reason = error.reason if isinstance(error, video.VideoError) else f"OpenCV failed on it: {error}"
    return BadVideo(
        path=str(member.path),
        label=",".join(member.labels),
        reason=" ".join(reason.split()),
        fingerprint=_fingerprint(task, member.path),
    )


def _note(task: Task) -> storage.AnyPath:
    return task.output_dir / WORK_DIR / f"{task.name}.json"


def _hash(path: storage.AnyPath) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def _fingerprint(task: Task, path: PurePosixPath) -> str:
    """Gives sizes and time of a video's files, by which it is known whether anything has been done to them."""
    folders: tuple[Path, ...] = ()
    if task.extraction:
        folders = extraction.folders(storage.local(task.videos_dir, "frames_dir"), path, task.extraction)
    try:
        files: list[storage.AnyPath] = [file for folder in set(folders) for file in folder.iterdir()]
        files = files or [task.videos_dir / path]
        states = [file.stat() for file in files]
    except OSError:
        return ""
    size, time = sum(state.st_size for state in states), max(state.st_mtime_ns for state in states)
    return f"{size} bytes, {time}" + (f", {len(files)} files" if folders else "")
