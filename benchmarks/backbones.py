r"""Prints how large the backbones are.

python -m benchmarks.backbones
"""

from collections.abc import Sequence

from absl import app


def main(argv: Sequence[str]) -> None:
    """Prints a table as Markdown."""
    del argv
    from tclsta_tf.models import backbones, counting

    columns = "weights", "multiply-adds at 224", "D", "grid", "with 1000 classes: weights", "multiply-adds"
    print(f"| backbone | {' | '.join(columns)} |")
    print("|" + "---|" * (1 + len(columns)))
    for name in backbones.NAMES:
        own, full = counting.count(name), counting.count(name, classes=1000)
        print(
            f"| {name} | {own.weights / 1e6:.2f} M | {own.multiply_adds / 1e9:.2f} G | {own.depth} "
            f"| {own.grid[0]}x{own.grid[1]} | {full.weights / 1e6:.2f} M | {full.multiply_adds / 1e9:.2f} G |"
        )


if __name__ == "__main__":
    app.run(main)
