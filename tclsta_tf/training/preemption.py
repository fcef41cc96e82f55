"""Leaving in good order when the machine is taken away: SIGTERM asks to stop, and the loop saves first."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


class Preempted(RuntimeError):
    """The process was asked to end, and the training is saved up to the step it had done."""

    exit_status = 128 + signal.SIGTERM
    """Of a command that ends by it, what a shell reports of a process that the signal has ended."""


@contextlib.contextmanager
def watch() -> Iterator[Callable[[], bool]]:
    """Notes SIGTERM instead of dying of it.

    Yields:
        A function that says whether the signal has come. Outside the main thread, where signals cannot be caught, it
        never has.
    """
    came = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        came.set()

    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    before = signal.signal(signal.SIGTERM, note)
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
