"""Ctrl-C at a moment when Python would answer it with a traceback: one line instead, and exit status 130.

While libraries load there is nothing to put in order, and a KeyboardInterrupt in the middle of them may be lost or come
out as another error. A command therefore starts with a handler that ends the process at once, works with Python's own
handler, and ends with the first one again.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

STATUS = 128 + signal.SIGINT
"""What a shell reports of a process that the signal has ended."""

_takes_part = False
_has_come = False

error_output = 2
"""File descriptor of the error output, another one while `quiet_import` keeps back what is written to the usual one."""


def starts_command(packages: tuple[str, ...]) -> bool:
    """Whether Python is about to run a module of these packages, `python -m PACKAGE.MODULE`."""
    if sys.argv[:1] != ["-m"]:  # what stands there while `python -m` looks for the module
        return False
    line = sys.orig_argv
    return any(word == "-m" and name.partition(".")[0] in packages for word, name in zip(line, line[1:], strict=False))


def take_over() -> None:
    """Begins to answer Ctrl-C, in the process of a command; elsewhere the functions below leave it alone."""
    global _takes_part
    _takes_part = True
    end_at_once()


def end_at_once(says: bool = True) -> None:
    """From now on Ctrl-C ends the process, with a line or without. A handler of somebody else stays."""
    _replace(_end_with_line if says else _end)


def raise_interrupt() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt, as usual. A handler of somebody else stays."""
    _replace(_raise)


def has_come() -> bool:
    """Whether Ctrl-C has raised KeyboardInterrupt; a library may have made another error of it."""
    return _has_come


@contextmanager
def never_lost() -> Iterator[None]:
    """Sends the signal once more where its exception came in a place in which Python ignores it, as in a finaliser."""
    before = sys.unraisablehook

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            before(unraisable)
            return
        import threading

        # Not at once: Python is still in that place.
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextmanager
def kept_from_children() -> Iterator[None]:
    """Lets processes that are started meanwhile never see Ctrl-C, which reaches every process of a terminal.

    The signal stays blocked in them, also while they load. In this process it waits until the block is left, so that
    whoever ends the processes knows of all of them; a second one does not wait.

    Raises:
        KeyboardInterrupt: when the block is left.
    """
    import threading  # Here, since few commands start processes, and this module is loaded first of all.
    from multiprocessing import resource_tracker

    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            _raise(number, frame)

    resource_tracker.ensure_running()  # The first process would start it, which unblocks the signal again.
    handler = signal.getsignal(signal.SIGINT)
    if handler in (signal.default_int_handler, _raise) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, note)  # a thread in which it is not blocked hands the signal to this handler
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, handler)
    if came:
        _raise(came[0], None)


def _replace(handler: Callable[[int, FrameType | None], object]) -> None:
    ours = (signal.default_int_handler, _raise, _end_with_line, _end)
    if _takes_part and signal.getsignal(signal.SIGINT) in ours:
        with suppress(ValueError):  # not the main thread, which alone sees the signal
            signal.signal(signal.SIGINT, handler)


def _raise(number: int, frame: FrameType | None) -> None:
    global _has_come
    _has_come = True
    raise KeyboardInterrupt


def _end_with_line(number: int, frame: FrameType | None) -> None:
    os.write(error_output, b"\n" * os.isatty(error_output) + b"error: interrupted\n")
    _end(number, frame)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(STATUS)
