"""Frames of a camera while they come, or of a video file in its place."""

import contextlib
import math
import queue
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from tfrecords_tools import video


class Camera:
    """A camera that has been opened.

    A thread takes its frames as they come. Who cannot keep up gets the newest `behind` seconds: older frames are
    dropped, a stretch without a gap ends there and another begins.

    Args:
        capture: what OpenCV opened.
        name: what it is called.
        frame_rate: frames per second.
        behind: seconds of frames that are kept for who is busy.
    """

    def __init__(self, capture: cv2.VideoCapture, name: str, frame_rate: float, behind: float) -> None:
        self.name = name
        self.frame_rate = frame_rate
        self._capture = capture
        self._waiting: queue.Queue[tuple[int, np.ndarray | None]] = queue.Queue(max(1, round(behind * frame_rate)))
        self._held: tuple[int, np.ndarray | None] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    def stretches(self) -> Iterator[tuple[float, Iterator[np.ndarray]]]:
        """Gives the frames.

        Yields:
            For each stretch without a gap its start in seconds and its frames, uint8 [H, W, 3], RGB, to be taken before
            the next.
        """
        while (first := self._take())[1] is not None:
            self._held = first
            yield first[0] / self.frame_rate, self._stretch(first[0])

    def close(self) -> None:
        """Gives the camera back."""
        self._stopped.set()
        self._thread.join()
        self._capture.release()

    def _stretch(self, index: int) -> Iterator[np.ndarray]:
        while True:
            item = self._take()
            if item[1] is None or item[0] != index:
                self._held = item
                return
            yield cv2.cvtColor(item[1], cv2.COLOR_BGR2RGB)
            index += 1

    def _take(self) -> tuple[int, np.ndarray | None]:
        if self._held is None:
            return self._waiting.get()
        item, self._held = self._held, None
        return item

    def _pump(self) -> None:
        index = 0
        while not self._stopped.is_set():
            done, frame = self._capture.read()
            item = (index, frame if done else None)
            while True:
                try:
                    self._waiting.put_nowait(item)
                    break
                except queue.Full:
                    with contextlib.suppress(queue.Empty):
                        self._waiting.get_nowait()
            if not done:
                return
            index += 1


class FileAsCamera:
    """A video file that is read like a camera, without a gap.

    Args:
        file: the file.
    """

    def __init__(self, file: video.VideoFile) -> None:
        self.name = str(file.path)
        self.frame_rate = file.frame_rate
        self._file = file

    def stretches(self) -> Iterator[tuple[float, Iterator[np.ndarray]]]:
        """Gives the frames: one stretch, see `Camera`."""
        yield 0.0, iter(self._file)

    def close(self) -> None:
        """Does nothing: the file is closed with its iteration."""


@contextlib.contextmanager
def opened(which: str, behind: float) -> Iterator[Camera | FileAsCamera]:
    """Opens a camera.

    Args:
        which: its number, its device such as /dev/video0, or a video file.
        behind: see `Camera`.

    Raises:
        tfrecords_tools.video.VideoError: it is not there, or gives no picture.
    """
    if not which.isdecimal() and Path(which).is_file():
        file = FileAsCamera(video.read_video(which))
        yield file
        return
    name = f"camera {which}"
    device = Path(f"/dev/video{which}" if which.isdecimal() else which)
    # Asked first where devices are files, since OpenCV complains in lines of its own.
    if sys.platform == "linux" and not device.exists():
        raise video.VideoError(name, f"it is not there ({device} does not exist)")
    capture = cv2.VideoCapture(int(which) if which.isdecimal() else which)
    done, _ = capture.read()
    if not done:
        capture.release()
        raise video.VideoError(name, "it gives no picture; is it in use by another program?")
    rate = capture.get(cv2.CAP_PROP_FPS)
    frame_rate = rate if math.isfinite(rate) and rate > 0 else video.DEFAULT_FRAME_RATE
    camera = Camera(capture, name, frame_rate, behind)
    try:
        yield camera
    finally:
        camera.close()
