"""manifest.json: what a folder of records holds, shard by shard and video by video."""

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping

from tfrecords_tools import config, storage

FILE_NAME = "manifest.json"
LABELS_FILE_NAME = "labels.txt"
FORMAT_VERSION = 1
ROLES = ("train", "test", "unused")


@dataclasses.dataclass(frozen=True)
class VideoEntry:
    """One video of a shard.

    Attributes:
        id: Unique name of the video.
        path: Path of the video file relative to the dataset's folder.
        labels: Class indices.
        group: Clips of one group must not be split over training and test (nor validation).
        frames: Number of frames stored.
        fields: Number of flow fields stored.
    """

    id: str
    path: str
    labels: tuple[int, ...]
    group: str
    frames: int
    fields: int


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file.

    Attributes:
        path: The file.
        partition: Name of the partition whose videos it holds.
        sha256: Hash of the whole file, in hexadecimal.
        bytes: Size of the file.
        videos: The videos, in the order of their records.
    """

    path: storage.AnyPath
    partition: str
    sha256: str
    bytes: int
    videos: tuple[VideoEntry, ...]


@dataclasses.dataclass(frozen=True)
class Partition:
    """The videos that play the same role in every split.

    Attributes:
        roles: Split name to "train", "test" or "unused".
        videos: Number of videos.
        per_class: Label to number of videos; a video with two labels counts for both.
        frames: Number of frames stored.
        fields: Number of flow fields stored.
        bytes: Size of its shards.
    """

    roles: dict[str, str]
    videos: int
    per_class: dict[str, int]
    frames: int
    fields: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a folder of records holds.

    Attributes:
        data_dir: The folder.
        dataset: Name of the dataset's layout.
        labels: Class names, in the order of their indices.
        splits: Names of the splits.
        partitions: Partition name to partition.
        shards: The shards, sorted by name.
        record: How the records were made.
        versions: Versions of the libraries that made them.
    """

    data_dir: storage.AnyPath
    dataset: str
    labels: tuple[str, ...]
    splits: tuple[str, ...]
    partitions: dict[str, Partition]
    shards: tuple[Shard, ...]
    record: config.RecordSettings
    versions: dict[str, str]

    @classmethod
    def build(
        cls,
        data_dir: storage.AnyPath,
        dataset: str,
        labels: tuple[str, ...],
        splits: tuple[str, ...],
        roles: Mapping[str, Mapping[str, str]],
        shards: Iterable[Shard],
        record: config.RecordSettings,
        versions: dict[str, str],
    ) -> "Manifest":
        """Makes a manifest with the partitions' sums counted from the shards.

        Args:
            data_dir: Folder of the shards.
            dataset: Name of the dataset's layout.
            labels: Class names.
            splits: Names of the splits.
            roles: Partition name to its role in each split.
            shards: All shards.
            record: How the records were made.
            versions: Versions of the libraries that made them.

        Returns:
            The manifest, not yet saved.
        """
        shards = tuple(sorted(shards, key=lambda shard: shard.path.name))
        partitions = {}
        for name in sorted(roles):
            own = [shard for shard in shards if shard.partition == name]
            videos = [video for shard in own for video in shard.videos]
            partitions[name] = Partition(
                roles=dict(roles[name]),
                videos=len(videos),
                per_class={label: sum(i in video.labels for video in videos) for i, label in enumerate(labels)},
                frames=sum(video.frames for video in videos),
                fields=sum(video.fields for video in videos),
                bytes=sum(shard.bytes for shard in own),
            )
        return cls(data_dir, dataset, tuple(labels), tuple(splits), partitions, shards, record, versions)

    @classmethod
    def load(cls, data_dir: str | os.PathLike | storage.RemotePath) -> "Manifest":
        """Reads `data_dir`/manifest.json.

        Raises:
            ValueError: There is none, or it is not a manifest of this format.
        """
        folder = storage.path(data_dir)
        path = folder / FILE_NAME
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ValueError(
                f"{path} does not exist: {str(data_dir)!r} is not a folder of finished records. "
                "Make one with `python -m tfrecords_tools.convert`, or run an interrupted conversion again"
            ) from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not valid JSON ({error}). Run the conversion again to rewrite it") from error
        if not isinstance(values, dict) or values.get("format_version") != FORMAT_VERSION:
            received = values.get("format_version") if isinstance(values, dict) else type(values).__name__
            raise ValueError(f"{path}: `format_version` must be {FORMAT_VERSION}. Received: {received}")
        try:
            return cls(
                data_dir=folder,
                dataset=values["dataset"],
                labels=tuple(values["labels"]),
                splits=tuple(values["splits"]),
                partitions={name: Partition(**partition) for name, partition in values["partitions"].items()},
                shards=tuple(shard_from_json(folder, *item) for item in sorted(values["shards"].items())),
                record=config.RecordSettings.from_json(values["record"]),
                versions=values["versions"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not a manifest: {type(error).__name__}: {error}") from error

    def save(self) -> None:
        """Writes labels.txt, then manifest.json, each at once or not at all."""
        values = {
            "format_version": FORMAT_VERSION,
            "dataset": self.dataset,
            "labels": self.labels,
            "splits": self.splits,
            "partitions": {name: dataclasses.asdict(partition) for name, partition in self.partitions.items()},
            "shards": {shard.path.name: shard_to_json(shard) for shard in self.shards},
            "record": self.record.to_json(),
            "versions": self.versions,
        }
        write_atomically(self.data_dir / LABELS_FILE_NAME, "".join(f"{label}\n" for label in self.labels))
        write_atomically(self.data_dir / FILE_NAME, json.dumps(values, indent=1, ensure_ascii=False) + "\n")

    def shards_for(self, split: str, role: str) -> list[Shard]:
        """Gives the shards whose videos play `role` in `split`, sorted by name.

        Args:
            split: One of `splits`.
            role: "train", "test" or "unused".

        Raises:
            ValueError: No such split or role.
        """
        if split not in self.splits:
            raise ValueError(
                f"`split` must be one of {list(self.splits)} in {self.data_dir}. Received: split={split!r}"
            )
        if role not in ROLES:
            raise ValueError(f"`role` must be one of {list(ROLES)}. Received: role={role!r}")
        return [shard for shard in self.shards if self.partitions[shard.partition].roles[split] == role]

    def check_sizes(self) -> None:
        """Compares the size of every shard on disk, which finds lost and truncated files at no cost.

        Raises:
            ValueError: A shard is missing or has another size; the message names it.
        """
        sizes = storage.ask(_file_size, [shard.path for shard in self.shards])
        for shard, size in zip(self.shards, sizes, strict=True):
            if size is None:
                raise ValueError(f"{shard.path} is missing. Run the conversion again: it makes only what is not there")
            if size != shard.bytes:
                raise ValueError(
                    f"{shard.path} must be {shard.bytes} bytes long, it is truncated or another file. "
                    f"Received: {size} bytes. Run the conversion again: it makes only what is not whole"
                )


def shard_to_json(shard: Shard) -> dict:
    """Gives a shard as a JSON object; its name is the key it is stored under."""
    return {
        "partition": shard.partition,
        "sha256": shard.sha256,
        "bytes": shard.bytes,
        "videos": [dataclasses.asdict(video) for video in shard.videos],
    }


def shard_from_json(data_dir: storage.AnyPath, name: str, values: dict) -> Shard:
    """Reads a shard back."""
    videos = tuple(VideoEntry(**{**video, "labels": tuple(video["labels"])}) for video in values["videos"])
    return Shard(data_dir / name, values["partition"], values["sha256"], values["bytes"], videos)


def _file_size(path: storage.AnyPath) -> int | None:
    return path.stat().st_size if path.is_file() else None


def write_atomically(path: storage.AnyPath, text: str) -> None:
    """Writes a text file under a temporary name and renames it, so that it is never there in part."""
    if isinstance(path, storage.RemotePath):
        path.write_text(text)
        return
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
