"""Feature files: what a trained stream says about every video, one tf.train.Example each.

Keys: `id`, `label`, `positions` int64 [N]; float32 as raw bytes: `alpha` [N, D] (features after spatial attention),
`temporal_attention` [N], `spatial_attention` [N, h, w], `scores` [C]; `shape` int64 (N, D, h, w, C).
"""

from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from tclsta_tf.data import pipeline
from tfrecords_tools import storage

_LIGHT = ("temporal_attention", "spatial_attention", "scores")
OUTPUTS = ("alpha", *_LIGHT)
"""What is kept of a stream's outputs."""


def write(path: storage.AnyPath, ids: Iterable[str], batches: Iterable[dict[str, np.ndarray]]) -> int:
    """Writes the videos of all batches; the file appears under its name only when it is whole.

    Args:
        path: the file to write.
        ids: the videos' ids in order.
        batches: arrays with a leading batch axis and the keys above (`labels` for `label`).

    Returns:
        The number of videos.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    names = iter(ids)
    count = 0
    with storage.created(path) as partial, tf.io.TFRecordWriter(str(partial)) as writer:
        for batch in batches:
            for row in range(len(batch["labels"])):
                writer.write(_serialise(next(names), {key: value[row] for key, value in batch.items()}))
                count += 1
    return count


def average_crops(outputs: dict[str, np.ndarray], crops: int) -> dict[str, np.ndarray]:
    """Averages a stream's outputs over the crops of each video.

    Args:
        outputs: float32 [videos * crops, ...] by name, the crops of a video one after the other.
        crops: how many there are of each.

    Returns:
        float32 [videos, ...] by name; of `spatial_attention` that of the first crop, the centre: places differ.
    """
    by_video = {name: value.reshape(-1, crops, *value.shape[1:]) for name, value in outputs.items()}
    return {
        name: value[:, 0] if name == "spatial_attention" else value.mean(axis=1) for name, value in by_video.items()
    }


def read(path: storage.AnyPath) -> dict[str, np.ndarray]:
    """Everything of a feature file but the features: arrays by key, one row per video, and `ids`, `labels`."""
    if not path.exists():
        raise ValueError(f"{path} does not exist: run `python -m tclsta_tf.extract_features` first")
    rows = [parse(data) for data in tf.data.TFRecordDataset(str(path))]
    if not rows:
        return {"ids": np.zeros(0, str), "labels": np.zeros(0, np.int32)}
    arrays = {key: np.stack([row[key].numpy() for row in rows]) for key in (*_LIGHT, "positions")}
    ids = np.array([row["id"].numpy().decode() for row in rows])
    return {"ids": ids, "labels": np.array([int(row["label"]) for row in rows], np.int32), **arrays}


def paired_videos(static: storage.AnyPath, motion: storage.AnyPath) -> tf.data.Dataset:
    """Both streams' features of each video, in file order: the collaborative network's examples.

    Returns:
        Dataset of {"static": [N, D], "motion": [N, D] (alpha), "static_temporal": [N], "motion_temporal": [N],
        "labels": int32}.

    Raises:
        ValueError: where the files do not hold the same videos in the same order.
    """
    if not np.array_equal(read(static)["ids"], read(motion)["ids"]):
        raise ValueError(f"{static} and {motion} hold different videos: extract the features of both streams again")

    def pair(first: tf.Tensor, second: tf.Tensor) -> dict[str, tf.Tensor]:
        frames, flow = parse(first), parse(second)
        return {
            "static": frames["alpha"],
            "motion": flow["alpha"],
            "static_temporal": frames["temporal_attention"],
            "motion_temporal": flow["temporal_attention"],
            "labels": tf.cast(frames["label"], tf.int32),
        }

    files = tuple(tf.data.TFRecordDataset(str(path)) for path in (static, motion))
    return tf.data.Dataset.zip(files).map(pair, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def training_pairs(
    static: storage.AnyPath,
    motion: storage.AnyPath,
    batch_size: int,
    seed: int,
    first_step: int,
    num_shares: int = 1,
    share: int = 0,
    buffer: int = 4096,
) -> tf.data.Dataset:
    """Endless shuffled batches of `paired_videos`, from batch `first_step` on; of each, one of `num_shares` parts."""
    pairs = paired_videos(static, motion)
    size = sum(1 for _ in tf.data.TFRecordDataset(str(static)))

    def shuffled(epoch: tf.Tensor) -> tf.data.Dataset:
        return _shuffle_epoch(pairs, min(buffer, max(size, 1)), seed, epoch)

    chain = _endless(shuffled, size, first_step * batch_size)
    pairs = pipeline.take_share(chain, batch_size, num_shares, share).map(lambda pair, position: pair)
    return pairs.batch(batch_size // num_shares, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def _endless(epoch_of: Callable[[tf.Tensor], tf.data.Dataset], size: int, first: int) -> tf.data.Dataset:
    """Chains epoch after epoch and starts at element `first` of the chain.

    Args:
        epoch_of: makes the dataset of one epoch from its int64 number.
        size: elements per epoch.
        first: elements of the chain that are left out; they are read but not decoded.

    Returns:
        Dataset of (element, int64 position in the chain).

    Raises:
        ValueError: where an epoch would be empty.
    """
    if size < 1:
        raise ValueError("there is no video to train on: the training part is empty after the validation part is taken")
    start_epoch, offset = divmod(first, size)

    def epoch_tail(epoch: tf.Tensor) -> tf.data.Dataset:
        return epoch_of(epoch).skip(tf.where(epoch == start_epoch, tf.constant(offset, tf.int64), 0))

    chain = tf.data.Dataset.range(start_epoch, np.iinfo(np.int64).max).flat_map(epoch_tail)
    return tf.data.Dataset.zip(chain, tf.data.Dataset.range(first, np.iinfo(np.int64).max))


def _shuffle_epoch(dataset: tf.data.Dataset, buffer: int, seed: int, epoch: tf.Tensor) -> tf.data.Dataset:
    """Shuffles as `seed` and `epoch` say, for use in the function that `_endless` calls."""
    # `shuffle` mixes in the seed of the graph it is built in, here that of the function of one epoch. Setting it makes
    # the order independent of the program's global seed (and 0 as a global seed does not go with a tensor as a seed).
    tf.random.set_seed(1)
    order = tf.random.stateless_uniform([], [seed, epoch], minval=1, maxval=2**31 - 1, dtype=tf.int64)
    return dataset.shuffle(buffer, seed=order, reshuffle_each_iteration=False)


def parse(serialised: tf.Tensor) -> dict[str, tf.Tensor]:
    """One example as tensors, see the top of this file."""
    raw = tf.io.FixedLenFeature([], tf.string)
    spec = {
        "id": raw,
        "label": tf.io.FixedLenFeature([], tf.int64),
        "positions": tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
        "shape": tf.io.FixedLenFeature([5], tf.int64),
        **dict.fromkeys(OUTPUTS, raw),
    }
    row = tf.io.parse_single_example(serialised, spec)
    frames, depth, height, width, classes = tf.unstack(row.pop("shape"))
    shapes = {
        "alpha": [frames, depth],
        "temporal_attention": [frames],
        "spatial_attention": [frames, height, width],
        "scores": [classes],
    }
    for key, shape in shapes.items():
        row[key] = tf.reshape(tf.io.decode_raw(row[key], tf.float32), tf.stack(shape))
    return row


def _serialise(video_id: str, row: dict[str, np.ndarray]) -> bytes:
    shape = (*row["alpha"].shape, *row["spatial_attention"].shape[1:], *row["scores"].shape)
    feature = {
        "id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[video_id.encode()])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[int(row["labels"])])),
        "positions": tf.train.Feature(int64_list=tf.train.Int64List(value=row["positions"])),
        "shape": tf.train.Feature(int64_list=tf.train.Int64List(value=shape)),
    }
    for key in OUTPUTS:
        data = np.asarray(row[key], "<f4").tobytes()
        feature[key] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[data]))
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
