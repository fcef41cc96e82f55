"""Feature files: what a trained stream says about every video, one tf.train.Example each.

Keys: `id`, `label`, `positions` int64 [N]; float32 as raw bytes: `alpha` [N, D] (features after spatial attention),
`temporal_attention` [N], `spatial_attention` [N, h, w], `scores` [C]; `shape` int64 (N, D, h, w, C).
"""

from collections.abc import Callable, Iterable, Sequence

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


def read(path: storage.AnyPath, windows: int = 1, pooling: str = "mean") -> dict[str, np.ndarray]:
    """Everything of a feature file but the features, one row per video.

    Args:
        path: the file.
        windows: clips of each video (K), one after the other in the file.
        pooling: of the scores over the clips, `mean` or `max`.

    Returns:
        `ids` str [n], `labels` int32 [n], `scores` float32 [n, C]; with the clips of a video one after the other
        `positions` int64 [n, K*N], `spatial_attention` [n, K*N, h, w] and `temporal_attention` [n, K*N], which sums to
        1 over all of them.
    """
    rows = _read(path, ("id", "label", "positions", *_LIGHT))
    if not rows:
        return {"ids": np.zeros(0, str), "labels": np.zeros(0, np.int32)}
    by_video = {name: value.reshape(-1, windows, *value.shape[1:]) for name, value in rows.items()}
    return {
        "ids": np.array([name.decode() for name in by_video["id"][:, 0]]),
        "labels": by_video["label"][:, 0].astype(np.int32),
        "scores": pool(rows["scores"], windows, pooling),
        "temporal_attention": _join_clips(by_video["temporal_attention"]) / windows,
        **{name: _join_clips(by_video[name]) for name in ("positions", "spatial_attention")},
    }


def read_ids(path: storage.AnyPath) -> np.ndarray:
    """The id of each row, str [rows]: with several clips of a video it stands as often."""
    return np.array([name.decode() for name in _read(path, ("id",)).get("id", ())], str)


def read_attended(path: storage.AnyPath, windows: int = 1) -> np.ndarray:
    """The features of each video, averaged with its temporal attention, and over its clips: float32 [n, D]."""

    def attend(row: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"attended": tf.linalg.matvec(row["alpha"], row["temporal_attention"], transpose_a=True)}

    return pool(_read(path, ("alpha", "temporal_attention"), attend)["attended"], windows)


def read_middle(path: storage.AnyPath) -> np.ndarray:
    """The features of the frame in the middle of each clip: float32 [n * windows, D]."""
    return _read(path, ("alpha",), lambda row: {"alpha": row["alpha"][tf.shape(row["alpha"])[0] // 2]})["alpha"]


def pool(values: np.ndarray, windows: int, pooling: str = "mean") -> np.ndarray:
    """Pools over the clips of each video: [n * windows, ...] -> [n, ...]."""
    by_video = values.reshape(-1, windows, *values.shape[1:])
    return by_video.max(axis=1) if pooling == "max" else by_video.mean(axis=1)


def _join_clips(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1, *values.shape[3:])  # [n, K, N, ...] -> [n, K*N, ...]


def _read(
    path: storage.AnyPath,
    keys: Sequence[str],
    reduce: Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]] = lambda row: row,
) -> dict[str, np.ndarray]:
    """Some keys of all rows, each row put through `reduce`; empty where there is none."""
    if not path.exists():
        raise ValueError(f"{path} does not exist: run `python -m tclsta_tf.extract_features` first")
    rows = tf.data.TFRecordDataset(str(path)).map(
        lambda serialised: reduce(parse(serialised, keys)), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    batches = list(rows.batch(64).as_numpy_iterator())
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]} if batches else {}


def paired_videos(static: storage.AnyPath, motion: storage.AnyPath) -> tf.data.Dataset:
    """Both streams' features of each video, in file order: the collaborative network's examples.

    Returns:
        Dataset of {"static": [N, D], "motion": [N, D] (alpha), "static_temporal": [N], "motion_temporal": [N],
        "labels": int32}.

    Raises:
        ValueError: where the files do not hold the same videos in the same order.
    """
    if not np.array_equal(read_ids(static), read_ids(motion)):
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


def parse(serialised: tf.Tensor, keys: Sequence[str] = ("id", "label", "positions", *OUTPUTS)) -> dict[str, tf.Tensor]:
    """Some keys of one example as tensors, see the top of this file."""
    raw = tf.io.FixedLenFeature([], tf.string)
    spec = {
        "id": raw,
        "label": tf.io.FixedLenFeature([], tf.int64),
        "positions": tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
        **dict.fromkeys(OUTPUTS, raw),
    }
    wanted = {"shape": tf.io.FixedLenFeature([5], tf.int64), **{key: spec[key] for key in keys}}
    row = tf.io.parse_single_example(serialised, wanted)
    frames, depth, height, width, classes = tf.unstack(row.pop("shape"))
    shapes = {
        "alpha": [frames, depth],
        "temporal_attention": [frames],
        "spatial_attention": [frames, height, width],
        "scores": [classes],
    }
    for key in shapes.keys() & row.keys():
        row[key] = tf.reshape(tf.io.decode_raw(row[key], tf.float32), tf.stack(shapes[key]))
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
