"""What a training run says: scalars for TensorBoard and one progress line for the console."""

import sys
import time

import tensorflow as tf


class Summaries:
    """Scalars of one run, by step.

    Args:
        folder: where the event file is written; None for a worker that writes nothing.
        configuration: Markdown text shown as a card in TensorBoard.
    """

    def __init__(self, folder: str | None, configuration: str) -> None:
        self._writer = tf.summary.create_file_writer(folder) if folder else tf.summary.create_noop_writer()
        with self._writer.as_default(step=0):
            tf.summary.text("configuration", configuration)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Writes every value under its name."""
        with self._writer.as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def close(self) -> None:
        """Flushes the event file."""
        self._writer.close()


class Progress:
    """One line that tells where a run is; rewritten in place on a terminal, thinned out elsewhere.

    Args:
        name: what is running.
        total: steps of the whole run.
        first: steps done before.
    """

    def __init__(self, name: str, total: int, first: int = 0) -> None:
        self._name, self._total, self._first = name, total, first
        self._start = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._printed = self._start

    def show(self, step: int, values: dict[str, float]) -> None:
        """Prints the line for `step` steps done; elsewhere than on a terminal at most every 10 seconds."""
        now = time.monotonic()
        done = step >= self._total
        if not (self._terminal or done or now - self._printed > 10):
            return
        self._printed = now
        left = (self._total - step) * (now - self._start) / max(step - self._first, 1)
        shown = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
        line = f"{self._name} {step}/{self._total}  {shown}  {int(left) // 60}:{int(left) % 60:02d} left"
        if self._terminal:
            sys.stderr.write(f"\r\033[K{line}" + ("\n" if done else ""))
        else:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
