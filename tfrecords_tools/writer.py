"""From decoded frames to a record: the one code path of conversion and of prediction."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from tfrecords_tools import codec, config, schema, spool, stacks, storage, video
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
    wanted_frames, wanted_fields = None, None  # All of them: their number need not be known beforehand.
    if settings.positions:
        frame_indices, field_indices, _ = stacks.sparse_layout(_count(frames), settings.positions)
        wanted_frames, wanted_fields = frozenset(frame_indices.tolist()), frozenset(field_indices.tolist())
    kept_frames, kept_fields = spool.collect(spool_dir), spool.collect(spool_dir)
    encoder = Encoder(
        settings,
        description.place,
        wants_frame=lambda index: wanted_frames is None or index in wanted_frames,
        wants_field=lambda index: wanted_fields is None or index in wanted_fields,
        keep_frame=lambda index, image: kept_frames.append(image),
        keep_field=lambda index, image: kept_fields.append(image),
    )
    for frame in frames:
        encoder.add(frame)
    encoder.finish()
    return assemble(kept_frames, kept_fields, encoder.size, encoder.num_frames, frame_rate, settings, description)


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
        frame_timestamps=timestamps(frame_indices, frame_rate),
        flow=fields if isinstance(fields, spool.Spool) else tuple(fields),
        flow_timestamps=timestamps(field_indices, frame_rate),
        stack_starts=tuple(starts.tolist()),
        segment_starts=tuple(round(1e6 * start) for start, _, _, _ in description.segments),
        segment_ends=tuple(round(1e6 * end) for _, end, _, _ in description.segments),
        segment_label_indices=tuple(index for _, _, index, _ in description.segments),
        segment_label_strings=tuple(label for _, _, _, label in description.segments),
    )


class Encoder:
    """Takes the frames of a video one by one; encodes those frames and flow fields that are wanted, each once.

    It holds no more than `FLOW_BATCH` + 1 grey frames.

    Args:
        settings: Size, flow method, quality.
        place: Names the video in errors.
        wants_frame: Whether the frame of an index is wanted; asked when it comes.
        wants_field: Whether the field of an index is wanted, which joins the frames i and i + 1; asked when either
            comes, with one answer.
        keep_frame: Gets the index and the JPEG of a wanted frame, in order.
        keep_field: Gets the index and the JPEG of a wanted field, in order, some frames after its own.

    Raises:
        ValueError: `settings` name a flow method or a size that does not exist.
    """

    def __init__(
        self,
        settings: config.RecordSettings,
        place: str | storage.AnyPath,
        *,
        wants_frame: Callable[[int], bool],
        wants_field: Callable[[int], bool],
        keep_frame: Callable[[int, bytes], None],
        keep_field: Callable[[int, bytes], None],
    ) -> None:
        self.num_frames = 0
        """Frames taken so far."""
        self.size = (0, 0)
        """Height and width of stored frames, in pixels; known from the first frame on."""
        self._resize = video.Resize.parse(settings.resize)
        self._method = methods.make_flow(settings.flow, sizes_vary=not self._resize.is_fixed)
        self._quality = settings.jpeg_quality
        self._place = place
        self._wants_frame, self._wants_field = wants_frame, wants_field
        self._keep_frame, self._keep_field = keep_frame, keep_field
        self._grey: list[np.ndarray] = []

    def add(self, frame: np.ndarray) -> None:
        """Takes the next frame, uint8 [H, W, 3], RGB.

        Raises:
            VideoError: Its stored size is another than that of the frames before it.
        """
        index = self.num_frames
        size = self._resize.size(*frame.shape[:2])
        if index and size != self.size:
            raise video.VideoError(
                self._place,
                f"its frames change from {self.size[1]}x{self.size[0]} to {size[1]}x{size[0]} pixels at frame "
                f"{index}; a fixed `resize` such as 340x256 takes such a video",
            )
        self.size = size
        self.num_frames += 1
        starts_field, ends_field = self._wants_field(index), index > 0 and self._wants_field(index - 1)
        is_wanted = self._wants_frame(index)
        if is_wanted or starts_field or ends_field:
            stored = self._resize.apply(frame)
            if is_wanted:
                self._keep_frame(index, codec.encode_frame(stored, self._quality))
            if starts_field or ends_field:
                self._grey.append(cv2.cvtColor(stored, cv2.COLOR_RGB2GRAY))
        if not starts_field or len(self._grey) > FLOW_BATCH:
            self._flush(keep_last=starts_field)

    def flush(self) -> None:
        """Computes the flow of what has been taken so far, for who cannot wait until a batch is full."""
        self._flush(keep_last=True)

    def finish(self) -> None:
        """Computes the flow of the frames that are left.

        Raises:
            VideoError: There was no frame.
        """
        self._flush(keep_last=False)
        if not self.num_frames:
            raise video.VideoError(self._place, "it has no frames")

    def _flush(self, keep_last: bool) -> None:
        if len(self._grey) > 1:
            first = self.num_frames - len(self._grey)
            for index, flow in enumerate(self._method(np.stack(self._grey)), start=first):
                self._keep_field(index, codec.encode_flow(flow, self._quality))
        self._grey = self._grey[-1:] if keep_last else []  # The next batch starts where this one ends.


def _count(frames: Iterable[np.ndarray]) -> int:
    if iter(frames) is frames:
        raise ValueError(
            "`frames` must be a sequence or a VideoFile where `positions` is not 0: they are counted first. "
            f"Received: {type(frames).__name__}, which can be iterated only once"
        )
    return sum(1 for _ in frames)


def timestamps(indices: np.ndarray, frame_rate: float) -> tuple[int, ...]:
    """Gives the time of frames in microseconds."""
    return tuple(np.rint(indices * (1e6 / frame_rate)).astype(np.int64).tolist())
