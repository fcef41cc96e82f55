"""How every command of both packages starts and how it ends when something is wrong.

A command that meets bad input says so in one line and leaves with a status that a script can test. A traceback is for
developers; `--traceback` shows it.
"""

import io
import sys
from collections.abc import Callable, Sequence

from absl import app, flags, logging

# Exit statuses, documented in BUILD.md.
FAILURE = 1
USAGE = 2
INTERRUPTED = 130

_TRACEBACK = flags.DEFINE_bool("traceback", False, "Show the traceback of an error instead of one line (developers).")


def run(main: Callable[[Sequence[str]], int | None]) -> None:
    """Parses the flags, runs `main` and turns its errors into one line and an exit status.

    Args:
        main: gets the operands (`argv` with the program's name first) and returns an exit status, None meaning 0.

    Raises:
        SystemExit: always, with 0, the status of `main`, or the status of the error that was reported.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # in a log, results and errors shall stand in their order
    app.run(_reporting(main), flags_parser=_parse_flags)


def reject_operands(argv: Sequence[str]) -> None:
    """Refuses what stands on the command line beside the flags, for a command that takes flags only.

    Args:
        argv: the program's name and the operands.

    Raises:
        app.UsageError: when there is any operand.
    """
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: this command takes flags only (--name=value)")


def _parse_flags(argv: Sequence[str]) -> list[str]:
    app.define_help_flags()
    try:
        return flags.FLAGS(argv)
    except SystemExit:  # absl ends --help with status 1; asking for help is no failure
        raise SystemExit(0) from None
    except (flags.Error, OSError, UnicodeError) as error:
        _complain(error)
        raise SystemExit(USAGE) from None


def _reporting(main: Callable[[Sequence[str]], int | None]) -> Callable[[Sequence[str]], None]:
    def guarded(argv: Sequence[str]) -> None:
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.ERROR)  # libraries' errors, not their news and their advice to developers
        try:
            status = main(argv)
        except KeyboardInterrupt:
            _complain("interrupted; run the same command again to go on")
            status = INTERRUPTED
        except (app.UsageError, flags.Error) as error:
            _complain(error)
            status = USAGE
        except Exception as error:
            status = getattr(error, "exit_status", FAILURE)  # of an end that a script may want to tell from a failure
            if _TRACEBACK.value or not (status != FAILURE or _is_about_input(error)):
                raise
            _complain(error)
        raise SystemExit(status or 0)

    return guarded


def _is_about_input(error: Exception) -> bool:
    """Whether `error` is of a kind that bad input causes; anything else is a defect and keeps its traceback."""
    if isinstance(error, ValueError | OSError):
        return True
    # Looked up, not imported: commands that never load TensorFlow must not pay for it here.
    tf = sys.modules.get("tensorflow")
    return tf is not None and isinstance(error, tf.errors.DataLossError | tf.errors.NotFoundError)


def _complain(error: object) -> None:
    line = " ".join(str(error).split())
    sys.stdout.flush()
    print(f"error: {line}", file=sys.stderr)
