"""Features of some clips of every training video, kept on disk, to train what stands above them."""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import shutil
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from tclsta_tf.data import pipeline

_FILE = "features.bin"
_SETTINGS = "settings.json"
_LOCK = "lock"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FrozenFeatures:
    """A file with the features of `draws` clips of each of n videos, float16, one clip after the other.

    Clips are appended in the order of `pipeline.drawn_clips`, so that the size of the file tells how many are there: a
    run that was stopped goes on behind the last whole one.

    Args:
        folder: where the file lies; what decides the features must be part of its name.
        decides: what decides the features, for a note beside them.
        num_videos: n.
        draws: clips of each video.
        shape: (T, h, w, D) of one clip's features.
    """

    def __init__(
        self, folder: pathlib.Path, decides: dict[str, object], num_videos: int, draws: int, shape: tuple[int, ...]
    ) -> None:
        self.folder = folder
        self._decides = decides
        self._path = folder / _FILE
        self.draws = draws
        self._num_videos, self._shape = num_videos, shape
        self._bytes = int(np.prod(shape)) * np.dtype(np.float16).itemsize

    @property
    def done(self) -> int:
        """Clips that are there."""
        return self._path.stat().st_size // self._bytes if self._path.exists() else 0

    @property
    def total(self) -> int:
        """Clips that there will be."""
        return self._num_videos * self.draws

    @property
    def missing_bytes(self) -> int:
        """Bytes still to be written."""
        return (self.total - self.done) * self._bytes

    def prepare(self) -> None:
        """Makes the folder, with a note of what decides the features, and sees to it that the disk has room.

        Raises:
            ValueError: there is less space than the features need.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / _SETTINGS).write_text(json.dumps(self._decides, indent=1) + "\n", encoding="utf-8")
        free = shutil.disk_usage(self.folder).free
        if self.missing_bytes > free:
            raise ValueError(
                f"features of {self.total} clips need {self.missing_bytes / 1e9:.2f} GB more in {self.folder}, and "
                f"{free / 1e9:.2f} GB are free. Lower --cache_frozen or --motion_cache_frozen, or give a --cache_dir "
                "on another disk"
            )

    @contextlib.contextmanager
    def reserved(self) -> Iterator[None]:
        """Waits until no other process appends, and keeps others from it; `prepare` comes first."""
        with open(self.folder / _LOCK, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # freed with the process, however it ends
            yield

    def append(self, clips: Iterable[np.ndarray]) -> None:
        """Writes the features of the clips that follow those that are there.

        Args:
            clips: float [T, h, w, D] each.

        Raises:
            ValueError: a value is beyond what 16 bits can hold.
            OSError: the disk is full; what is there is kept.
        """
        with self._naming_a_full_disk(), open(self._path, "r+b" if self._path.exists() else "wb") as file:
            file.seek(self.done * self._bytes)
            file.truncate()  # a clip that was begun
            for clip in clips:
                with np.errstate(over="ignore"):
                    stored = clip.astype(np.float16)
                if not np.isfinite(stored).all():
                    raise ValueError(
                        "features of frozen parts are stored in 16 bits, up to 65504. Received: features up to "
                        f"{np.abs(clip).max():g}. Use --cache_frozen=0 or --motion_cache_frozen=0"
                    )
                file.write(stored.tobytes())

    @contextlib.contextmanager
    def _naming_a_full_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            raise OSError(
                f"{self._path} cannot be written ({error.strerror}). What it holds is kept: make room and run again, "
                "or give a --cache_dir on another disk"
            ) from error

    def read(self, clip: int) -> np.ndarray:
        """The features of one clip, float16 [T, h, w, D]."""
        with open(self._path, "rb", buffering=0) as file:
            data = os.pread(file.fileno(), self._bytes, int(clip) * self._bytes)
        return np.frombuffer(data, np.float16).reshape(self._shape)

    def training_batches(
        self,
        subset: pipeline.Subset,
        rows: np.ndarray,
        seed: int,
        batch_size: int,
        first_step: int = 0,
    ) -> tf.data.Dataset:
        """Endless batches, of the same videos in the same order as those of `pipeline.training_batches`.

        Args:
            subset: the videos to train on, some of those that the features are of.
            rows: int64 [n], the number of each among the latter.
            seed: decides the order, and which of its clips a video shows.
            batch_size: clips per batch.
            first_step: batches that an earlier run has consumed already.

        Returns:
            Dataset of {"features": float16 [b, T, h, w, D], "labels": int32 [b]}.
        """
        labels = pipeline.training_labels(subset.videos)

        def example(index: tf.Tensor, position: tf.Tensor) -> dict[str, tf.Tensor]:
            draw = tf.random.stateless_uniform([], [seed, position], 0, self.draws, tf.int64)
            clip = draw * self._num_videos + tf.gather(rows, index)
            clip = tf.numpy_function(self.read, [clip], tf.float16, stateful=False)
            return {"features": tf.ensure_shape(clip, self._shape), "labels": tf.gather(labels, index)}

        order = pipeline.training_order(subset, seed, first_step * batch_size)
        examples = order.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return examples.batch(batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
