"""The part of a backbone that is not trained: its variables, and its features kept on disk (--cache_frozen)."""

import dataclasses
import itertools
import json
import sys
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from tclsta_tf.data import frozen_features, pipeline
from tclsta_tf.models import attention_stream, backbones, inference
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.training import preemption, summaries
from tfrecords_tools import storage

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
        raise ValueError(f"{cache} needs --freeze_until: without it no part of the backbone stays as it is")
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


class Cache:
    """Trains a stream on features of the frozen part that were computed once.

    They are of all videos of the training part, those held out too, and of clips that do not depend on the run's seed:
    so runs share them that differ in what is held out, in their seed or in what stands above the frozen part.

    Args:
        run: configuration, data and working folder.
        stream: `static` or `motion`.
        model: of the stream.
        subset: the videos to train on.
        frames: frames of a clip.

    Raises:
        ValueError: the frozen part normalises by the statistics of a batch, so that its features do not stay the same.
    """

    def __init__(
        self,
        run: run_lib.Run,
        stream: str,
        model: attention_stream.AttentionStream,
        subset: pipeline.Subset,
        frames: int,
    ) -> None:
        settings, data = run.config.stream_of(stream), run.config.data
        self._subset, self._stream, self._frames = subset, stream, frames
        self._whole = run.training_part
        self._model = model
        self._first, self._second = backbones.split(model.backbone, settings.backbone, settings.freeze_until)
        if any(type(layer) is keras.layers.BatchNormalization for layer in self._first.layers):
            raise ValueError(
                "--cache_frozen needs --batchnorm=frozen: normalised by their batch, the features of a clip change. "
                f"Received: --batchnorm={settings.batchnorm}"
            )
        self._clips = run.clip_settings(frames, _SEED)
        decides = {
            "stream": stream,
            "backbone": settings.backbone,
            "freeze_until": settings.freeze_until,
            "weights": run_lib.digest(np.ascontiguousarray(weight).tobytes() for weight in self._first.get_weights()),
            "flow_scale": settings.flow_scale,
            "input_pooling": settings.input_pooling,
            "precision": run.config.device.precision,
            "clips": dataclasses.asdict(self._clips),
            "videos": run_lib.digest(video.id.encode() for video in self._whole.videos),
            "records": run_lib.digest(shard.sha256.encode() for shard in self._whole.shards),
        }
        folder = settings.cache_dir or run.part_dir(stream) / "frozen"
        # As many draws as are wanted may be appended, so that their number is no part of the name.
        name = f"{stream}-{run_lib.digest([json.dumps(decides, sort_keys=True).encode()])[:16]}"
        shape = self._first.compute_output_shape((frames, data.crop_size, data.crop_size, model.channels))
        self._decides = decides
        self._features = frozen_features.FrozenFeatures(
            storage.local(folder, "cache_dir") / name, len(self._whole), settings.cache_frozen, tuple(shape)
        )

    def batches(self, seed: int, batch_size: int, first_step: int) -> tf.data.Dataset:
        """Gives training batches, see `FrozenFeatures.training_batches`; computes first what is not there yet.

        Raises:
            ValueError: the disk has no room for the features.
            Preempted: the process was asked to end; the features that are there are kept.
        """
        store = self._features
        if store.done < store.total:
            store.prepare(self._decides)
            with store.reserved():
                self._fill()
        numbers = {video.id: number for number, video in enumerate(self._whole.videos)}
        rows = np.array([numbers[video.id] for video in self._subset.videos])
        return store.training_batches(self._subset, rows, seed, batch_size, first_step)

    def _fill(self) -> None:
        store = self._features
        if store.done >= store.total:  # Another run that shares the folder has done it meanwhile.
            return
        sys.stderr.write(
            f"{self._stream}: computing the features of {store.total - store.done} clips once, "
            f"{store.missing_bytes / 1e9:.2f} GB in {store.folder}\n"
        )
        # That of the training loop would only be asked after the first step, hours later.
        with preemption.watch() as asked_to_stop:
            store.append(itertools.takewhile(lambda features: not asked_to_stop(), self._compute(store.done)))
            if asked_to_stop() and store.done < store.total:
                raise preemption.Preempted(
                    f"asked to end; {store.done} of {store.total} clips' features of {self._stream} are kept: run "
                    "again to go on"
                )

    def outputs(self, features: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        """The stream's outputs in training, from the frozen part's features float16 [b, T, h, w, D]."""
        folded = tf.cast(tf.reshape(features, [-1, *features.shape[2:]]), self._first.output.dtype)
        grid = folded if self._second is None else self._second(folded, training=True)
        return self._model.attend(grid, self._frames, labels=labels, training=True)

    def _compute(self, first: int) -> Iterator[np.ndarray]:
        first_part = inference.fold_batch_normalization(self._first)
        clips = pipeline.drawn_clips(self._whole, self._stream, self._clips, self._features.draws, first)

        @tf.function(input_signature=[pipeline.clip_spec(self._stream, self._frames, self._clips.crop_size)])
        def compute(batch: tf.Tensor) -> tf.Tensor:
            grid = first_part(tf.reshape(batch, [-1, *batch.shape[2:]]), training=False)
            return tf.cast(tf.reshape(grid, [-1, self._frames, *grid.shape[1:]]), tf.float32)

        progress = summaries.Progress(f"{self._stream} frozen", self._features.total, first)
        done = first
        for batch in clips.batch(_BATCH).prefetch(1):
            features = compute(batch).numpy()
            yield from features
            done += len(features)
            progress.show(done, {})
