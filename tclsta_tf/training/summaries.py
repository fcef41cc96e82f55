"""What a training run says: curves and pictures for TensorBoard, and one progress line for the console."""

import sys
import time
from collections.abc import Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf
from tensorboard.compat.proto import event_pb2
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.hparams import api as hparams

from tfrecords_tools import notes

_BUCKETS = 30  # TensorBoard's own number of them


class Summaries:
    """What TensorBoard shows of one run, by step.

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

    def write_image(self, step: int, name: str, png: bytes) -> None:
        """Writes a picture, given as a PNG file."""
        with self._writer.as_default(step=step):
            tf.summary.image(name, tf.io.decode_png(png, channels=3)[tf.newaxis])

    def write_histograms(self, step: int, variables: Iterable[keras.Variable]) -> None:
        """Writes a histogram of the finite values of every variable, under its path."""
        metadata = histogram_metadata.create_summary_metadata(display_name=None, description=None)
        with self._writer.as_default(step=step):
            for variable in variables:
                # `tf.summary.histogram` would make a number of 64 bits of each value and bucket: half a gigabyte for
                # the largest layer of ResNet-50.
                values = keras.ops.convert_to_numpy(variable.value).astype(np.float32)
                counts, edges = np.histogram(values[np.isfinite(values)], bins=_BUCKETS)
                buckets = np.stack([edges[:-1], edges[1:], counts], axis=1)
                tf.summary.write(variable.path, tf.constant(buckets, tf.float64), metadata=metadata)

    def write_settings(self, settings: Mapping[str, bool | int | float | str]) -> None:
        """Writes what TensorBoard's page of hyperparameters compares runs by."""
        with self._writer.as_default(step=0):
            hparams.hparams(dict(settings))

    def write_graph(self, graph: tf.Graph) -> None:
        """Writes a graph."""
        with self._writer.as_default(step=0):
            tf.summary.graph(graph)

    def close(self) -> None:
        """Flushes the event file."""
        self._writer.close()


def read_scalars(files: Iterable[str], names: Iterable[str]) -> dict[str, tuple[list[int], list[float]]]:
    """Reads curves back from event files.

    Args:
        files: the event files of a run, in the order of their making; a later one wins where steps repeat.
        names: of the scalars.

    Returns:
        Name -> steps and values, in order of steps; names that do not occur are left out.
    """
    found: dict[str, dict[int, float]] = {name: {} for name in names}
    for file in files:
        for record in tf.data.TFRecordDataset(file).as_numpy_iterator():
            event = event_pb2.Event.FromString(record)
            for value in event.summary.value:
                if value.tag in found:
                    found[value.tag][event.step] = float(tf.make_ndarray(value.tensor))
    return {name: (sorted(curve), [curve[step] for step in sorted(curve)]) for name, curve in found.items() if curve}


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
        notes.rewrite(line)
        if done:
            notes.end_line()
