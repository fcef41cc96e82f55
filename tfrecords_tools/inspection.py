"""What a folder of records holds, in words and as a picture."""

import itertools
import os
from collections.abc import Iterator

import cv2
import numpy as np
import tensorflow as tf

from tfrecords_tools import codec, manifest, record_file, schema, stacks, storage
from tfrecords_tools.flow import colour, drawing, quantise

_BINS = 10
_BAR = 40  # characters
_COLUMNS = 4
_CELL = 240  # width of a frame in the contact sheet, pixels


def describe(data_dir: str | os.PathLike | storage.RemotePath) -> str:
    """Describes a folder: its settings, the keys of a record, counts per class, sizes and lengths.

    Args:
        data_dir: Folder of records.

    Raises:
        ValueError: There is no manifest, or the first record cannot be read.
    """
    made = manifest.Manifest.load(data_dir)
    videos = [video for shard in made.shards for video in shard.videos]
    total = sum(shard.bytes for shard in made.shards)
    settings = ", ".join(f"{name}={value}" for name, value in made.record.to_json().items())
    lines = [
        f"{made.data_dir}: {made.dataset}, {len(made.labels)} classes, {len(videos)} videos in {len(made.shards)} "
        "shards",
        f"made with {settings}; " + ", ".join(f"{name} {version}" for name, version in made.versions.items()),
        "",
        f"{'partition':<24}{'videos':>8}{'frames':>10}{'fields':>10}{'MB':>10}  roles",
    ]
    for name, part in made.partitions.items():
        # A dataset of many splits plays the same role in most of them.
        roles = {role: [split for split in made.splits if part.roles[split] == role] for role in manifest.ROLES}
        shown = "; ".join(f"{role} in {_shorten(splits)}" for role, splits in roles.items() if splits)
        lines.append(f"{name:<24}{part.videos:>8}{part.frames:>10}{part.fields:>10}{part.bytes / 1e6:>10.1f}  {shown}")
    if videos:
        lines += ["", f"{total / len(videos) / 1e6:.3g} MB a video on average", "", *_describe_record(made)]
        lines += ["", *_histogram([video.frames for video in videos])]
    lines += ["", f"{'class':<32}{'videos':>8}"]
    counts = {label: sum(part.per_class[label] for part in made.partitions.values()) for label in made.labels}
    lines += [f"{label:<32}{count:>8}" for label, count in counts.items()]
    if unlabelled := sum(not video.labels for video in videos):
        lines.append(f"{'(no label)':<32}{unlabelled:>8}")
    return "\n".join(lines)


def draw_contact_sheet(data_dir: str | os.PathLike | storage.RemotePath, count: int = 8) -> np.ndarray:
    """Draws frames of some videos with their flow below, one video a row, spread evenly over the shards.

    Args:
        data_dir: Folder of records.
        count: Number of videos.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        ValueError: There are no records.
    """
    made = manifest.Manifest.load(data_dir)
    total = sum(len(shard.videos) for shard in made.shards)
    if not total:
        raise ValueError(f"{made.data_dir} holds no videos")
    wanted = set(np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int)).tolist())
    records = itertools.chain.from_iterable(record_file.read(shard.path) for shard in made.shards)
    chosen = [schema.deserialise(data) for index, data in enumerate(records) if index in wanted]
    shown = [_decode(record) for record in chosen]
    speeds = np.concatenate([np.linalg.norm(flow, axis=-1).ravel() for _, flow in shown])
    max_speed = float(np.percentile(speeds, 99)) or 1.0
    rows = [_draw_row(record, *images, max_speed) for record, images in zip(chosen, shown, strict=True)]
    return np.concatenate([*rows, drawing.draw_legend(_COLUMNS * _CELL, max_speed)])


def _decode(record: schema.VideoRecord) -> tuple[np.ndarray, np.ndarray]:
    """Gives four frames, uint8 [4, H, W, 3], and their flow, float32 [4, H, W, 2]; zero where there is none."""
    places = stacks.uniform_positions(len(record.frames), _COLUMNS)
    frames = codec.decode_frames(tf.constant([record.frames[place] for place in places], tf.string)).numpy()
    if not record.flow:
        return frames, np.zeros((*frames.shape[:3], 2), np.float32)
    fields = [record.flow[min(record.stack_starts[place], len(record.flow) - 1)] for place in places]
    return frames, quantise.dequantise(codec.decode_fields(tf.constant(fields, tf.string)).numpy())


def _draw_row(record: schema.VideoRecord, frames: np.ndarray, flow: np.ndarray, max_speed: float) -> np.ndarray:
    cells = [
        np.concatenate([drawing.fit(frame, _CELL), drawing.fit(colour.flow_to_color(field, max_speed), _CELL)])
        for frame, field in zip(frames, flow, strict=True)
    ]
    row = np.concatenate(cells, axis=1)
    # OpenCV's fonts have ASCII only.
    text = f"{', '.join(record.label_strings) or '(no label)'}: {record.media_id}".encode("ascii", "replace").decode()
    drawing.write_text(row, text, (8, 20))
    return cv2.copyMakeBorder(row, 0, 6, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def _describe_record(made: manifest.Manifest) -> Iterator[str]:
    data = next(record_file.read(next(shard for shard in made.shards if shard.videos).path))
    example = tf.train.SequenceExample.FromString(data)
    yield "keys of the first record"
    for key, feature in sorted(example.context.feature.items()):
        yield f"  {key:<36}{_describe_feature(feature)}"
    for key, features in sorted(example.feature_lists.feature_list.items()):
        steps = features.feature
        yield f"  {key:<36}list of {len(steps)}" + (f", each {_describe_feature(steps[0])}" if steps else "")


def _describe_feature(feature: tf.train.Feature) -> str:
    kind = feature.WhichOneof("kind") or "bytes_list"
    values = list(getattr(feature, kind).value)
    if len(values) != 1:
        return f"{kind.removesuffix('_list')} {values[:4]}"
    if kind != "bytes_list":
        return f"{kind.removesuffix('_list')} {values[0]:g}"
    try:
        text = values[0].decode("utf-8")
    except UnicodeDecodeError:
        return f"bytes, {len(values[0])} of them"
    return f"text {text!r}" if len(text) <= 60 else f"text {text[:57]!r}..."


def _histogram(lengths: list[int]) -> Iterator[str]:
    counts, edges = np.histogram(lengths, bins=min(_BINS, max(lengths) - min(lengths) + 1))
    yield f"stored frames a video: {min(lengths)} to {max(lengths)}, median {np.median(lengths):g}"
    for count, low, high in zip(counts, edges, edges[1:], strict=False):
        yield f"  {low:>8.0f} - {high:<8.0f}{count:>7} {'#' * round(_BAR * count / counts.max())}"


def _shorten(splits: list[str]) -> str:
    return ",".join(splits) if len(splits) <= 4 else f"{len(splits)} splits"
