"""Settings of records and of their conversion, in plain dataclasses; they import no project code."""

import dataclasses
import math

UCF_GROUP_PATTERN = r"^(.+_g\d+)_c\d+$"
"""Names like `v_Archery_g01_c03`, as UCF50 and UCF101 have them: the group is `v_Archery_g01`."""

LAYOUTS = ("denseflow", "feichtenhofer", "tsn")
"""Names of the layouts of extracted frames and flow; `extraction` knows their files."""


@dataclasses.dataclass(frozen=True)
class RecordSettings:
    """How a video becomes a record. Kept in manifest.json and with an exported model, so that both do the same.

    Attributes:
        resize: Frame size: "WIDTHxHEIGHT" in pixels, or "short_side=PIXELS", which keeps the aspect ratio.
        flow: Method of optical flow (`flow.methods.METHODS`).
        positions: K, the uniform positions whose frames and flow stacks are stored; 0 stores every frame and field.
        jpeg_quality: Quality of frames and flow fields, in [1, 100].
    """

    resize: str = "340x256"
    flow: str = "tvl1"
    positions: int = 0
    jpeg_quality: int = 95

    def __post_init__(self) -> None:
        if self.positions < 0:
            raise ValueError(f"`positions` must be 0 (all frames) or more. Received: positions={self.positions}")
        if not 1 <= self.jpeg_quality <= 100:
            raise ValueError(f"`jpeg_quality` must lie in [1, 100]. Received: jpeg_quality={self.jpeg_quality}")

    def to_json(self) -> dict[str, str | int]:
        """Gives the settings as a JSON object."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict) -> "RecordSettings":
        """Reads settings back.

        Raises:
            ValueError: A setting is missing, or there is one that this version does not know.
        """
        expected = {field.name for field in dataclasses.fields(cls)}
        if set(values) != expected:
            raise ValueError(f"Record settings must have the keys {sorted(expected)}. Received: {sorted(values)}")
        return cls(**values)


@dataclasses.dataclass(frozen=True)
class ListingSettings:
    """Which videos there are, and which of them train and test.

    Attributes:
        dataset: Name of the layout (`datasets.DATASETS`).
        videos_dir: Folder with one folder of video files per class.
        splits_dir: Folder with the dataset's split files; "" for a layout that has none.
        classes: Only these classes; empty for all.
        seed: Seed of the split that `folder` makes, and of the order of videos in their shards.
        test_fraction: Share of each class that `folder` holds out for testing, in (0, 1).
        group_pattern: Regular expression searched in a file name without its suffix; its first capture group, or the
            whole match where there is none, names the group. A file that does not match is a group of its own.
        csv_file: The CSV file of dataset=csv.
        allow_missing: Whether to go on without videos that are on a list and not on disk.
        frame_folders: Whether a video is a folder of frames, as `import_frames` takes them, and not a file.
    """

    dataset: str
    videos_dir: str
    splits_dir: str = ""
    classes: tuple[str, ...] = ()
    seed: int = 0
    test_fraction: float = 0.25
    group_pattern: str = UCF_GROUP_PATTERN
    csv_file: str = ""
    allow_missing: bool = False
    frame_folders: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.test_fraction) and 0.0 < self.test_fraction < 1.0):
            raise ValueError(f"`test_fraction` must lie in (0, 1). Received: test_fraction={self.test_fraction}")


@dataclasses.dataclass(frozen=True)
class ExtractionSettings:
    """How frames and flow were extracted that `import_frames` takes in.

    Attributes:
        layout: Names of the files, one of `LAYOUTS`.
        flow_dir: Folder of the flow; "" where it lies beside the frames.
        bound: Pixels per frame that the bytes 0 and 255 stand for, > 0.
        frame_rate: Frames per second of the videos, which extracted files do not tell.
        surplus_flow: Which field is left out where there are as many as frames, "first" or "last"; "" for the one that
            is usual with the layout.
        reencode: Whether images may be decoded and encoded anew, where they cannot be taken as they are.
    """

    layout: str
    flow_dir: str = ""
    bound: float = 20.0
    frame_rate: float = 25.0
    surplus_flow: str = ""
    reencode: bool = False

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(f"`layout` must be one of {list(LAYOUTS)}. Received: layout={self.layout!r}")
        for name in ("bound", "frame_rate"):
            if not (math.isfinite(value := getattr(self, name)) and value > 0):
                raise ValueError(f"`{name}` must be greater than 0. Received: {name}={value}")
        if self.surplus_flow not in ("", "first", "last"):
            raise ValueError(f"`surplus_flow` must be first or last. Received: surplus_flow={self.surplus_flow!r}")


@dataclasses.dataclass(frozen=True)
class ConvertConfig:
    """One run of `tfrecords_tools.convert` or `import_frames`.

    Attributes:
        listing: The videos.
        output_dir: Folder of the records.
        record: How a video becomes a record.
        videos_per_shard: Largest number of videos in one TFRecord file.
        workers: Processes; 0 for one per processor core.
        scheduler: Address of the Dask cluster to work on, "tcp://host:port"; "" for processes on this machine.
        max_bad_videos: Videos that may fail to decode before the run counts as failed.
        extraction: How the frames were extracted that are imported; None where videos are converted.
    """

    listing: ListingSettings
    output_dir: str
    record: RecordSettings = RecordSettings()
    videos_per_shard: int = 32
    workers: int = 0
    max_bad_videos: int = 0
    scheduler: str = ""
    extraction: ExtractionSettings | None = None

    def __post_init__(self) -> None:
        for name, least in (("videos_per_shard", 1), ("workers", 0), ("max_bad_videos", 0)):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"`{name}` must be {least} or more. Received: {name}={value}")
