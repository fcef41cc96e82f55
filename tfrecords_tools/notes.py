"""What a command says besides its result: what it begins and how far it is. `--quiet` switches all of it off.

The standard output is for the result. Lines are rewritten in place, and bars drawn, on a terminal only.
"""

import sys
from typing import Any, TextIO

import tqdm

_quiet = False
_has_open_line = False


def set_quiet(quiet: bool) -> None:
    """Says nothing from now on, or again what there is to say."""
    global _quiet
    _quiet = quiet


def say(line: str, file: TextIO | None = None) -> None:
    """Writes a line.

    Args:
        line: What to say.
        file: Where; None for the error output.
    """
    if not _quiet:
        end_line()
        print(line, file=file or sys.stderr, flush=True)  # noqa: T201


def rewrite(line: str) -> None:
    """Writes a line, on a terminal over the one before that was written so."""
    global _has_open_line
    if _quiet:
        return
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{line}")
        sys.stderr.flush()
        _has_open_line = True
    else:
        say(line)


def end_line(is_open: bool = False) -> None:
    """Ends the line that `rewrite` would go on to write over, so that another one can follow.

    Args:
        is_open: Whether somebody else has begun a line, such as the terminal that shows ^C.
    """
    global _has_open_line
    if _has_open_line or is_open:
        sys.stderr.write("\n")
        sys.stderr.flush()
    _has_open_line = False


def bar(shown: bool | None = None, **options: Any) -> tqdm.tqdm:
    """Gives a progress bar on the error output.

    Args:
        shown: True and False; None shows it on a terminal only. `--quiet` goes before.
        **options: Those of tqdm.
    """
    disable: bool | None = True if _quiet else None if shown is None else not shown
    return tqdm.tqdm(disable=disable, **options)
