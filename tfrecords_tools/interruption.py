"""Ctrl-C at a moment when Python would answer it with a traceback: one line instead, and exit status 130.

While libraries load there is nothing to put in order, and a KeyboardInterrupt in the middle of them may be lost or come
out as another error. A command therefore starts with a handler that ends the process at once, works with Python's own
handler, and ends with the first one again.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STATUS = 128 + signal.SIGINT
"""What a shell reports of a process that the signal has ended."""

error_output = 2
"""File descriptor of the error output, another one while `quiet_import` keeps back what is written to the usual one."""


def starts_command(packages: tuple[str, ...]) -> bool:
    """Whether Python is about to run a module of these packages, `python -m PACKAGE.MODULE`."""
    if sys.argv[:1] != ["-m"]:  # what stands there while `python -m` looks for the module
        return False
    line = sys.orig_argv
    return any(word == "-m" and name.partition(".")[0] in packages for word, name in zip(line, line[1:], strict=False))


def end_at_once(says: bool = True) -> None:
    """From now on Ctrl-C ends the process, with a line or without. A handler of somebody else stays."""
    _replace(_end_with_line if says else _end)


def raise_interrupt() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt, as usual. A handler of somebody else stays."""
    _replace(signal.default_int_handler)


@contextmanager
def kept_from_children() -> Iterator[None]:
    """Lets processes that are started meanwhile never see Ctrl-C, which reaches every process of a terminal.

    The signal stays blocked in them, also while they load. In this process it waits until the block is left.
    """
    from multiprocessing import resource_tracker  # Here, since few commands start processes.

    # The first process would start it, which unblocks the signal again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _replace(handler: object) -> None:
    ours = (signal.default_int_handler, _end_with_line, _end)
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) in ours:
        signal.signal(signal.SIGINT, handler)  # type: ignore[arg-type]


def _end_with_line(number: int, frame: FrameType | None) -> None:
    os.write(error_output, b"\n" * os.isatty(error_output) + b"error: interrupted\n")
    _end(number, frame)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(STATUS)
