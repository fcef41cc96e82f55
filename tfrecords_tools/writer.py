"""From decoded frames to a record: the one code path of conversion and of prediction."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from tfrecords_tools import codec, config, schema, spool, stacks, video
from tfrecords_tools.flow import methods

FLOW_BATCH = 16
"""Consecutive pairs whose flow is computed at once; this bounds the decoded frames that are held."""


@dataclasses.dataclass(frozen=True)
class Description:
    """What is known of a video before it is read.

    Attributes:
        example_id: Unique name of the video.
        media_id: Name of the file without folder and suffix.
        data_path: Path of the file relative to the dataset's folder; also names the video in errors.
        label_indices: Class indices.
        label_strings: Class names, as many.
        group: Group of the video.
        segments: Start and end in seconds, class index and class name of each annotated segment.
    """

    example_id: str
    media_id: str = ""
    data_path: str = ""
    label_indices: tuple[int, ...] = ()
    label_strings: tuple[str, ...] = ()
    group: str = ""
    segments: tuple[tuple[float, float, int, str], ...] = ()

    @property
    def place(self) -> str:
        """Names the video in errors."""
        return self.data_path or self.example_id


def make_record(
    frames: Iterable[np.ndarray],
    frame_rate: float,
    settings: config.RecordSettings,
    description: Description,
    spool_dir: Path | None = None,
) -> schema.VideoRecord:
    """Resizes and encodes frames, computes and encodes their flow.

    Args:
        frames: uint8 [H, W, 3], RGB, in order, at least one. Taken one by one, so that of a long video only what is
            stored is ever held. With `settings.positions` they are iterated twice (the first time to count them), so
            that they must be a sequence or a `video.VideoFile`, not an iterator.
        frame_rate: Frames per second.
        settings: Size, flow method, positions, quality.
        description: What else is known of the video.
        spool_dir: Folder for the JPEGs of long videos until the record is written; None keeps them in memory.

    Returns:
        The record.

    Raises:
        VideoError: There are no frames, or their stored size changes within the video.
        ValueError: `settings` name a flow method or a size that does not exist.
    """
    resize = video.Resize.parse(settings.resize)
    method = methods.make_flow(settings.flow, sizes_vary=not resize.is_fixed)
    wanted_frames, wanted_fields = None, None  # All of them: their number need not be known beforehand.
    if settings.positions:
        wanted_frames, wanted_fields, _ = stacks.sparse_layout(_count(frames), settings.positions)

    encoder = _Encoder(method, settings.jpeg_quality, wanted_frames, wanted_fields, spool_dir)
    height, width = 0, 0
    for index, frame in enumerate(frames):
        stored = resize.apply(frame)
        if index == 0:
            height, width = stored.shape[:2]
        elif stored.shape[:2] != (height, width):
            raise video.VideoError(
                description.place,
                f"its frames change from {width}x{height} to {stored.shape[1]}x{stored.shape[0]} pixels at frame "
                f"{index}; a fixed `resize` such as 340x256 takes such a video",
            )
        encoder.add(index, stored)
    encoder.finish()
    if not encoder.frames:
        raise video.VideoError(description.place, "it has no frames")

    return assemble(encoder.frames, encoder.fields, (height, width), index + 1, frame_rate, settings, description)


def assemble(
    frames: Sequence[bytes],
    fields: Sequence[bytes],
    size: tuple[int, int],
    num_frames: int,
    frame_rate: float,
    settings: config.RecordSettings,
    description: Description,
) -> schema.VideoRecord:
    """Makes a record of encoded images.

    Args:
        frames: RGB JPEGs of the frames that `settings.positions` asks for.
        fields: Grey JPEGs, u above v, of the flow fields that it asks for.
        size: Height and width of frames, in pixels.
        num_frames: Number of frames of the video, stored or not.
        frame_rate: Frames per second.
        settings: `positions` is used.
        description: What else is known of the video.

    Returns:
        The record.
    """
    frame_indices, field_indices, starts = stacks.sparse_layout(num_frames, settings.positions)
    return schema.VideoRecord(
        example_id=description.example_id,
        media_id=description.media_id,
        data_path=description.data_path,
        label_indices=description.label_indices,
        label_strings=description.label_strings,
        group=description.group,
        height=size[0],
        width=size[1],
        frame_rate=frame_rate,
        frames=frames if isinstance(frames, spool.Spool) else tuple(frames),
        frame_timestamps=_timestamps(frame_indices, frame_rate),
        flow=fields if isinstance(fields, spool.Spool) else tuple(fields),
        flow_timestamps=_timestamps(field_indices, frame_rate),
        stack_starts=tuple(starts.tolist()),
        segment_starts=tuple(round(1e6 * start) for start, _, _, _ in description.segments),
        segment_ends=tuple(round(1e6 * end) for _, end, _, _ in description.segments),
        segment_label_indices=tuple(index for _, _, index, _ in description.segments),
        segment_label_strings=tuple(label for _, _, _, label in description.segments),
    )


class _Encoder:
    """Takes frames one by one; keeps the JPEGs that are wanted and the grey frames whose flow is still to come."""

    def __init__(
        self,
        method: methods.FlowMethod,
        quality: int,
        wanted_frames: np.ndarray | None,
        wanted_fields: np.ndarray | None,
        spool_dir: Path | None,
    ) -> None:
        self.frames = spool.collect(spool_dir)
        self.fields = spool.collect(spool_dir)
        self._method = method
        self._quality = quality
        self._wanted_frames = None if wanted_frames is None else frozenset(wanted_frames.tolist())
        self._wanted_fields = None if wanted_fields is None else frozenset(wanted_fields.tolist())
        self._grey: list[np.ndarray] = []

    def add(self, index: int, frame: np.ndarray) -> None:
        """Takes frame `index`, uint8 [H, W, 3]. Field i joins the frames i and i + 1."""
        if self._wanted_frames is None or index in self._wanted_frames:
            self.frames.append(codec.encode_frame(frame, self._quality))
        starts_field, ends_field = self._wants_field(index), self._wants_field(index - 1)
        if starts_field or ends_field:
            self._grey.append(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY))
        if not starts_field or len(self._grey) > FLOW_BATCH:
            self._flush(keep_last=starts_field)

    def finish(self) -> None:
        """Computes the flow of the frames that are left."""
        self._flush(keep_last=False)

    def _wants_field(self, index: int) -> bool:
        return index >= 0 and (self._wanted_fields is None or index in self._wanted_fields)

    def _flush(self, keep_last: bool) -> None:
        if len(self._grey) > 1:
            for flow in self._method(np.stack(self._grey)):
                self.fields.append(codec.encode_flow(flow, self._quality))
        self._grey = self._grey[-1:] if keep_last else []  # The next batch starts where this one ends.


def _count(frames: Iterable[np.ndarray]) -> int:
    if iter(frames) is frames:
        raise ValueError(
            "`frames` must be a sequence or a VideoFile where `positions` is not 0: they are counted first. "
            f"Received: {type(frames).__name__}, which can be iterated only once"
        )
    return sum(1 for _ in frames)


def _timestamps(indices: np.ndarray, frame_rate: float) -> tuple[int, ...]:
    """Gives the time of frames in microseconds."""
    return tuple(np.rint(indices * (1e6 / frame_rate)).astype(np.int64).tolist())
