"""The part of a backbone that is not trained: its variables, and its features kept on disk (--cache_frozen)."""

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from tclsta_tf.data import frozen_features, pipeline
from tclsta_tf.models import attention_stream, backbones, inference
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.training import preemption, summaries
from tfrecords_tools import notes, storage

_BATCH = 4
_SEED = 0


def parts(run: run_lib.Run, name: str) -> tuple[str, ...]:
    """The parts of a stream's backbone that `--freeze_until` leaves alone.

    Args:
        run: its configuration is used.
        name: `static` or `motion`.

    Raises:
        ValueError: there is no such part, or the flags for their features do not go together.
    """
    stream = run.config.stream_of(name)
    try:
        found = backbones.stages_until(stream.backbone, stream.freeze_until)
    except ValueError as error:
        raise ValueError(f"{run.config.flag_of(name, 'freeze_until')}: {error}") from error
    cache = run.config.flag_of(name, "cache_frozen")
    if stream.cache_frozen and not found:
        freeze = run.config.flag_of(name, "freeze_until")
        prefix = "--motion_" if name == "motion" else "--"
        raise ValueError(
            f"{cache} needs {freeze}: without it no part of the backbone stays as it is. "
            f"Received: {cache}={stream.cache_frozen}. To keep none: {prefix}cache_frozen=0"
        )
    if stream.cache_frozen and run.config.device.distribution in ("multi_worker", "tpu"):
        raise ValueError(f"{cache} works on one machine. Use --distribution=none or mirrored")
    return found


def is_frozen(variable: keras.Variable, backbone: str, frozen: tuple[str, ...]) -> bool:
    """Whether a variable of a stream belongs to frozen parts of its backbone."""
    # Variables of the heads have the stream's name in front, those of the backbone begin with a layer's.
    layer = variable.path.split("/")[0]
    try:
        return backbones.stage_of(backbone, layer) in frozen
    except ValueError:
        return False


class FrozenPart:
    """The frozen part of a stream's backbone, whose features are kept on disk (--cache_frozen).

    Args:
        run: configuration, data and working folder.
        stream: `static` or `motion`.
        model: of the stream.

    Raises:
        ValueError: the frozen part normalises by the statistics of a batch, so that its features do not stay the same.
    """

    def __init__(self, run: run_lib.Run, stream: str, model: attention_stream.AttentionStream) -> None:
        settings = run.config.stream_of(stream)
        self._run, self._stream, self._settings, self._model = run, stream, settings, model
        self._first, self._second = backbones.split(model.backbone, settings.backbone, settings.freeze_until)
        normalisations = [layer for layer in self._first.layers if isinstance(layer, keras.layers.BatchNormalization)]
        if any(layer.trainable for layer in normalisations):
            cache, batchnorm = (run.config.flag_of(stream, flag) for flag in ("cache_frozen", "batchnorm"))
            raise ValueError(
                f"{cache} needs {batchnorm}=frozen: normalised by their batch, the features of a clip change. "
                f"Received: {batchnorm}={settings.batchnorm}"
            )

    def store(
        self, videos: pipeline.Subset, frames: int, clips: dict[str, object], draws: int = 1
    ) -> frozen_features.FrozenFeatures:
        """The file of the features of some clips, in a folder named after all that decides them.

        Args:
            videos: whose clips they are.
            frames: of a clip.
            clips: how they are taken.
            draws: clips of each video. As many as are wanted may be appended: their number is no part of the name.
        """
        settings, data = self._settings, self._run.config.data
        decides = {
            "stream": self._stream,
            "backbone": settings.backbone,
            "freeze_until": settings.freeze_until,
            "weights": run_lib.digest(np.ascontiguousarray(weight).tobytes() for weight in self._first.get_weights()),
            "flow_scale": settings.flow_scale,
            "input_pooling": settings.input_pooling,
            "precision": self._run.config.device.precision,
            "clips": clips,
            "videos": run_lib.digest(video.id.encode() for video in videos.videos),
            "records": run_lib.digest(shard.sha256.encode() for shard in videos.shards),
        }
        name = f"{self._stream}-{run_lib.digest([json.dumps(decides, sort_keys=True).encode()])[:16]}"
        shape = self._first.compute_output_shape((frames, data.crop_size, data.crop_size, self._model.channels))
        folder = storage.local(self._run.cache_dir, "cache_dir") / name
        return frozen_features.FrozenFeatures(folder, decides, len(videos), draws, tuple(shape))

    def fill(self, store: frozen_features.FrozenFeatures, clips: Callable[[int], tf.data.Dataset], frames: int) -> None:
        """Computes what is not there yet.

        Args:
            store: from `store`.
            clips: gives the clips behind so many, uint8 [T, crop, crop, 3 or 20] each.
            frames: T.

        Raises:
            ValueError: the disk has no room for the features.
            Preempted: the process was asked to end; the features that are there are kept.
        """
        if store.done >= store.total:
            return
        store.prepare()
        with store.reserved():
            if store.done >= store.total:  # Another run that shares the folder has done it meanwhile.
                return
            notes.say(
                f"{self._stream}: computing the features of {store.total - store.done} clips once, "
                f"{store.missing_bytes / 1e9:.2f} GB in {store.folder}"
            )
            # That of the training loop would only be asked after the first step, hours later.
            with preemption.watch() as asked_to_stop:
                computed = self._compute(clips(store.done), frames, store.done, store.total)
                store.append(itertools.takewhile(lambda features: not asked_to_stop(), computed))
                if asked_to_stop() and store.done < store.total:
                    raise preemption.Preempted(
                        f"asked to end; {store.done} of {store.total} clips' features of {self._stream} are kept: run "
                        "again to go on"
                    )

    def _compute(self, clips: tf.data.Dataset, frames: int, done: int, total: int) -> Iterator[np.ndarray]:
        first = inference.fold_batch_normalization(self._first)

        spec = pipeline.clip_spec(self._stream, frames, self._run.config.data.crop_size)

        @tf.function(input_signature=[spec], autograph=False)
        def compute(batch: tf.Tensor) -> tf.Tensor:
            grid = first(tf.reshape(batch, [-1, *batch.shape[2:]]), training=False)
            return tf.cast(tf.reshape(grid, [-1, frames, *grid.shape[1:]]), tf.float32)

        progress = summaries.Progress(f"{self._stream} frozen", total, done)
        for batch in clips.batch(_BATCH).prefetch(1):
            features = compute(batch).numpy()
            yield from features
            done += len(features)
            progress.show(done, {})

    def outputs(
        self, features: tf.Tensor, labels: tf.Tensor | None = None, training: bool = False
    ) -> dict[str, tf.Tensor]:
        """The stream's outputs, from the frozen part's features float16 [b, T, h, w, D]."""
        folded = tf.cast(tf.reshape(features, [-1, *features.shape[2:]]), self._first.output.dtype)
        grid = folded if self._second is None else self._second(folded, training=training)
        return self._model.attend(grid, features.shape[1], labels=labels, training=training, heads=training)


class TrainingClips:
    """Clips to train on, as features of the frozen part.

    They are of all videos of the training part, those held out too, and do not depend on the run's seed: so runs share
    them that differ in what is held out, in their seed or in what stands above the frozen part.

    Args:
        run: configuration and data.
        stream: `static` or `motion`.
        part: the frozen part of its model.
        frames: frames of a clip.
    """

    def __init__(self, run: run_lib.Run, stream: str, part: FrozenPart, frames: int) -> None:
        self._whole, self._stream, self._part, self._frames = run.training_part, stream, part, frames
        self._clips = run.clip_settings(stream, frames, _SEED)
        self._draws = run.config.stream_of(stream).cache_frozen
        self._store = part.store(self._whole, frames, dataclasses.asdict(self._clips), self._draws)

    def batches(self, subset: pipeline.Subset, seed: int, batch_size: int, first_step: int) -> tf.data.Dataset:
        """Gives training batches, see `FrozenFeatures.training_batches`; computes first what is not there yet.

        Args:
            subset: the videos to train on.
            seed: decides order and clips.
            batch_size: clips per batch.
            first_step: batches that an earlier run has consumed already.

        Raises:
            ValueError: the disk has no room for the features.
            Preempted: the process was asked to end; the features that are there are kept.
        """

        def clips(first: int) -> tf.data.Dataset:
            return pipeline.drawn_clips(self._whole, self._stream, self._clips, self._draws, first)

        self._part.fill(self._store, clips, self._frames)
        return self._store.training_batches(subset, _rows(subset, self._whole), seed, batch_size, first_step)


def _rows(subset: pipeline.Subset, whole: pipeline.Subset) -> np.ndarray:
    """Number of each video of `subset` among those of `whole`, int64 [n]."""
    numbers = {video.id: number for number, video in enumerate(whole.videos)}
    return np.array([numbers[video.id] for video in subset.videos], np.int64)


class TestClips:
    """The clip that each video of a role is tested with, as features of the frozen part; computes what is not there.

    Those of all videos of the training part are in one file, whatever is held out of it.

    Args:
        run: configuration and data; one clip of each video is tested, and its centre.
        stream: `static` or `motion`.
        part: the frozen part of its model.
        role: the test part must be open to be read.
    """

    def __init__(self, run: run_lib.Run, stream: str, part: FrozenPart, role: str) -> None:
        data = run.config.data
        whole = run.subset(role) if role == run_lib.TEST else run.training_part
        how: dict[str, object] = {
            "test_frames": data.test_frames,
            "crop_size": data.crop_size,
            "release": data.sampling == "release",
        }
        self._part = part
        self._store = part.store(whole, data.test_frames, how)
        self._rows = _rows(run.subset(role), whole)

        def clips(first: int) -> tf.data.Dataset:
            batches = pipeline.video_batches(whole, stream, data.test_frames, data.crop_size, 1, data.sampling)
            return batches.map(lambda batch: batch["clips"][0]).skip(first)

        part.fill(self._store, clips, data.test_frames)

    def outputs(self, first: int, count: int, names: Sequence[str]) -> dict[str, tf.Tensor]:
        """Some of the stream's outputs for `count` videos in record order from `first` on, in float32."""
        stored = np.stack([self._store.read(row) for row in self._rows[first : first + count]])
        return self._infer(stored, tuple(names))

    @tf.function(autograph=False, reduce_retracing=True)
    def _infer(self, stored: tf.Tensor, names: tuple[str, ...]) -> dict[str, tf.Tensor]:
        outputs = self._part.outputs(stored)
        return {name: tf.cast(outputs[name], tf.float32) for name in names}
