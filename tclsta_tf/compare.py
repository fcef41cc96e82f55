r"""Shows finished runs side by side: what differs in their settings, their accuracy, the differences with intervals.

python -m tclsta_tf.compare run1 run2 [run3 ...] [--rows=TCLSTA,two-stream+STA] [--format=markdown]

The first run is the one that the others are compared with, video by video: an interval that leaves out 0 is a
difference that chance does not explain. A run may be a single one or an experiment over splits and seeds.
"""

import pathlib
from collections.abc import Sequence

from absl import app, flags

from tfrecords_tools import cli, storage

_ROWS = flags.DEFINE_list("rows", [], "Variants to compare, as the tables name them; all that the runs share if empty.")
_FORMAT = flags.DEFINE_enum("format", "text", ["text", "markdown", "csv"], "How the tables are printed.")


def main(argv: Sequence[str]) -> None:
    """Prints the tables."""
    if len(argv) < 3:
        raise app.UsageError("name two working folders or more, like `python -m tclsta_tf.compare run1 run2`")
    for operand in argv[1:]:
        if isinstance(folder := storage.path(operand), pathlib.Path) and not folder.is_dir():
            raise ValueError(f"{operand} must be the folder of a finished run, and is no folder")
    with cli.loading(f"comparing {len(argv) - 1} runs"):
        from tclsta_tf.recipes import compare
    found = compare.compare([storage.path(operand) for operand in argv[1:]], _ROWS.value)
    printed = {"text": "to_text", "markdown": "to_markdown", "csv": "to_csv"}[_FORMAT.value]
    print("\n".join(getattr(table, printed)() for table in found), end="")


if __name__ == "__main__":
    cli.run(main)
