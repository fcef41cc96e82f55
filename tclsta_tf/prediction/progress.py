"""How far a command is, on the error output of a terminal: videos, and within a long one its seconds."""

import contextlib
import types
from collections.abc import Iterator
from typing import Any

from tfrecords_tools import notes

_LONG = 20.0
"""Seconds of a video from which on it has a bar of its own."""


class Bars:
    """The bars; a context manager.

    Args:
        videos: how many there are.
        shown: True and False; None shows them on a terminal only.
    """

    def __init__(self, videos: int, shown: bool | None = None) -> None:
        self._shown = shown
        self._videos = notes.bar(shown, total=videos, unit="video")
        self._seconds: Any = None

    def __enter__(self) -> "Bars":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self.end_part()
        self._videos.close()

    def within(self, done: float, total: float) -> None:
        """Tells how many seconds of a video are done."""
        if self._seconds is None:
            if total < _LONG:
                return
            form = "{l_bar}{bar}| {n:.0f}/{total:.0f} s of video [{elapsed}<{remaining}]"
            self._seconds = notes.bar(self._shown, total=total, leave=False, bar_format=form)
        self._seconds.update(done - self._seconds.n)

    def end_part(self) -> None:
        """Takes the bar of seconds away."""
        if self._seconds is not None:
            self._seconds.close()
            self._seconds = None

    def end_video(self) -> None:
        """Counts a video."""
        self.end_part()
        self._videos.update()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Takes the bars away while lines are printed."""
        with self._videos.external_write_mode():
            yield
