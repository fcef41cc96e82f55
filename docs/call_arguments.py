"""Shows the section `Call arguments:` of a layer's docstring as a table, like the arguments of its constructor."""

from typing import Any

import griffe


class CallArguments(griffe.Extension):
    """Called by mkdocstrings for every class."""

    def on_class(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        """Gives the section a name that griffe knows."""
        if cls.docstring:
            cls.docstring.value = cls.docstring.value.replace("\nCall arguments:\n", "\nOther args: Call arguments\n")
