"""What somebody may have meant who named what is not there."""

import difflib
import itertools
import os
from collections.abc import Iterable
from pathlib import Path

_MOST_ENTRIES = 10_000
"""Names of a folder that are looked at: an error must not wait for a folder of a million files."""


def among(wrong: str | Iterable[str], known: Iterable[str]) -> str:
    """Says which of the known names are close to wrong ones.

    Args:
        wrong: A name, or several.
        known: The names that there are.

    Returns:
        A sentence with a space before it, to stand behind an error; "" where no name is close.
    """
    known = list(known)
    return _sentence(name for each in ([wrong] if isinstance(wrong, str) else wrong) for name in _close(each, known))


def for_path(path: str | os.PathLike[str]) -> str:
    """Says which files or folders are called nearly like one that is not there.

    Args:
        path: On this machine; about remote storage nothing is said.

    Returns:
        A sentence as from `among`; "" where the path exists, or nothing near it does.
    """
    text = os.fspath(path)
    if not text or "://" in text or "\0" in text:
        return ""
    try:
        return _sentence(map(str, _near(Path(text))))
    except OSError:  # a folder that may not be read, a name that is too long
        return ""


def _near(path: Path) -> list[Path]:
    for depth in range(len(path.parts)):
        if not Path(*path.parts[: depth + 1]).exists():
            break
    else:
        return []
    parent, (missing, *rest) = Path(*path.parts[:depth]), path.parts[depth:]
    if not parent.is_dir():
        return []
    with os.scandir(parent) as entries:
        known = [entry.name for entry in itertools.islice(entries, _MOST_ENTRIES)]
    folders = [parent / name for name in _close(missing, known)]
    whole = [folder.joinpath(*rest) for folder in folders]
    return [found for found in whole if found.exists()] or folders


def _close(wrong: str, known: Iterable[str]) -> list[str]:
    by_lower_case = {name.lower(): name for name in known}
    return [by_lower_case[name] for name in difflib.get_close_matches(wrong.lower(), by_lower_case, 2)]


def _sentence(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    return f" Did you mean {' or '.join(found)}?" if found else ""
