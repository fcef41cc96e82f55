"""Optical flow in 8 bits, as it is stored and as the motion stream reads it."""

import numpy as np

from tfrecords_tools import schema

SATURATION = schema.FLOW_SATURATION

ZERO = 128
"""The byte of zero motion. (20 * 255 / 40 is 127.5, rounded up.)"""

LEVELS = 255.0 / (2.0 * SATURATION)
"""Bytes per pixel of motion: 6.375, exact in binary. Dividing by the step instead would take zero motion to 127."""

STEP = 1.0 / LEVELS
"""Pixels per frame between two neighbouring bytes."""


def quantise(flow: np.ndarray) -> np.ndarray:
    """Clips flow to [-20, 20] and stores it as round((v + 20) * 255 / 40), halves rounded up.

    Args:
        flow: float [...], pixels per frame, finite.

    Returns:
        uint8, shape of `flow`; zero motion is 128.
    """
    clipped = np.clip(flow, -SATURATION, SATURATION)
    return np.floor((clipped + SATURATION) * LEVELS + 0.5).astype(np.uint8)


def dequantise(stored: np.ndarray) -> np.ndarray:
    """Gives the motion in the middle of each byte's range, so within half a step (0.078) of what was stored.

    Args:
        stored: uint8 [...].

    Returns:
        float32, shape of `stored`, pixels per frame in [-20, 20].
    """
    return np.asarray(stored, dtype=np.float32) * np.float32(STEP) - np.float32(SATURATION)
