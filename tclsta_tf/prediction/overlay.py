"""Draws an answer over its video: where the model looked, when, how things moved, and what it says."""

import os
from collections.abc import Iterator

import cv2
import numpy as np

from tclsta_tf.prediction import classifier
from tfrecords_tools import storage, video
from tfrecords_tools.flow import colour, quantise

_WIDTH = 640  # pixels of the picture; text is sized for it
_PANEL = 112  # pixels of the strip below the picture
_WHITE, _GREY, _BLUE, _ORANGE = (255, 255, 255), (150, 150, 150), (219, 152, 52), (60, 140, 245)  # BGR
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def write_overlay(
    prediction: classifier.Prediction, crop_size: int, output: str | os.PathLike[str] | storage.RemotePath
) -> None:
    """Writes the video again with the static stream's heat map, a flow inset, the best classes and both time curves.

    Args:
        prediction: of that video.
        crop_size: side in pixels of the centre crop that the model saw, at stored resolution.
        output: an .mp4 or .avi file; it appears only when it is whole.

    Raises:
        ValueError: where the output is of another kind.
        OSError: where it cannot be written.
    """
    with storage.staged(prediction.path) as path:
        source = video.read_video(path)

        def pictures() -> Iterator[np.ndarray]:
            for index, frame in enumerate(source):
                picture = _draw(prediction, crop_size, frame, index / source.frame_rate)
                yield cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)

        video.write_video(output, pictures(), source.frame_rate)


def _draw(prediction: classifier.Prediction, crop_size: int, frame: np.ndarray, seconds: float) -> np.ndarray:
    """One picture, BGR uint8, of the RGB `frame` shown at `seconds`."""
    height = round(frame.shape[0] * _WIDTH / frame.shape[1] / 2) * 2
    nearest = int(np.argmin(np.abs(prediction.timestamps - seconds)))
    picture = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), (_WIDTH, height))
    _blend_heat_map(picture, prediction, crop_size, nearest)
    _inset_flow(picture, prediction, nearest)
    panel = np.full((_PANEL, _WIDTH, 3), 24, np.uint8)
    _list_classes(panel, prediction)
    _plot_curves(panel, prediction, seconds)
    return np.concatenate([picture, panel])


def _blend_heat_map(picture: np.ndarray, prediction: classifier.Prediction, crop_size: int, index: int) -> None:
    stored_height, stored_width = prediction.frames.shape[1:3]
    top = round((stored_height - crop_size) // 2 * picture.shape[0] / stored_height)
    left = round((stored_width - crop_size) // 2 * picture.shape[1] / stored_width)
    height = round(crop_size * picture.shape[0] / stored_height)
    width = round(crop_size * picture.shape[1] / stored_width)
    attention = prediction.outputs["static_spatial_attention"][index]
    heat = cv2.resize(attention, (width, height), interpolation=cv2.INTER_CUBIC)
    # One scale for the whole video, so that frames can be compared.
    highest = max(float(prediction.outputs["static_spatial_attention"].max()), 1e-6)
    share = np.clip(heat / highest, 0, 1)
    coloured = cv2.applyColorMap((share * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    region = picture[top : top + height, left : left + width]
    share = 0.6 * share[: region.shape[0], : region.shape[1], np.newaxis]
    region[:] = (region * (1 - share) + coloured[: region.shape[0], : region.shape[1]] * share).astype(np.uint8)


def _inset_flow(picture: np.ndarray, prediction: classifier.Prediction, index: int) -> None:
    field = colour.flow_to_color(quantise.dequantise(prediction.flow[index]))
    width = picture.shape[1] // 4
    height = round(width * field.shape[0] / field.shape[1])
    inset = cv2.resize(cv2.cvtColor(field, cv2.COLOR_RGB2BGR), (width, height))
    picture[8 : 8 + height, -8 - width : -8] = inset
    cv2.rectangle(picture, (picture.shape[1] - 8 - width, 8), (picture.shape[1] - 9, 7 + height), _WHITE, 1)


def _list_classes(panel: np.ndarray, prediction: classifier.Prediction) -> None:
    for row, (label, score) in enumerate(prediction.top(5)):
        y = 18 + 20 * row
        cv2.rectangle(panel, (8, y - 11), (8 + round(100 * min(score, 1.0)), y + 3), _BLUE, -1)
        cv2.putText(panel, f"{score:.2f} {label}", (116, y), _FONT, 0.45, _WHITE, 1, cv2.LINE_AA)


def _plot_curves(panel: np.ndarray, prediction: classifier.Prediction, seconds: float) -> None:
    left, right, top, bottom = 340, _WIDTH - 10, 24, _PANEL - 10
    end = max(float(prediction.timestamps[-1]), 1e-6)
    for name, shade in (("static", _BLUE), ("motion", _ORANGE)):
        weights = prediction.outputs[f"{name}_collaborative_weights"]
        x = left + (right - left) * np.clip(prediction.timestamps / end, 0, 1)
        y = bottom - (bottom - top) * weights / max(float(weights.max()), 1e-6)
        points = np.stack([x, y], axis=1).round().astype(np.int32)
        cv2.polylines(panel, [points], False, shade, 2, cv2.LINE_AA)
    cursor = round(left + (right - left) * min(seconds / end, 1.0))
    cv2.line(panel, (cursor, top - 4), (cursor, bottom), _GREY, 1)
    cv2.putText(panel, "weight over time: static", (left, 14), _FONT, 0.4, _BLUE, 1, cv2.LINE_AA)
    cv2.putText(panel, "motion", (left + 180, 14), _FONT, 0.4, _ORANGE, 1, cv2.LINE_AA)
