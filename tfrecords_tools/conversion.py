"""A whole listing to records: shards in parallel, restart, quarantine, manifest."""

import contextlib
import csv
import dataclasses
import hashlib
import io
import json
import os
import time
from collections.abc import Callable

import cv2
import numpy as np

from tfrecords_tools import cluster, config, extraction, manifest, notes, shards, storage, video
from tfrecords_tools.datasets import listing
from tfrecords_tools.flow import methods

QUARANTINE_FILE_NAME = "quarantine.csv"
_RUN_FILE_NAME = "run.json"


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a conversion did.

    Attributes:
        manifest: What the output folder now holds.
        bad_videos: The quarantined videos.
        missing: Videos on a list that are not on disk, which the quarantine names too.
        notes: What the listing has to say.
        ignored: Number of files beside the videos that are not videos by their names.
        shards_skipped: Shards that were finished before.
        seconds: Duration.
    """

    manifest: manifest.Manifest
    bad_videos: tuple[shards.BadVideo, ...]
    missing: tuple[listing.Missing, ...]
    notes: tuple[str, ...]
    ignored: int
    shards_skipped: int
    seconds: float

    def __str__(self) -> str:
        made = self.manifest
        lines = [f"{'partition':<24}{'videos':>8}{'frames':>10}{'fields':>10}{'MB':>10}"]
        lines += [
            f"{name:<24}{part.videos:>8}{part.frames:>10}{part.fields:>10}{part.bytes / 1e6:>10.1f}"
            for name, part in made.partitions.items()
        ]
        videos = sum(partition.videos for partition in made.partitions.values())
        lines.append(
            f"{videos} videos of {len(made.labels)} classes in {len(made.shards)} shards "
            f"({self.shards_skipped} finished before), {self.seconds:.1f} s"
        )
        if self.ignored:
            lines.append(f"{self.ignored} other files among the videos left aside (no video suffix)")
        lines += self.notes
        if self.missing:
            lines.append(f"{len(self.missing)} videos of the lists are not on disk: see {QUARANTINE_FILE_NAME}")
        lines.append(f"{len(self.bad_videos)} videos quarantined")
        lines += [f"  {bad.path!r}: {bad.reason}" for bad in self.bad_videos]
        return "\n".join(lines)


def convert(
    videos: listing.Listing,
    output_dir: str | os.PathLike | storage.RemotePath,
    record: config.RecordSettings,
    *,
    videos_per_shard: int = 32,
    workers: int = 0,
    seed: int = 0,
    scheduler: str = "",
    extracted: config.ExtractionSettings | None = None,
    announce: Callable[[str], None] = lambda line: None,
) -> Summary:
    """Converts a listing; run again after an interruption it makes only the shards that are not whole.

    Records are the same bytes whatever the number of workers.

    Args:
        videos: The listing.
        output_dir: Folder of the records, made where it does not exist.
        record: How a video becomes a record.
        videos_per_shard: Largest number of videos in one file.
        workers: Processes; 0 for one per core.
        seed: Fixes the order of the videos.
        scheduler: Address of the Dask cluster to work on; "" for processes on this machine.
        extracted: How frames were extracted where videos are folders of them; None where they are files.
        announce: Is told where to watch the work.

    Returns:
        What was done. Every video of the listing is in a shard or among `bad_videos`.

    Raises:
        ValueError: The settings are wrong, or the folder holds records of another listing or with other settings.
    """
    start = time.monotonic()
    video.Resize.parse(record.resize)  # All raise what is wrong before any work is done.
    methods.make_flow(record.flow)
    if extracted:
        extraction.check(storage.local(videos.videos_dir, "frames_dir"), extracted)
    output_dir = storage.path(output_dir)
    _claim(output_dir, videos, record, videos_per_shard, seed, extracted)

    tasks = shards.plan(videos, output_dir, record, videos_per_shard, seed, extracted)
    results, to_do = [], []
    for task in tasks:
        if (result := shards.finished(task)) is None:
            to_do.append(task)
        else:
            results.append(result)
    skipped = len(results)
    # `initial` keeps what was finished before out of the rate and the time that is left.
    before = sum(_count(result) for result in results)
    work = cluster.run(shards.write, to_do, workers, scheduler=scheduler, announce=announce)
    with notes.bar(total=len(videos.videos), initial=before, unit="video") as progress:
        pairs = 0
        # Closed at once when this loop is left, so that an interrupted run starts no further shards.
        with contextlib.closing(work) as written:
            for result in written:
                results.append(result)
                pairs += sum(entry.fields for entry in result.shard.videos)
                progress.set_postfix_str(f"{pairs / (time.monotonic() - start):.1f} pairs/s", refresh=False)
                progress.update(_count(result))

    bad_videos = tuple(sorted((bad for result in results for bad in result.bad_videos), key=lambda bad: bad.path))
    _write_quarantine(output_dir, bad_videos, videos.missing)
    made = manifest.Manifest.build(
        output_dir,
        videos.name,
        videos.labels,
        videos.splits,
        videos.roles(),
        (result.shard for result in results),
        record,
        versions={"opencv": cv2.__version__, "numpy": np.__version__},
    )
    made.save()
    return Summary(
        made, bad_videos, videos.missing, videos.notes, len(videos.ignored), skipped, time.monotonic() - start
    )


def _claim(
    output_dir: storage.AnyPath,
    videos: listing.Listing,
    record: config.RecordSettings,
    videos_per_shard: int,
    seed: int,
    extracted: config.ExtractionSettings | None,
) -> None:
    """Notes what the folder is for, or checks that it is for the same."""
    content = [
        [
            *(member.example_id, str(member.path), member.labels, member.group, member.roles),
            [dataclasses.astuple(segment) for segment in member.segments],
        ]
        for member in videos.videos
    ]
    asked = {
        **record.to_json(),
        "dataset": videos.name,
        "splits": list(videos.splits),
        "classes": list(videos.labels),
        "videos": len(videos.videos),
        "listing": hashlib.sha256(json.dumps(content).encode()).hexdigest(),
        "videos_per_shard": videos_per_shard,
        "seed": seed,
        "extraction": dataclasses.asdict(extracted) if extracted else None,
    }
    work_dir = output_dir / shards.WORK_DIR
    path = work_dir / _RUN_FILE_NAME
    if path.exists():
        there = json.loads(path.read_text(encoding="utf-8"))
        if different := [key for key in asked if there.get(key) != asked[key]]:
            shown = "; ".join(f"{key} was {there.get(key)!r}, now {asked[key]!r}" for key in different[:3])
            raise ValueError(
                f"`output_dir` {output_dir} holds records of another listing or with other settings: {shown}. "
                "Take another folder, or remove this one"
            )
        return
    if (output_dir / manifest.FILE_NAME).exists():
        raise ValueError(
            f"`output_dir` {output_dir} holds records already, and no {path} to say how they were made. "
            "Take another folder, or remove this one"
        )
    work_dir.mkdir(parents=True, exist_ok=True)
    manifest.write_atomically(path, json.dumps(asked, indent=1, ensure_ascii=False) + "\n")


def _count(result: shards.Result) -> int:
    return len(result.shard.videos) + len(result.bad_videos)


def _write_quarantine(
    output_dir: storage.AnyPath, bad_videos: tuple[shards.BadVideo, ...], missing: tuple[listing.Missing, ...]
) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("path", "class", "reason"))
    rows.writerows((bad.path, bad.label, bad.reason) for bad in bad_videos)
    rows.writerows((str(lost.path), ",".join(lost.labels), f"not on disk, though {lost.reason}") for lost in missing)
    manifest.write_atomically(output_dir / QUARANTINE_FILE_NAME, text.getvalue())
