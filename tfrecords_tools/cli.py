"""How every command of both packages starts and how it ends when something is wrong.

A command that meets bad input says so in one line and leaves with a status that a script can test. A traceback is for
developers; `--traceback` shows it. What it says besides its result goes through `notes`, which `--quiet` switches off.
"""

import contextlib
import functools
import io
import itertools
import os
import re
import select
import sys
from collections.abc import Callable, Iterator, Sequence

from absl import app, flags, logging

from tfrecords_tools import help_text, interruption, notes, suggestions

# Exit statuses, documented in BUILD.md.
FAILURE = 1
USAGE = 2
INTERRUPTED = interruption.STATUS
UNREAD = 141  # what a shell reports of a program that nobody reads any more, as in `... | head`

_QUIET = flags.DEFINE_bool("quiet", False, "Print the result, warnings and errors only: no progress, no notes.")
_TRACEBACK = flags.DEFINE_bool("traceback", False, "Show the traceback of an error instead of one line (developers).")


def run(main: Callable[[Sequence[str]], int | None], needs: Sequence[str] = (), goes_on: bool = False) -> None:
    """Parses the flags, runs `main` and turns its errors into one line and an exit status.

    Args:
        main: gets the operands (`argv` with the program's name first) and returns an exit status, None meaning 0.
        needs: names of the flags that the command cannot start without, for --help.
        goes_on: whether the command, when it is interrupted and run again, goes on where it was.

    Raises:
        SystemExit: always, with 0, the status of `main`, or the status of the error that was reported.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # in a log, results and errors shall stand in their order
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[_QUIET.name])  # --help shows it too
    app.run(_reporting(main, goes_on), flags_parser=functools.partial(_parse_flags, needs))


def reject_operands(argv: Sequence[str]) -> None:
    """Refuses what stands on the command line beside the flags, for a command that takes flags only.

    Args:
        argv: the program's name and the operands.

    Raises:
        app.UsageError: when there is any operand.
    """
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: this command takes flags only (--name=value)")


@contextlib.contextmanager
def loading(begins: str = "") -> Iterator[None]:
    """Says what begins before the block imports TensorFlow, which takes seconds in which nothing would be seen.

    Args:
        begins: what the command is about to do; "" says nothing. Where TensorFlow is loaded, nothing is said either.
    """
    if begins and "tensorflow" not in sys.modules:
        notes.say(f"{begins} (loading TensorFlow takes some seconds)")
    interruption.end_at_once()
    try:
        yield
    finally:
        interruption.raise_interrupt()


def complain(error: object) -> None:
    """Writes one line about an error to the error output, with what the user may have meant."""
    line = " ".join(str(error).split())
    hint = "" if "Did you mean" in line else _suggestion(line)
    line += "." * (bool(hint) and line[-1] not in ".?!") + hint
    sys.stdout.flush()
    notes.end_line()
    print(f"error: {line}", file=sys.stderr)


def _parse_flags(needs: Sequence[str], argv: Sequence[str]) -> list[str]:
    app.define_help_flags()
    try:
        if help_text.ASKS.intersection(itertools.takewhile(lambda word: word != "--", argv[1:])):
            print(help_text.compose(needs), end="", flush=True)
            raise SystemExit(0)
        return flags.FLAGS(argv)
    except SystemExit:  # absl ends --helpfull with status 1; asking for help is no failure
        raise SystemExit(0) from None
    except (flags.Error, OSError, UnicodeError) as error:
        if _is_unread(error):
            raise SystemExit(UNREAD) from None
        complain(_in_our_words(error))
        raise SystemExit(USAGE) from None


def _in_our_words(error: Exception) -> str:
    """Says what absl finds wrong with the flags in the way that everything else is said here."""
    if isinstance(error, flags.UnrecognizedFlagError):
        own = [flag.name for flag in flags.FLAGS.get_key_flags_for_module(sys.argv[0])]
        known = own if suggestions.among(error.flagname, own) else list(flags.FLAGS)
        hint = suggestions.among(f"--{error.flagname}", (f"--{name}" for name in known))
        return f"Unknown command line flag {error.flagname!r}.{hint or ' See --help'}"
    text = str(error).removeprefix("ERROR:: ")
    if unopened := re.fullmatch(r"Unable to open flagfile: \[Errno \d+\] (.*): '(.*)'", text):
        return f"the flagfile {unopened[2]} cannot be opened ({unopened[1]})"
    if missing := re.search(r"Flag (--\w+) must have a value other than None", text):
        return f"{missing[1]} is missing: this command cannot start without it (see --help)"
    return text


def _reporting(main: Callable[[Sequence[str]], int | None], goes_on: bool) -> Callable[[Sequence[str]], None]:
    def guarded(argv: Sequence[str]) -> None:
        if not flags.FLAGS["verbosity"].present:
            # Libraries' errors, not their news and their advice to developers.
            logging.set_verbosity(logging.ERROR)
            logging.get_absl_handler().setLevel("ERROR")  # through which the news of libraries come that set levels
        notes.set_quiet(_QUIET.value)
        interruption.raise_interrupt()
        try:
            with interruption.never_lost():
                status = main(argv)
        except KeyboardInterrupt:
            status = _interrupted(goes_on)
        except (app.UsageError, flags.Error) as error:
            complain(error)
            status = USAGE
        except Exception as error:
            if interruption.has_come():
                raise SystemExit(_interrupted(goes_on)) from None
            if _is_unread(error):
                raise SystemExit(UNREAD) from None
            status = getattr(error, "exit_status", FAILURE)  # of an end that a script may want to tell from a failure
            if _TRACEBACK.value or not (status != FAILURE or _is_about_input(error)):
                raise
            complain(error)
        interruption.end_at_once(says=False)  # what libraries do at the very end cannot be interrupted without a trace
        raise SystemExit(status or 0)

    return guarded


def _interrupted(goes_on: bool) -> int:
    interruption.end_at_once(says=False)  # who presses again wants no other line
    notes.end_line(sys.stderr.isatty())  # a terminal shows ^C
    complain("interrupted" + ("; run the same command again to go on" if goes_on else ""))
    logging.get_absl_handler().setLevel("CRITICAL")  # libraries complain of what was broken off in their midst
    return INTERRUPTED


def _is_unread(error: Exception) -> bool:
    """Whether it says that whoever read the standard output has stopped, which is no failure of the command."""
    if not isinstance(error, BrokenPipeError) or not isinstance(sys.stdout, io.TextIOWrapper):
        return False
    asked = select.poll()
    asked.register(sys.stdout, 0)
    if not any(events & select.POLLERR for _, events in asked.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes the rest at its end
    return True


def _is_about_input(error: Exception) -> bool:
    """Whether `error` is of a kind that bad input causes; anything else is a defect and keeps its traceback."""
    if isinstance(error, ValueError | OSError):
        return True
    # Looked up, not imported: commands that never load TensorFlow must not pay for it here.
    tf = sys.modules.get("tensorflow")
    return tf is not None and isinstance(error, tf.errors.DataLossError | tf.errors.NotFoundError)


_CHOICES = (
    re.compile(r"--\w+=(?P<value>.*): value should be one of <(?P<known>.*?)>"),  # absl's
    re.compile(r"must (?:be one of|be among|name) (?P<known>.*?)\.? Received: (?:[-\w]+=)?(?P<value>[^()]*)"),
)


def _suggestion(line: str) -> str:
    """What the user may have meant by a value that an error complains of: one of a flag, a file, a folder."""
    for pattern in _CHOICES:
        if refused := pattern.search(line):
            known = re.split(r"[|, ]+", refused["known"])
            wrong = [value.strip(" '[]") for value in refused["value"].split(",")]
            return suggestions.among([value for value in wrong if value not in known], known)
    for word in sys.argv[1:]:
        value = word.partition("=")[2] if word.startswith("-") else word
        shown = "|".join(re.escape(text) for text in {value, os.path.abspath(value)})
        if value and re.search(rf"(?<![\w/.-])({shown})(?![\w-])", line) and (hint := suggestions.for_path(value)):
            return hint
    return ""
