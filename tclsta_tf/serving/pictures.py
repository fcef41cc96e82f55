"""Pictures for the page: sampled frames, their flow in colour, and heat maps to lay over both."""

import base64
from typing import Any

import cv2
import numpy as np

from tfrecords_tools.flow import colour, quantise

_HEAT_SIDE = 128  # pixels of a heat map; the page stretches it over its picture
_QUALITY = 80


def as_data(prediction: Any, crop_size: int) -> dict[str, Any]:
    """Draws an answer.

    Args:
        prediction: `tclsta_tf.prediction.classifier.Prediction`.
        crop_size: side of what the networks saw, pixels.

    Returns:
        `frames` and `flow`: addresses `data:image/jpeg` of N pictures; `heat`: stream -> N addresses `data:image/png`,
        transparent where the stream did not look. Without motion stream there is no `flow`.
    """
    clip = prediction.cropped(crop_size)
    pictures: dict[str, Any] = {"frames": [_jpeg(frame) for frame in clip.frames]}
    if clip.flow is not None and clip.flow.size and "motion_spatial_attention" in clip.outputs:
        pictures["flow"] = [_jpeg(colour.flow_to_color(quantise.dequantise(field))) for field in clip.flow]
    pictures["heat"] = {
        stream: _heat_maps(clip.outputs[f"{stream}_spatial_attention"])
        for stream in ("static", "motion")
        if f"{stream}_spatial_attention" in clip.outputs
    }
    return pictures


def _heat_maps(attention: np.ndarray) -> list[str]:
    # One scale for the whole video, so that frames can be compared.
    highest = max(float(attention.max()), 1e-6)
    return [_heat_map(np.clip(grid / highest, 0, 1)) for grid in attention]


def _heat_map(grid: np.ndarray) -> str:
    share = cv2.resize(grid.astype(np.float32), (_HEAT_SIDE, _HEAT_SIDE), interpolation=cv2.INTER_CUBIC)
    share = np.clip(share, 0, 1)
    coloured = cv2.applyColorMap((share * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    picture = np.dstack([coloured, (share * 217).astype(np.uint8)])
    return _address("png", cv2.imencode(".png", picture)[1])


def _jpeg(picture: np.ndarray) -> str:
    bgr = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGR)
    return _address("jpeg", cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])


def _address(kind: str, data: np.ndarray) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}"
