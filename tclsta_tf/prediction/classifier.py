"""Classifies videos with an exported model.

A video takes the path of the records on its way in: the same resizing, flow, quantisation and JPEG, the same decoding
and the same sampling, so that an answer here equals the evaluation's. Of a long video only that is made and held which
the answer needs.
"""

import dataclasses
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.prediction import answer, clips, exported, opening, streaming, time_line, windows
from tclsta_tf.prediction import limits as limits_lib
from tfrecords_tools import config as record_config
from tfrecords_tools import storage, video, writer

Prediction = answer.Prediction
Progress = Callable[[float, float], None]
"""Gets the seconds of a video that are done, and how many it has; called about once a second of it."""

_INPUTS = {"static": "frames", "motion": "flow"}  # of a stream, in the signature


class Classifier:
    """An exported model. Any number of threads may classify with one at a time.

    Args:
        model_dir: a version's folder, e.g. `export/1`.

    Raises:
        ValueError: where there is no exported model of this project.
    """

    def __init__(self, model_dir: str | os.PathLike[str] | storage.RemotePath) -> None:
        folder, card_file = exported.check(model_dir)
        self.card = json.loads(card_file.read_text(encoding="utf-8"))
        """What was exported beside the model: `record`, `num_frames`, `crop_size`, `sampling`, `flags`."""
        self.labels = tuple((folder / "assets" / "labels.txt").read_text(encoding="utf-8").splitlines())
        self.streams = tuple(stream for stream in config.STREAMS if stream in self.card.get("streams", config.STREAMS))
        """`static` and, where the model has one, `motion`."""
        self.settings = record_config.RecordSettings.from_json(self.card["record"])
        """How videos become frames and flow."""
        self._model = tf.saved_model.load(str(folder))
        self.signatures = self._model.signatures
        """The SavedModel's functions by name."""
        self._classify = self.signatures["precomputed"]
        columns = self._classify.structured_outputs["scores"].shape[-1]
        if columns != len(self.labels):
            raise ValueError(f"{folder}/assets/labels.txt names {len(self.labels)} classes, the model has {columns}")
        # Of what the model gives, that which belongs to a video and is a number.
        self._per_video = tuple(
            name
            for name, spec in self._classify.structured_outputs.items()
            if spec.shape.rank and spec.shape[0] is None and spec.dtype.is_floating
        )

    def classify(
        self,
        what: opening.Video,
        *,
        window: float | None = None,
        step: float = windows.DEFAULT_STEP,
        frame_rate: float | None = None,
        limits: limits_lib.Limits = limits_lib.Limits(),  # noqa: B008 - frozen
        progress: Progress | None = None,
        name: str | None = None,
    ) -> Prediction:
        """Classifies one video of any length.

        Args:
            what: a video file, on this machine or remote, or frames uint8 [T, H, W, 3], RGB.
            window: seconds of a window; with it the answer has a time line, see `windows.centred`, and the flow in all
                windows is computed. Without it only the N frames of the whole video and their flow are.
            step: seconds of a step of the time line.
            frame_rate: frames per second of an array.
            limits: how large the video may be.
            progress: is told how far it is.
            name: what the video is called in the answer and in errors; None for its path.

        Returns:
            Scores and attentions.

        Raises:
            tfrecords_tools.video.VideoError: where it cannot be read, or exceeds `limits`.
            ValueError: an argument is not what it should be.
        """
        with opening.opened(what, frame_rate, name) as source:
            num_frames = self._count(source, limits)
            everything = windows.whole(num_frames, source.frame_rate)
            parts: Iterable[windows.Window] = ()
            if window is not None:
                parts = windows.centred(num_frames, source.frame_rate, window, step)
            # Where one window is all of the video, it has the same answer.
            wanted = itertools.chain([everything], (part for part in parts if part != everything))
            steps = time_line.Collector(source.frame_rate)
            for found in self._answers(source.path, _watched(source, num_frames, limits, progress), wanted):
                if found.clip.window == everything:
                    whole = found
                else:
                    steps.add(found.clip, found.scores, found.outputs, found.flow)
        if window is not None and not len(steps):
            steps.add(whole.clip, whole.scores, whole.outputs, whole.flow)
        times = np.asarray(writer.timestamps(whole.clip.frames, source.frame_rate), np.float64) / 1e6
        return Prediction(
            path=source.path,
            labels=self.labels,
            scores=whole.scores,
            positions=whole.clip.positions,
            timestamps=times,
            outputs=whole.outputs,
            frames=whole.frames.numpy(),
            flow=whole.flow,
            num_frames=num_frames,
            frame_rate=source.frame_rate,
            timeline=None if window is None else steps.finish(),
        )

    def watch(
        self,
        frames: Iterable[np.ndarray],
        frame_rate: float,
        *,
        window: float = windows.DEFAULT_SECONDS,
        step: float = windows.DEFAULT_STEP,
        name: str = "camera",
    ) -> Iterator[tuple[float, float, np.ndarray]]:
        """Classifies a video that goes on, such as a camera's, while it does.

        Args:
            frames: uint8 [H, W, 3] each, RGB; taken one by one, with or without an end.
            frame_rate: frames per second.
            window: at the end of each step, so many seconds are classified that lie before it, or all there are.
            step: seconds from one answer to the next.
            name: what the video is called in errors.

        Yields:
            Start and end of each step in seconds, and float32 [C], its scores, as soon as its last frame is there. A
            rest that is shorter than a step has no answer.

        Raises:
            tfrecords_tools.video.VideoError: there is no frame, or their size changes or is too small.
        """
        place = storage.path(name)

        def checked() -> Iterator[np.ndarray]:
            for index, frame in enumerate(frames):
                if index == 0:
                    self._check_size(place, *frame.shape[:2])
                yield frame

        for found in self._answers(place, checked(), windows.trailing(frame_rate, window, step), prompt=True):
            yield (*found.clip.window.steps[0], found.scores)

    def _count(self, source: opening.Source, limits: limits_lib.Limits) -> int:
        """Counts the frames by decoding them, since headers are wrong; stops at the first that exceeds a limit."""
        limits.check_size(source.path, source.height, source.width)
        count = 0
        for frame in source.frames:
            if count == 0:
                self._check_size(source.path, *frame.shape[:2])
            limits.check_size(source.path, *frame.shape[:2])
            count += 1
            limits.check_length(source.path, count, source.frame_rate)
        return count

    def _check_size(self, place: storage.AnyPath, height: int, width: int) -> None:
        height, width = video.Resize.parse(self.settings.resize).size(height, width)
        crop = self.card["crop_size"]
        if min(height, width) < crop:
            raise video.VideoError(place, f"{width}x{height} is smaller than the model's {crop} pixels")

    def _answers(
        self,
        place: storage.AnyPath,
        frames: Iterable[np.ndarray],
        wanted: Iterable[windows.Window],
        prompt: bool = False,
    ) -> "Iterator[_Answered]":
        planned = (
            clips.plan(part, self.card["num_frames"], self.card["sampling"], self.settings, "motion" in self.streams)
            for part in wanted
        )
        reader = streaming.ClipReader(self.settings, place, planned, prompt)
        for frame in frames:
            for pending in reader.add(frame):
                yield self._answer(pending, reader.size)
        for pending in reader.finish():
            yield self._answer(pending, reader.size)

    def _answer(self, pending: clips.Pending, size: tuple[int, int]) -> "_Answered":
        images = pending.inputs(size, self.streams)
        inputs = {_INPUTS[stream]: images[stream][tf.newaxis] for stream in self.streams}
        outputs = self._classify(**inputs)
        arrays = {name: outputs[name][0].numpy() for name in self._per_video}
        fields = images["motion"][..., :2] if "motion" in images else images["static"][:0, ..., :2]
        return _Answered(pending.clip, arrays.pop("scores"), arrays, images["static"], fields.numpy())


@dataclasses.dataclass(frozen=True)
class _Answered:
    """A window with its answer; `frames` stay a tensor until they are asked for."""

    clip: clips.Clip
    scores: np.ndarray
    outputs: dict[str, np.ndarray]
    frames: tf.Tensor
    flow: np.ndarray


def _watched(
    source: opening.Source, num_frames: int, limits: limits_lib.Limits, progress: Progress | None
) -> Iterator[np.ndarray]:
    """The frames of a video whose number is known, watched on their way."""
    every = max(1, round(source.frame_rate))
    count = 0
    for frame in source.frames:
        limits.check_size(source.path, *frame.shape[:2])
        yield frame
        count += 1
        if progress and (count % every == 0 or count == num_frames):
            progress(count / source.frame_rate, num_frames / source.frame_rate)
    if count != num_frames:
        raise video.VideoError(source.path, f"it had {num_frames} frames and then {count}: it changed on the way")
