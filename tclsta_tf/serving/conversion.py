"""The SavedModel in other formats."""

from tclsta_tf import config


def check(settings: config.ExportConfig) -> None:
    """Finds out before anything is written whether the converters are there."""
