"""Checks a folder of records against its manifest, down to every JPEG, and the splits against each other."""

import collections
import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tfrecords_tools import cluster, codec, manifest, record_file, schema, stacks, storage


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something that is not as it must be.

    Attributes:
        place: The file, and the video in it where it is one video's.
        text: What is wrong, in one line.
    """

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclasses.dataclass(frozen=True)
class Report:
    """What was checked and found.

    Attributes:
        manifest: What the folder should hold.
        videos: Number of records read.
        images: Number of JPEGs decoded.
        faults: What is wrong.
    """

    manifest: manifest.Manifest
    videos: int
    images: int
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        lines = [f"{'partition':<24}{'shards':>8}{'videos':>8}{'frames':>10}{'fields':>10}{'faults':>8}"]
        for name, part in self.manifest.partitions.items():
            own = [shard.path.name for shard in self.manifest.shards if shard.partition == name]
            wrong = sum(fault.place.split(",")[0] in own for fault in self.faults)
            lines.append(f"{name:<24}{len(own):>8}{part.videos:>8}{part.frames:>10}{part.fields:>10}{wrong:>8}")
        lines += map(str, self.faults)
        lines.append(
            f"{self.videos} records read, {self.images} images decoded, {len(self.faults)} fault(s) in "
            f"{self.manifest.data_dir}"
        )
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """One shard to check.

    Attributes:
        shard: What it should hold.
        labels: All classes.
        positions: K of the records, 0 for all frames.
    """

    shard: manifest.Shard
    labels: tuple[str, ...]
    positions: int


@dataclasses.dataclass(frozen=True)
class ShardReport:
    """What one shard holds.

    Attributes:
        faults: What is wrong.
        images: Number of JPEGs decoded.
        contents: Video id and a hash of its frames, of each record.
    """

    faults: tuple[Fault, ...]
    images: int
    contents: tuple[tuple[str, str], ...]


def verify(
    data_dir: str | os.PathLike | storage.RemotePath,
    workers: int = 1,
    progress: Callable[[int], None] = lambda videos: None,
) -> Report:
    """Checks everything that can be checked without the videos.

    Args:
        data_dir: Folder of records.
        workers: Processes; 0 for one per core.
        progress: Is told, after each shard, how many videos it has.

    Returns:
        The faults, none where all is well.

    Raises:
        ValueError: There is no manifest, or it cannot be read.
    """
    made = manifest.Manifest.load(data_dir)
    faults = list(_check_folder(made))
    contents: list[tuple[str, str, str]] = []
    images = 0
    tasks = [ShardTask(shard, made.labels, made.record.positions) for shard in made.shards if shard.path.is_file()]
    with contextlib.closing(cluster.run(_check_named_shard, tasks, workers)) as results:
        for shard, result in results:
            faults += result.faults
            images += result.images
            contents += [(shard.partition, *content) for content in result.contents]
            progress(len(shard.videos))
    faults += _check_splits(made, contents)
    return Report(made, len(contents), images, tuple(sorted(faults, key=lambda fault: (fault.place, fault.text))))


def check_shard(task: ShardTask) -> ShardReport:
    """Reads one shard from start to end: hash, checksums, records, every image."""
    path, entries = task.shard.path, task.shard.videos
    faults: list[Fault] = []
    contents: list[tuple[str, str]] = []
    images = 0
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != task.shard.sha256:
        faults.append(Fault(path.name, f"its sha256 is {digest}, the manifest says {task.shard.sha256}"))
    try:
        for index, data in enumerate(record_file.read(path)):
            place = f"{path.name}, record {index}"
            try:
                record = schema.deserialise(data)
            except ValueError as error:
                faults.append(Fault(place, str(error)))
                continue
            place = f"{path.name}, {record.example_id}"
            entry = entries[index] if index < len(entries) else None
            faults += [Fault(place, text) for text in _check_record(record, entry, task)]
            texts, decoded = _check_images(record)
            faults += [Fault(place, text) for text in texts]
            images += decoded
            contents.append((record.example_id, hashlib.sha256(b"".join(record.frames)).hexdigest()))
    except record_file.RecordFileError as error:
        faults.append(Fault(path.name, str(error)))
    if len(contents) < len(entries):
        faults.append(Fault(path.name, f"it holds {len(contents)} readable records of {len(entries)} in the manifest"))
    return ShardReport(tuple(faults), images, tuple(contents))


def _check_named_shard(task: ShardTask) -> tuple[manifest.Shard, ShardReport]:
    with storage.staged(task.shard.path) as path:
        return task.shard, check_shard(dataclasses.replace(task, shard=dataclasses.replace(task.shard, path=path)))


def _check_folder(made: manifest.Manifest) -> Iterator[Fault]:
    for shard in made.shards:
        if not shard.path.is_file():
            yield Fault(shard.path.name, "the manifest names it, and it is not there")
        elif (size := shard.path.stat().st_size) != shard.bytes:
            yield Fault(shard.path.name, f"it is {size} bytes long, the manifest says {shard.bytes}")
    known = {shard.path.name for shard in made.shards}
    for path in storage.entries(made.data_dir, "*.tfrecord"):
        if path.name not in known:
            yield Fault(path.name, "the manifest does not name it")
    labels_file = made.data_dir / manifest.LABELS_FILE_NAME
    expected = "".join(f"{label}\n" for label in made.labels)
    if not labels_file.is_file() or labels_file.read_text(encoding="utf-8", errors="replace") != expected:
        yield Fault(manifest.LABELS_FILE_NAME, "it does not hold the manifest's labels, one a line")
    for name, partition in made.partitions.items():
        videos = [video for shard in made.shards if shard.partition == name for video in shard.videos]
        if len(videos) != partition.videos:
            text = f"partition {name!r} counts {partition.videos} videos, its shards {len(videos)}"
            yield Fault(manifest.FILE_NAME, text)
    for shard in made.shards:
        if shard.partition not in made.partitions:
            yield Fault(
                manifest.FILE_NAME, f"{shard.path.name} is of a partition {shard.partition!r} that is not there"
            )


def _check_record(record: schema.VideoRecord, entry: manifest.VideoEntry | None, task: ShardTask) -> Iterator[str]:
    if entry is None:
        yield "the manifest does not name it"
    else:
        for name, received, expected in (
            ("id", record.example_id, entry.id),
            ("path", record.data_path, entry.path),
            ("labels", record.label_indices, entry.labels),
            ("group", record.group, entry.group),
            ("frames", len(record.frames), entry.frames),
            ("fields", len(record.flow), entry.fields),
        ):
            if received != expected:
                yield f"its {name} are {received!r}, the manifest says {expected!r}"
    for indices, strings in (
        (record.label_indices, record.label_strings),
        (record.segment_label_indices, record.segment_label_strings),
    ):
        for index, label in zip(indices, strings, strict=True):
            if not 0 <= index < len(task.labels):
                yield f"label {index} must lie in [0, {len(task.labels)})"
            elif task.labels[index] != label:
                yield f"label {index} is {task.labels[index]!r} in labels.txt, {label!r} in the record"
    num_frames, num_fields = len(record.frames), len(record.flow)
    if not task.positions:
        if num_fields != num_frames - 1:
            yield f"{num_frames} frames must have {num_frames - 1} flow fields. Received: {num_fields}"
    else:
        if num_frames > task.positions:
            yield f"at most {task.positions} frames are stored at that many positions. Received: {num_frames}"
        if num_frames > 1 and not num_fields:
            yield f"{num_frames} frames must have flow. Received: none"
        wanted = stacks.stack_fields(np.asarray(record.stack_starts), max(num_fields, 1)).ravel().tolist()
        if unused := sorted(set(range(num_fields)) - set(wanted)):
            yield f"no stack needs the flow fields {unused[:5]}"
    for name, times in (("frames", record.frame_timestamps), ("flow", record.flow_timestamps)):
        if any(later <= earlier for earlier, later in zip(times, times[1:], strict=False)):
            yield f"the timestamps of its {name} must increase"


def _check_images(record: schema.VideoRecord) -> tuple[list[str], int]:
    """Decodes every image; gives what is wrong and how many are right."""
    texts: list[str] = []
    right = 0
    for name, images, decode in (
        ("frame", record.frames, codec.decode_frames),
        ("flow field", record.flow, codec.decode_fields),
    ):
        damaged = codec.find_damaged(images, decode, record.height, record.width)
        texts += [f"{name} {index} is no JPEG of {record.width}x{record.height} pixels" for index in damaged]
        right += len(images) - len(damaged)
    return texts, right


def _check_splits(made: manifest.Manifest, contents: Sequence[tuple[str, str, str]]) -> Iterator[Fault]:
    """Checks that no id occurs twice, and no content and no group on both sides of a split."""
    for name, count in collections.Counter(video for _, video, _ in contents).items():
        if count > 1:
            yield Fault(manifest.FILE_NAME, f"the id {name!r} occurs {count} times")
    groups: dict[str, set[str]] = collections.defaultdict(set)
    for shard in made.shards:
        for video in shard.videos:
            if video.group:
                groups[video.group].add(shard.partition)
    copies: dict[str, list[tuple[str, str]]] = collections.defaultdict(list)
    for partition, name, digest in contents:
        copies[digest].append((partition, name))
    for split in made.splits:

        def sides(partitions: set[str], split: str = split) -> set[str]:
            return {made.partitions[name].roles[split] for name in partitions if name in made.partitions}

        leaks = sorted(group for group, own in groups.items() if {"train", "test"} <= sides(own))
        if leaks:
            shown = ", ".join(map(repr, leaks[:3])) + (" ..." if len(leaks) > 3 else "")
            yield Fault(f"split {split}", f"{len(leaks)} group(s) are in training and test: {shown}")
        for same in copies.values():
            if len(same) > 1 and {"train", "test"} <= sides({partition for partition, _ in same}):
                names = ", ".join(repr(name) for _, name in same[:4])
                yield Fault(f"split {split}", f"the same frames are in training and test: {names}")
