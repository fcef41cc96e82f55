"""Frames and flow that another tool has extracted from a video, to a record.

Images are taken as they are wherever that is possible: frames byte by byte, and the two components of a flow field
joined into one image without decoding them (`jpeg.join`).
"""

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import tensorflow as tf

from tfrecords_tools import codec, config, jpeg, schema, spool, stacks, storage, video, writer
from tfrecords_tools.datasets import disk


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a tool names what it extracts.

    Attributes:
        frames: What stands before the number in the name of a frame.
        flow: For each component, u and v: folder inside `flow_dir`, and what stands before the number.
        surplus: Which field joins no two frames where there are as many fields as frames.
    """

    frames: str
    flow: tuple[tuple[str, str], tuple[str, str]]
    surplus: str


LAYOUTS = {
    "denseflow": Layout("img_", (("", "flow_x_"), ("", "flow_y_")), surplus="last"),
    # TSN's tool stores with each field the frame where it ends, and of the first pair not the frame where it starts.
    "tsn": Layout("img_", (("", "flow_x_"), ("", "flow_y_")), surplus="first"),
    "feichtenhofer": Layout("frame", (("u", "frame"), ("v", "frame")), surplus="last"),
}


@dataclasses.dataclass(frozen=True)
class Extraction:
    """The files of one video.

    Attributes:
        frames: n images, in order.
        flow: n - 1 fields, in order, each the images of u and v; field i joins the frames i and i + 1.
    """

    frames: tuple[Path, ...]
    flow: tuple[tuple[Path, Path], ...]


def check(frames_dir: Path, settings: config.ExtractionSettings) -> None:
    """Checks what can be checked before any video is looked at.

    Raises:
        ValueError: A folder is missing, or the bound is not that of records.
    """
    _, of_u, of_v = folders(frames_dir, PurePosixPath(), settings)
    for folder in (of_u, of_v):
        if not folder.is_dir():
            raise ValueError(
                f"`flow_dir` must be the folder of the flow, and {folder} does not exist. "
                f"Received: flow_dir={settings.flow_dir!r}"
            )
    if settings.bound != schema.FLOW_SATURATION and not settings.reencode:
        raise ValueError(
            f"`bound` must be {schema.FLOW_SATURATION:g}, which is that of records, or --reencode be given, which "
            f"encodes flow anew. Received: bound={settings.bound:g}"
        )


def folders(frames_dir: Path, path: PurePosixPath, settings: config.ExtractionSettings) -> tuple[Path, Path, Path]:
    """Gives the folders of a video's frames, u and v, which may be the same.

    Args:
        frames_dir: Folder of all frames.
        path: The video's folder in it.
        settings: How it was extracted.
    """
    flow_dir = storage.local(settings.flow_dir, "flow_dir") if settings.flow_dir else frames_dir
    of_u, of_v = (flow_dir / folder / path for folder, _ in LAYOUTS[settings.layout].flow)
    return frames_dir / path, of_u, of_v


def find(frames_dir: Path, path: PurePosixPath, settings: config.ExtractionSettings) -> Extraction:
    """Finds the files of a video and checks that none is missing.

    Numbers may start at 0 or 1 and have any padding.

    Args:
        frames_dir: Folder of all frames.
        path: The video's folder in it.
        settings: How it was extracted.

    Returns:
        The files.

    Raises:
        VideoError: There are gaps, or the numbers of frames, u and v do not fit together.
    """
    layout = LAYOUTS[settings.layout]
    of_frames, of_u, of_v = folders(frames_dir, path, settings)
    frames = _numbered(path, of_frames, layout.frames)
    if not frames:
        raise video.VideoError(str(path), f"there are no frames {layout.frames}*.jpg in {of_frames}")
    components = [
        _numbered(path, folder, prefix) for folder, (_, prefix) in zip((of_u, of_v), layout.flow, strict=True)
    ]
    if components[0].keys() != components[1].keys():
        raise video.VideoError(
            str(path), f"u has {len(components[0])} images and v {len(components[1])}, which must have the same numbers"
        )
    fields = list(zip(components[0].values(), components[1].values(), strict=True))
    if len(frames) == len(fields):
        if next(iter(frames)) != next(iter(components[0])):
            raise video.VideoError(str(path), "frames and flow are as many, and start at different numbers")
        fields.pop(0 if (settings.surplus_flow or layout.surplus) == "first" else -1)
    if len(fields) != len(frames) - 1:
        expected = f"{len(frames) - 1} or {len(frames)} flow fields {of_u / layout.flow[0][1]}*.jpg"
        raise video.VideoError(str(path), f"{len(frames)} frames must have {expected}, and there are {len(fields)}")
    return Extraction(tuple(frames.values()), tuple(fields))


def make_record(
    frames_dir: Path,
    extraction: config.ExtractionSettings,
    settings: config.RecordSettings,
    description: writer.Description,
    spool_dir: Path | None = None,
) -> schema.VideoRecord:
    """Reads the images of a video that `settings.positions` asks for, and checks that they decode.

    Args:
        frames_dir: Folder of all frames.
        extraction: How they were extracted.
        settings: Size and quality of the stored images, positions.
        description: What else is known of the video; its `data_path` is the video's folder in `frames_dir`.
        spool_dir: Folder for the images of long videos until the record is written; None keeps them in memory.

    Returns:
        The record.

    Raises:
        VideoError: Images are missing, damaged, or cannot be taken as they are though they must be.
    """
    path = PurePosixPath(description.data_path)
    found = find(frames_dir, path, extraction)
    frame_indices, field_indices, _ = stacks.sparse_layout(len(found.frames), settings.positions)
    reader = _Reader(path, video.Resize.parse(settings.resize), extraction, settings.jpeg_quality)
    frames = spool.collect(spool_dir)
    fields = spool.collect(spool_dir)
    for index in frame_indices.tolist():
        frames.append(reader.read_frame(found.frames[index]))
    for index in field_indices.tolist():
        fields.append(reader.read_field(*found.flow[index]))
    height, width = reader.size
    for images, files, decode in (
        (frames, [found.frames[index] for index in frame_indices], codec.decode_frames),
        (fields, [found.flow[index][0] for index in field_indices], codec.decode_fields),
    ):
        if damaged := codec.find_damaged(images, decode, height, width):
            names = ", ".join(files[index].name for index in damaged[:3])
            raise video.VideoError(str(path), f"{len(damaged)} of its images do not decode: {names}")
    return writer.assemble(frames, fields, reader.size, len(found.frames), extraction.frame_rate, settings, description)


class _Reader:
    """Reads images of one video, all to the size of its first frame."""

    def __init__(
        self, path: PurePosixPath, resize: video.Resize, extraction: config.ExtractionSettings, quality: int
    ) -> None:
        self.size = (0, 0)
        self._path = path
        self._resize = resize
        self._extraction = extraction
        self._quality = quality

    def read_frame(self, file: Path) -> bytes:
        """Gives a frame as a JPEG of the stored size."""
        data = self._read(file)
        size = self._read_size(file, data)
        if self.size == (0, 0):
            self.size = self._resize.size(*size)
        if size == self.size and data[:2] == b"\xff\xd8":
            return data
        self._refuse_unless_reencoding(file, f"is {size[1]}x{size[0]} pixels", size == self.size)
        return codec.encode_frame(video.resize(self._decode(file, data, 3), *self.size), self._quality)

    def read_field(self, *files: Path) -> bytes:
        """Gives a flow field, of which two images show u and v, as a JPEG of the stored size."""
        data = [self._read(file) for file in files]
        sizes = [self._read_size(file, part) for file, part in zip(files, data, strict=True)]
        if sizes == [self.size] * 2 and self._extraction.bound == schema.FLOW_SATURATION:
            try:
                return jpeg.join(*data)
            except jpeg.JpegError as error:
                reason = f"cannot be joined with v without loss ({error})"
                self._refuse_unless_reencoding(files[0], reason, fits=True)
        for file, size in zip(files, sizes, strict=True):
            if size != self.size:
                self._refuse_unless_reencoding(file, f"is {size[1]}x{size[0]} pixels", fits=False)
        planes = [self._decode(file, part, 1)[..., 0] for file, part in zip(files, data, strict=True)]
        bound = self._extraction.bound
        # Moved points keep their places in the frame: a field that is made twice as wide has twice the u.
        flow = [
            video.resize(plane.astype(np.float32) * (2 * bound / 255) - bound, *self.size) * (target / source)
            for plane, target, source in zip(planes, self.size[::-1], sizes[0][::-1], strict=True)
        ]
        return codec.encode_flow(np.stack(flow, axis=-1), self._quality)

    def _read(self, file: Path) -> bytes:
        try:
            return file.read_bytes()
        except OSError as error:
            raise video.VideoError(str(self._path), f"{file.name} cannot be read ({error.strerror})") from error

    def _read_size(self, file: Path, data: bytes) -> tuple[int, int]:
        if file.suffix.lower() == ".png":
            height, width, _ = self._decode(file, data, 1).shape
            return height, width
        try:
            size = jpeg.read_size(data)
        except jpeg.JpegError as error:
            raise video.VideoError(str(self._path), f"{file.name}: {error}") from error
        return size.height, size.width

    def _decode(self, file: Path, data: bytes, channels: int) -> np.ndarray:
        """Gives uint8 [H, W, channels]. TensorFlow refuses truncated images, which OpenCV would fill up with grey."""
        try:
            return tf.io.decode_image(data, channels, expand_animations=False).numpy()
        except tf.errors.InvalidArgumentError as error:
            raise video.VideoError(str(self._path), f"{file.name} does not decode") from error

    def _refuse_unless_reencoding(self, file: Path, reason: str, fits: bool) -> None:
        if self._extraction.reencode:
            return
        height, width = self.size
        wanted = "" if fits else f", not {width}x{height}: say with --resize what size the images have"
        raise video.VideoError(str(self._path), f"{file.name} {reason}{wanted}; --reencode makes it a JPEG that fits")


def _numbered(path: PurePosixPath, folder: Path, prefix: str) -> dict[int, Path]:
    """Finds `<prefix><number>.jpg` files by their numbers, which must start at 0 or 1 and leave none out."""
    pattern = re.compile(rf"{re.escape(prefix)}(\d+)\.({'|'.join(s[1:] for s in sorted(disk.IMAGE_SUFFIXES))})", re.I)
    found: dict[int, Path] = {}
    try:
        names: Sequence[str] = sorted(os.listdir(folder))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise video.VideoError(str(path), f"{folder} cannot be read ({error.strerror})") from error
    for name in names:
        if match := pattern.fullmatch(name):
            if (other := found.setdefault(int(match[1]), folder / name)) != folder / name:
                raise video.VideoError(str(path), f"{other.name} and {name} have the same number")
    numbers = sorted(found)
    if numbers and numbers[0] > 1:
        raise video.VideoError(str(path), f"its first file {found[numbers[0]].name} must have the number 0 or 1")
    for expected, number in enumerate(numbers, numbers[0] if numbers else 0):
        if number != expected:
            raise video.VideoError(str(path), f"number {expected} is missing, {found[number].name} follows")
    return {number: found[number] for number in numbers}
