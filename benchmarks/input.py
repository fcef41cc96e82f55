r"""Measures the input pipeline of training against the bare decoding of the same JPEGs on the same cores.

python -m benchmarks.input --data_dir=RECORDS

prints clips per second of both, in turn, and their ratio, for frames and for flow.
"""

import itertools
import time
from collections.abc import Sequence

from absl import app, flags

_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of records.", required=True)
_SPLIT = flags.DEFINE_string("split", "1", "Split whose training part is read.")
_FRAMES = flags.DEFINE_integer("frames", 10, "Frames in a clip.")
_CROP_SIZE = flags.DEFINE_integer("crop_size", 224, "Side of the crops in pixels.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 6, "Clips in a batch.")
_BATCHES = flags.DEFINE_integer("batches", 15, "Batches that are measured.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each kind, in turn; the fastest counts.")


def main(argv: Sequence[str]) -> None:
    """Measures and prints a table as Markdown."""
    del argv
    import tensorflow as tf

    from tclsta_tf.data import pipeline, sampling
    from tfrecords_tools import manifest, record_file, schema

    tf.config.experimental.enable_op_determinism()  # as in training
    subset = pipeline.select(manifest.Manifest.load(_DATA_DIR.value).shards_for(_SPLIT.value, "train"))
    some = (itertools.islice(record_file.read(shard.path), 8) for shard in subset.shards)
    records = [schema.deserialise(data) for data in itertools.chain.from_iterable(some)]
    print(f"{len(records)} videos decoded bare, clips of {_FRAMES.value}, crops of {_CROP_SIZE.value}\n")
    print("| stream | pipeline, clips/s | bare decoding, clips/s | ratio | ratio of processor time |")
    print("|---|---|---|---|---|")
    for stream in pipeline.CHANNELS:
        images = []
        for record in records:
            positions = sampling.sample_positions(tf.constant(len(record.frames), tf.int64), _FRAMES.value)
            if stream == "static":
                images.append([record.frames[index] for index in positions.numpy()])
            elif record.flow:
                starts = tf.constant(record.stack_starts, tf.int64)
                fields = sampling.stack_fields(starts, positions, tf.constant(len(record.flow), tf.int64))
                images.append([record.flow[index] for index in sorted(set(fields.numpy().ravel().tolist()))])
        ragged = tf.ragged.constant(images)
        channels = 3 if stream == "static" else 1

        def bare(ragged=ragged, channels=channels):  # noqa: ANN001, ANN202
            def decode(encoded: tf.Tensor) -> tf.Tensor:
                spec = tf.TensorSpec([None, None, channels], tf.uint8)
                return tf.map_fn(
                    lambda image: tf.io.decode_jpeg(image, channels, dct_method="INTEGER_ACCURATE"),
                    encoded,
                    fn_output_signature=spec,
                )

            clips = tf.data.Dataset.from_tensor_slices(ragged).repeat()
            return clips.map(decode, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

        def whole(stream=stream):  # noqa: ANN001, ANN202
            settings = pipeline.ClipSettings(_FRAMES.value, _CROP_SIZE.value, seed=0)
            return pipeline.training_batches(subset, stream, settings, _BATCH_SIZE.value)

        best = {"bare": (0.0, float("inf")), "whole": (0.0, float("inf"))}
        for _ in range(_ROUNDS.value):
            for name, make, size in (("bare", bare, 1), ("whole", whole, _BATCH_SIZE.value)):
                rate, seconds = _measure(iter(make()), size, len(subset))
                best[name] = max(best[name][0], rate), min(best[name][1], seconds)
        (bare_rate, bare_seconds), (rate, seconds) = best["bare"], best["whole"]
        # Other programs on the machine take from the rates, and hardly from the ratio of processor time.
        print(f"| {stream} | {rate:.1f} | {bare_rate:.1f} | {rate / bare_rate:.2f} | {bare_seconds / seconds:.2f} |")


def _measure(elements, size: int, epoch: int) -> tuple[float, float]:  # noqa: ANN001
    """Clips per second, and seconds of processor time per clip, of elements of `size` clips."""
    count = _BATCH_SIZE.value * _BATCHES.value
    # Before it is measured, an epoch, in which records are read whole, to learn where their images lie.
    for _ in range(epoch // size + 2 * _BATCH_SIZE.value):
        next(elements)
    start, busy = time.perf_counter(), time.process_time()
    for _ in range(count // size):
        next(elements)
    return count / (time.perf_counter() - start), (time.process_time() - busy) / count


if __name__ == "__main__":
    app.run(main)
