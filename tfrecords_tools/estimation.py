"""How long a conversion will take and how much disk it needs, from a sample of its videos."""

import dataclasses
import os
import shutil
import time
from pathlib import Path

import cv2

from tfrecords_tools import cluster, config, schema, storage, video, writer
from tfrecords_tools.datasets import listing

SAMPLE = 5
_MAX_FRAMES = 60  # of a sampled video, which are held in memory; a longer one counts by its share


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a conversion will cost.

    Attributes:
        videos: Number of videos.
        sampled: Number of videos that were converted to find out.
        input_bytes: Size of all video files.
        record_bytes: Size that the records will have.
        seconds: Duration with `workers` processes.
        workers: Number of processes.
        free_bytes: Room on the disk of the output folder; None on remote storage.
    """

    videos: int
    sampled: int
    input_bytes: int
    record_bytes: int
    seconds: float
    workers: int
    free_bytes: int | None

    def __str__(self) -> str:
        free = "" if self.free_bytes is None else f"; {_size(self.free_bytes)} are free"
        lines = [
            f"{self.videos} videos, {_size(self.input_bytes)} of video files; {self.sampled} of them converted to find "
            "out:",
            f"  records need about {_size(self.record_bytes)} of disk{free}",
            f"  the conversion takes about {_duration(self.seconds)} with {self.workers} worker(s) like this one",
        ]
        if self.free_bytes is not None and self.record_bytes > self.free_bytes:
            lines.append(
                "  that is more than is free: take another --output_dir, fewer --positions, or a smaller --resize"
            )
        return "\n".join(lines)


def estimate(
    videos: listing.Listing,
    output_dir: str | os.PathLike | storage.RemotePath,
    record: config.RecordSettings,
    workers: int = 0,
) -> Estimate:
    """Converts some videos, of spread sizes, in memory, and scales time and size up by the sizes of the files.

    Args:
        videos: The listing.
        output_dir: Folder of the records, which is not touched.
        record: How a video becomes a record.
        workers: Processes of the conversion; 0 for one per core.

    Returns:
        What it will cost.

    Raises:
        ValueError: None of the sampled videos can be read.
    """
    locations = [videos.location(member) for member in videos.videos]
    sizes = dict(zip(videos.videos, storage.ask(_file_size, locations), strict=True))
    by_size = sorted(videos.videos, key=lambda member: (sizes[member], member.example_id))
    count = min(SAMPLE, len(by_size))
    chosen = [by_size[(2 * i + 1) * len(by_size) // (2 * count)] for i in range(count)]
    taken_bytes, made_bytes, seconds, sampled = 0.0, 0.0, 0.0, 0
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # As a worker has it.
    try:
        start = time.monotonic()
        _convert(videos, chosen[0], record)  # Flow is compiled, as it will be by each worker.
        start_up = time.monotonic() - start
        for member in chosen:
            start = time.monotonic()
            result = _convert(videos, member, record)
            if result is None:
                continue
            size, share = result
            sampled += 1
            seconds += (time.monotonic() - start) / share
            made_bytes += size / share
            taken_bytes += sizes[member]
    finally:
        cv2.setNumThreads(threads)
    if not taken_bytes:
        raise ValueError(f"None of {count} videos in {videos.videos_dir} can be read: {chosen[0].path}")
    total = sum(sizes.values())
    workers = min(workers if workers else cluster.available_cores(), len(videos.videos))
    return Estimate(
        videos=len(videos.videos),
        sampled=sampled,
        input_bytes=total,
        record_bytes=round(made_bytes * total / taken_bytes),
        seconds=start_up + seconds * total / taken_bytes / workers,
        workers=workers,
        free_bytes=_free_bytes(storage.path(output_dir)),
    )


def _convert(videos: listing.Listing, member: listing.Video, record: config.RecordSettings) -> tuple[int, float] | None:
    """Gives the size of a video's record, and the share of the video it was made of; None for a bad video."""
    try:
        frames, num_frames = [], 0
        with storage.staged(videos.location(member)) as path:
            source = video.read_video(path)
            for frame in source:
                num_frames += 1
                if num_frames <= _MAX_FRAMES:
                    frames.append(frame)
        made = writer.make_record(frames, source.frame_rate, record, writer.Description(member.example_id))
    except (video.VideoError, cv2.error):
        return None
    # With `positions` the cost does not grow with the length.
    share = 1.0 if record.positions else len(frames) / num_frames
    return len(schema.serialise(made)), share


def _file_size(path: storage.AnyPath) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _free_bytes(folder: storage.AnyPath) -> int | None:
    return None if isinstance(folder, storage.RemotePath) else shutil.disk_usage(_existing(folder)).free


def _existing(path: Path) -> Path:
    path = path.absolute()
    return path if path.exists() else _existing(path.parent)


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if hours < 2 else f"{hours:.1f} h"
