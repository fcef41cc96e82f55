"""Writes a video again with its answer: where the model looked, when, how things moved, and what it says."""

import collections
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.prediction import answer, drawing, opening, time_line
from tfrecords_tools import codec, storage, video, writer
from tfrecords_tools import config as record_config
from tfrecords_tools.flow import colour, quantise


def write_overlay(
    prediction: answer.Prediction,
    settings: record_config.RecordSettings,
    crop_size: int,
    output: str | os.PathLike[str] | storage.RemotePath,
    what: opening.Video | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> None:
    """Writes the video again with the static stream's heat map, flow, the best classes and the curves over time.

    Where the answer has a time line of several steps, heat map, flow and classes are those of the step. Frames are
    read, drawn and written one by one.

    Args:
        prediction: of that video.
        settings: how its frames and flow are made.
        crop_size: side in pixels of the centre crop that the model saw, at stored resolution.
        output: an .mp4 or .avi file; it appears only when it is whole.
        what: the video, where `prediction.path` is not its file.
        progress: gets the seconds that are written, and how many there are.

    Raises:
        ValueError: where the output is of another kind.
        tfrecords_tools.video.VideoError: the video cannot be read.
        OSError: where it cannot be written.
    """
    rate = prediction.frame_rate if isinstance(what, np.ndarray) else None
    with opening.opened(prediction.path if what is None else what, rate, str(prediction.path)) as source:

        def pictures() -> Iterator[np.ndarray]:
            scenes = _by_step(prediction, settings, source) if _has_steps(prediction) else _by_position(prediction)
            layout = None
            highest = _highest(prediction)
            for index, frame in enumerate(source.frames):
                seconds = index / source.frame_rate
                scene = scenes(seconds)
                layout = layout or drawing.Layout.of(*frame.shape[:2])
                region = drawing.Region.centre(prediction.frames.shape[1:3], crop_size)
                picture = layout.blank()
                layout.put_frame(picture, frame, scene.maps.get("static"), highest.get("static", 1.0), region)
                layout.put_flow(picture, scene.flow, scene.maps.get("motion"), highest.get("motion", 1.0), region)
                layout.put_classes(picture, scene.title, scene.best)
                layout.put_curves(picture, prediction.timestamps, _curves(prediction), seconds, prediction.seconds)
                yield picture
                if progress and index % max(1, round(source.frame_rate)) == 0:
                    progress(seconds, prediction.seconds)

        video.write_video(output, pictures(), source.frame_rate)


@dataclasses.dataclass(frozen=True)
class _Scene:
    """What is shown at one time.

    Attributes:
        title: what the classes are of.
        best: the best classes with their scores.
        maps: spatial attention [h, w] by stream.
        flow: uint8 [H, W, 3], RGB, a coloured field; None where there is none.
    """

    title: str
    best: Sequence[tuple[str, float]]
    maps: dict[str, np.ndarray]
    flow: np.ndarray | None


def _has_steps(prediction: answer.Prediction) -> bool:
    return prediction.timeline is not None and len(prediction.timeline) > 1


def _by_position(prediction: answer.Prediction) -> Callable[[float], _Scene]:
    """The N frames of the whole video: each is shown where it is the nearest."""
    stream_maps = _position_maps(prediction)
    fastest = _usual_highest([time_line.speed(field) for field in prediction.flow])
    best = prediction.top(drawing.CLASSES)

    def scene(seconds: float) -> _Scene:
        index = int(np.argmin(np.abs(prediction.timestamps - seconds)))
        has_flow = len(prediction.flow) > 0 and prediction.num_frames > 1  # a single frame has zero flow standing in
        field = _coloured(prediction.flow[index], fastest) if has_flow else None
        return _Scene("whole video", best, {name: maps[index] for name, maps in stream_maps.items()}, field)

    return scene


def _by_step(
    prediction: answer.Prediction, settings: record_config.RecordSettings, source: opening.Source
) -> Callable[[float], _Scene]:
    """The steps of the time line, asked for in order."""
    line = prediction.timeline
    if line is None:
        raise ValueError("`prediction` must have a time line. Received: timeline=None")
    fastest = _usual_highest(line.speeds)
    fields = _fields(source, settings, line.fields)
    shown: dict[int, _Scene] = {}

    def scene(seconds: float) -> _Scene:
        step = line.at(seconds)
        if step not in shown:
            last = next(iter(shown), -1)
            field = None
            for _ in range(last, step):  # steps shorter than a frame are passed over, their fields too
                field = next(fields)
            shown.clear()
            title = f"{drawing.clock(line.starts[step])} - {drawing.clock(line.ends[step])}"
            maps = {name: stacked[step] for name, stacked in line.attention.items()}
            coloured = None if field is None else _coloured(field, fastest)
            shown[step] = _Scene(title, prediction.top(drawing.CLASSES, step), maps, coloured)
        return shown[step]

    return scene


def _fields(
    source: opening.Source, settings: record_config.RecordSettings, wanted: np.ndarray
) -> Iterator[np.ndarray | None]:
    """The wanted flow fields, uint8 [H, W, 2], made anew from a second reading of the video: none of them is kept."""
    if wanted.max() < 0:
        yield from [None] * len(wanted)
        return
    made: collections.deque[tuple[int, bytes]] = collections.deque()
    indices = frozenset(wanted.tolist())
    encoder = writer.Encoder(
        settings,
        source.path,
        wants_frame=lambda index: False,
        wants_field=lambda index: index in indices,
        keep_frame=lambda index, image: None,
        keep_field=lambda index, image: made.append((index, image)),
    )
    frames = iter(source.frames)
    ended = False
    for index in wanted.tolist():
        while not ended and not (made and made[-1][0] >= index):
            frame = next(frames, None)
            if frame is None:
                encoder.finish()
                ended = True
            else:
                encoder.add(frame)
        while len(made) > 1 and made[0][0] < index:
            made.popleft()
        yield codec.decode_fields(tf.constant([made[0][1]])).numpy()[0] if made else None


def _coloured(field: np.ndarray, fastest: float) -> np.ndarray:
    # One scale for the whole video, so that frames can be compared; what is slower than a byte's step is noise.
    return colour.flow_to_color(quantise.dequantise(field), max(fastest, 1.0))


def _position_maps(prediction: answer.Prediction) -> dict[str, np.ndarray]:
    names = {stream: f"{stream}_spatial_attention" for stream in config.STREAMS}
    return {stream: prediction.outputs[name] for stream, name in names.items() if name in prediction.outputs}


def _highest(prediction: answer.Prediction) -> dict[str, float]:
    """By stream the attention that is brightest, likewise one scale for the whole video."""
    steps = prediction.timeline.attention if prediction.timeline and _has_steps(prediction) else None
    maps = _position_maps(prediction) if steps is None else steps
    return {stream: max(_usual_highest(stacked.max(axis=(1, 2))), 1e-6) for stream, stacked in maps.items()}


def _usual_highest(highest: Sequence[float] | np.ndarray) -> float:
    """What the highest values of nine frames in ten do not exceed: a cut or a spike shall not make all others pale."""
    return float(np.percentile(highest, 90)) if len(highest) else 0.0


def _curves(prediction: answer.Prediction) -> dict[str, dict[str, np.ndarray]]:
    """By title and stream float32 [N], what varies over the frames of the whole video."""
    titles = {"temporal attention": "temporal_attention", "collaborative weights": "collaborative_weights"}
    found = {
        title: {
            stream: prediction.outputs[f"{stream}_{name}"]
            for stream in config.STREAMS
            if f"{stream}_{name}" in prediction.outputs
        }
        for title, name in titles.items()
    }
    return {title: curves for title, curves in found.items() if curves}
