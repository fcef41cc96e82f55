"""OpenCV's optical flow: DIS, TV-L1 and Farneback.

Every method takes grey frames, uint8 [n, H, W], and gives the flow of each consecutive pair, float32 [n - 1, H, W, 2],
u (to the right) and v (down) in pixels per frame.
"""

from collections.abc import Callable

import cv2
import numpy as np


def dis(frames: np.ndarray) -> np.ndarray:
    """Dense inverse search, preset "medium": the fastest method here that is of use.

    Reference: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016.
    """
    return _each_pair(frames, lambda: cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM))


def tvl1(frames: np.ndarray) -> np.ndarray:
    """Duality based TV-L1 with OpenCV's defaults, which most published two-stream results rest on; slow.

    Reference: Zach, Pock, Bischof, "A Duality Based Approach for Realtime TV-L1 Optical Flow", DAGM 2007.
    """
    if not hasattr(cv2, "optflow"):
        raise ValueError(
            "`flow` tvl1_opencv needs the cv2 of opencv-contrib-python-headless. Received: a cv2 without `optflow`. "
            "Uninstall opencv-python and install opencv-contrib-python-headless, or take another method"
        )
    return _each_pair(frames, cv2.optflow.DualTVL1OpticalFlow_create)


def farneback(frames: np.ndarray) -> np.ndarray:
    """Polynomial expansion: 5 pyramid levels of scale 0.5, windows of 15 pixels, 3 iterations, expansion over 5 pixels.

    Reference: Farneback, "Two-Frame Motion Estimation Based on Polynomial Expansion", SCIA 2003.
    """

    def create() -> cv2.FarnebackOpticalFlow:
        return cv2.FarnebackOpticalFlow_create(
            numLevels=5, pyrScale=0.5, fastPyramids=False, winSize=15, numIters=3, polyN=5, polySigma=1.1, flags=0
        )

    return _each_pair(frames, create)


def check(frames: np.ndarray) -> None:
    """Refuses what is not uint8 [n, H, W], n >= 1."""
    if frames.dtype != np.uint8 or frames.ndim != 3 or len(frames) < 1:
        raise ValueError(f"`frames` must be uint8 [n, H, W], n >= 1. Received: {frames.dtype} {list(frames.shape)}")


def _each_pair(frames: np.ndarray, create: Callable[[], cv2.DenseOpticalFlow]) -> np.ndarray:
    check(frames)
    frames = np.ascontiguousarray(frames)  # DIS refuses strided input.
    flow = np.empty((len(frames) - 1, *frames.shape[1:], 2), np.float32)
    for i in range(len(flow)):
        # A new object every time, which costs nothing: on small frames DIS starts from what it found last.
        flow[i] = create().calc(frames[i], frames[i + 1], None)
    return flow
