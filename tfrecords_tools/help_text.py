"""The answer to --help: what the command does, what it cannot do without, and all its other flags."""

import re
import sys
from collections.abc import Sequence

from absl import flags

ASKS = frozenset({"--help", "-help", "-h", "-?"})

_END = """\
A switch is --name or --noname, all others are --name=value. --flagfile=FILE reads flags from a file, one a line; what
stands behind it wins. --helpfull lists the flags of libraries too.
"""


def compose(needs: Sequence[str] = ()) -> str:
    """Gives the text.

    Args:
        needs: Names of the flags without which the command cannot start.
    """
    described = flags.FLAGS.main_module_help()
    entries = {}
    for entry in re.split(r"^(?=  -)", described, flags=re.MULTILINE)[1:]:
        name = re.search(r"--(?:\[no\])?(\w+)", entry)
        entries[name[1] if name else entry] = entry.rstrip() + "\n"
    needed = "".join(entries.pop(name) for name in needs)
    parts = [(sys.modules["__main__"].__doc__ or "").strip() + "\n"]
    if needed:
        parts.append(f"needed:\n{needed}")
    parts += [f"{'further ' if needed else ''}flags:\n{''.join(entries.values())}", _END]
    return "\n".join(parts)
