"""One pass over the frames of a video, of any length, from which clips fall out as they become complete."""

from collections.abc import Iterable

import numpy as np

from tclsta_tf.prediction import clips
from tfrecords_tools import config as record_config
from tfrecords_tools import storage, writer


class ClipReader:
    """Collects clips that overlap: each image that any of them needs is made once, and dropped with the last of them.

    What it holds depends on the clips that are under way at one time, not on the length of the video.

    Args:
        settings: how records are made.
        place: names the video in errors.
        wanted: the clips, by ascending first frame of their windows; taken one by one as the video gets there, so that
            it may have no end.
        prompt: gives a clip as soon as its last frame is there, instead of when a batch of flow is full.
    """

    def __init__(
        self,
        settings: record_config.RecordSettings,
        place: str | storage.AnyPath,
        wanted: Iterable[clips.Clip],
        prompt: bool = False,
    ) -> None:
        self._coming = iter(wanted)
        self._next = next(self._coming, None)
        self._open: list[clips.Pending] = []
        self._prompt = prompt
        self._encoder = writer.Encoder(
            settings,
            place,
            wants_frame=lambda index: any(index in pending.frames for pending in self._open),
            wants_field=lambda index: any(index in pending.fields for pending in self._open),
            keep_frame=self._keep_frame,
            keep_field=self._keep_field,
        )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of stored frames, in pixels."""
        return self._encoder.size

    @property
    def unfinished(self) -> int:
        """Clips that were begun and lack images."""
        return len(self._open)

    def add(self, frame: np.ndarray) -> list[clips.Pending]:
        """Takes the next frame.

        Args:
            frame: uint8 [H, W, 3], RGB.

        Returns:
            The clips that it completes, in order.

        Raises:
            tfrecords_tools.video.VideoError: its stored size is another than that of the frames before it.
        """
        index = self._encoder.num_frames
        while self._next is not None and self._next.window.first <= index:
            self._open.append(clips.Pending(self._next))
            self._next = next(self._coming, None)
        self._encoder.add(frame)
        if self._prompt and any(pending.last_frame == index for pending in self._open):
            self._encoder.flush()
        return self._completed()

    def finish(self) -> list[clips.Pending]:
        """Ends the video.

        Returns:
            The clips that are complete with it.

        Raises:
            tfrecords_tools.video.VideoError: it had no frame.
        """
        self._encoder.finish()
        return self._completed()

    def _completed(self) -> list[clips.Pending]:
        done = [pending for pending in self._open if pending.is_complete]
        if done:
            self._open = [pending for pending in self._open if not pending.is_complete]
        return done

    def _keep_frame(self, index: int, image: bytes) -> None:
        for pending in self._open:
            pending.keep(pending.frames, index, image)

    def _keep_field(self, index: int, image: bytes) -> None:
        for pending in self._open:
            pending.keep(pending.fields, index, image)
