"""Classifies video files with an exported model.

A video takes the path of the records on its way in: the same resizing, flow, quantisation and JPEG, the same parser and
the same sampling, so that an answer here equals the evaluation's.
"""

import dataclasses
import json
import os
from typing import Any

import numpy as np
import tensorflow as tf

from tclsta_tf.data import pipeline
from tfrecords_tools import config as record_config
from tfrecords_tools import schema, storage, video, writer


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the model says about one video.

    Attributes:
        path: the file.
        labels: class names in index order.
        scores: float32 [C].
        positions: int64 [N], the frames it looked at, counted in the frames the record holds.
        timestamps: float64 [N], their times in seconds.
        outputs: the model's other outputs by name, without the batch axis: `static_scores`, `motion_scores` [C],
            `<stream>_spatial_attention` [N, h, w], `<stream>_temporal_attention` and `<stream>_collaborative_weights`
            [N].
        frames: uint8 [N, H, W, 3], those frames as stored.
        flow: uint8 [N, H, W, 2], the first flow field of each frame's stack, stored bytes.
    """

    path: storage.AnyPath
    labels: tuple[str, ...]
    scores: np.ndarray
    positions: np.ndarray
    timestamps: np.ndarray
    outputs: dict[str, np.ndarray]
    frames: np.ndarray
    flow: np.ndarray

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The `count` best classes with their scores, best first."""
        best = np.argsort(-self.scores, kind="stable")[:count]
        return [(self.labels[index], float(self.scores[index])) for index in best]

    def cropped(self, size: int) -> "Prediction":
        """The same with frames and flow cut to the centre square of `size` pixels that the networks saw."""
        top, left = ((side - size) // 2 for side in self.frames.shape[1:3])
        window = np.s_[:, top : top + size, left : left + size]
        return dataclasses.replace(self, frames=self.frames[window], flow=self.flow[window])


class Classifier:
    """An exported model.

    Args:
        model_dir: a version's folder, e.g. `export/1`.

    Raises:
        ValueError: where there is no exported model of this project.
    """

    def __init__(self, model_dir: str | os.PathLike[str] | storage.RemotePath) -> None:
        folder = storage.path(model_dir)
        card_file = folder / "assets" / "model.json"
        if not (folder / "saved_model.pb").exists() or not card_file.exists():
            versions = [path.parent for path in storage.entries(folder, "*/saved_model.pb")]
            remedy = f"did you mean {versions[-1]}?" if versions else "make one with `python -m tclsta_tf.export`"
            raise ValueError(f"{folder} is not an exported model: {remedy}")
        self.card = json.loads(card_file.read_text(encoding="utf-8"))
        """What was exported beside the model: `record`, `num_frames`, `crop_size`, `sampling`, `flags`."""
        self.labels = tuple((folder / "assets" / "labels.txt").read_text(encoding="utf-8").splitlines())
        self._settings = record_config.RecordSettings.from_json(self.card["record"])
        self._model = tf.saved_model.load(str(folder))
        self._classify = self._model.signatures["precomputed"]
        columns = self._classify.structured_outputs["scores"].shape[-1]
        if columns != len(self.labels):
            raise ValueError(f"{folder}/assets/labels.txt names {len(self.labels)} classes, the model has {columns}")

    def classify(self, path: str | os.PathLike[str] | storage.RemotePath) -> Prediction:
        """Classifies one video file.

        Args:
            path: the file.

        Returns:
            Scores and attentions.

        Raises:
            tfrecords_tools.video.VideoError: where it cannot be read.
        """
        path = storage.path(path)
        record = self._make_record(path)
        self._check_size(path, record)
        parsed = schema.parse(tf.constant(schema.serialise(record)))
        clips = {}
        for stream in pipeline.CHANNELS:
            clips[stream], positions = pipeline.read_test_clip(
                parsed, stream, self.card["num_frames"], None, self.card["sampling"]
            )
        outputs = self._classify(frames=clips["static"][tf.newaxis], flow=clips["motion"][tf.newaxis])
        arrays: dict[str, Any] = {name: value[0].numpy() for name, value in outputs.items() if name != "labels"}
        positions = positions.numpy()
        return Prediction(
            path=path,
            labels=self.labels,
            scores=arrays.pop("scores"),
            positions=positions,
            timestamps=np.asarray(record.frame_timestamps, np.float64)[positions] / 1e6,
            outputs=arrays,
            frames=clips["static"].numpy(),
            flow=clips["motion"][..., :2].numpy(),
        )

    def _make_record(self, path: storage.AnyPath) -> schema.VideoRecord:
        try:
            with storage.staged(path) as file:
                source = video.read_video(file)
                return writer.make_record(source, source.frame_rate, self._settings, writer.Description(path.name))
        except video.VideoError as error:
            raise video.VideoError(path, error.reason) from error  # by the name it was given
        except OSError as error:
            raise video.VideoError(path, f"the file cannot be read ({error.strerror or error})") from error

    def _check_size(self, path: storage.AnyPath, record: schema.VideoRecord) -> None:
        crop = self.card["crop_size"]
        if min(record.height, record.width) < crop:
            raise video.VideoError(path, f"{record.width}x{record.height} is smaller than the model's {crop} pixels")
