"""What the fields of all settings share: a choice of values, and the message about a wrong one."""

import dataclasses
from typing import Any


def choices(*values: str) -> Any:
    """A field that takes one of `values`, the first being the default."""
    return dataclasses.field(default=values[0], metadata={"choices": values})


def check(condition: bool, name: str, expected: str, value: object) -> None:
    """Raises ValueError, which says what was `expected` of a field, where `condition` does not hold."""
    if not condition:
        raise ValueError(f"`{name}` must be {expected}. Received: {name}={value!r}")


def check_choices(config: Any) -> None:
    """Checks every field that `choices` made."""
    for field in dataclasses.fields(config):
        allowed = field.metadata.get("choices")
        if allowed:
            value = getattr(config, field.name)
            check(value in allowed, field.name, f"one of {', '.join(allowed)}", value)
