"""tf.data pipelines over the records: endless training batches that can start at any step, and passes in record order.

A training example is determined by the seed and its position in the endless sequence of epochs alone, so a run that
was stopped goes on with exactly the clips it would have seen.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tclsta_tf.data import augmentation, sampling, videos
from tfrecords_tools import manifest, random_access, schema
from tfrecords_tools.flow import quantise

CHANNELS = {"static": 3, "motion": 2 * schema.STACK_LENGTH}


@dataclasses.dataclass(frozen=True)
class Subset:
    """Some of the videos of some shards.

    Attributes:
        shards: the shards, in the manifest's order.
        keep: per shard, one bool per video in record order.
    """

    shards: tuple[manifest.Shard, ...]
    keep: tuple[tuple[bool, ...], ...]

    @property
    def videos(self) -> list[manifest.VideoEntry]:
        """The kept videos in record order."""
        pairs = zip(self.shards, self.keep, strict=True)
        return [video for shard, keep in pairs for video, kept in zip(shard.videos, keep, strict=True) if kept]

    def __len__(self) -> int:
        return sum(sum(keep) for keep in self.keep)


@dataclasses.dataclass(frozen=True)
class ClipSettings:
    """How training clips are taken from videos.

    Attributes:
        num_frames: frames per clip (paper symbol T).
        crop_size: side of the square crop, pixels.
        seed: decides order, crops and mirroring.
        sampling_method: see `sampling.sample_positions`.
        crop: `random` or `corners`, see `augmentation`.
        mirror: mirror half of the clips.
    """

    num_frames: int
    crop_size: int
    seed: int
    sampling_method: str = "uniform"
    crop: str = "random"
    mirror: bool = True


def select(shards: Sequence[manifest.Shard], ids: set[str] | None = None) -> Subset:
    """The videos of `shards` whose id is in `ids`; all of them where `ids` is None."""
    keep = tuple(tuple(ids is None or video.id in ids for video in shard.videos) for shard in shards)
    used = [(shard, flags) for shard, flags in zip(shards, keep, strict=True) if any(flags)]
    return Subset(tuple(shard for shard, _ in used), tuple(flags for _, flags in used))


def training_batches(
    subset: Subset,
    stream: str,
    settings: ClipSettings,
    batch_size: int,
    first_step: int = 0,
    num_shares: int = 1,
    share: int = 0,
) -> tf.data.Dataset:
    """Endless batches of augmented clips, shuffled anew in every epoch.

    Args:
        subset: the videos to train on.
        stream: `static` (RGB frames) or `motion` (flow stacks).
        settings: how clips are taken.
        batch_size: clips per batch.
        first_step: batches that an earlier run has consumed already.
        num_shares: parts that every batch is cut into, one for each worker.
        share: which of them is wanted.

    Returns:
        Dataset of {"clips": uint8 [b, T, crop, crop, 3 or 20], "labels": int32 [b]}, b = B / num_shares.

    Raises:
        ValueError: there is no video, or one without a label.
    """
    augmented = _augmenter(subset, stream, settings)
    order = take_share(training_order(subset, settings.seed, first_step * batch_size), batch_size, num_shares, share)
    clips = order.map(augmented, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return clips.batch(batch_size // num_shares, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def drawn_clips(subset: Subset, stream: str, settings: ClipSettings, draws: int, first: int = 0) -> tf.data.Dataset:
    """Some clips of every video, augmented as in training: one of each in record order, then another of each.

    Args:
        subset: the videos.
        stream: `static` or `motion`.
        settings: how clips are taken.
        draws: clips of each video.
        first: clips that are left out at the start.

    Returns:
        Dataset of uint8 [T, crop, crop, 3 or 20].
    """
    augmented = _augmenter(subset, stream, settings)
    order = tf.data.Dataset.range(first, draws * len(subset))
    return order.map(
        lambda position: augmented(position % len(subset), position)["clips"],
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )


def batch_ids(subset: Subset, batch_size: int, seed: int, step: int) -> list[str]:
    """Names the videos in batch `step` of `training_batches`."""
    order = training_order(subset, seed, step * batch_size).take(batch_size)
    entries = subset.videos
    return [entries[index].id for index, _ in order.as_numpy_iterator()]


def take_share(examples: tf.data.Dataset, batch_size: int, num_shares: int, share: int) -> tf.data.Dataset:
    """Keeps one worker's part of every batch, of examples that come with their positions; before they are decoded."""
    if num_shares == 1:
        return examples
    size = batch_size // num_shares
    return examples.filter(lambda example, position: position % batch_size // size == share)


def share_files(subset: Subset, num_shares: int, share: int) -> Subset:
    """Gives the shards that are one worker's own.

    Raises:
        ValueError: there are fewer shards than workers.
    """
    if len(subset.shards) < num_shares:
        raise ValueError(
            f"--shard_by=files needs a shard for each of {num_shares} workers. Received: {len(subset.shards)} shards "
            "to train on; use --shard_by=examples, or convert with fewer --videos_per_shard"
        )
    return Subset(subset.shards[share::num_shares], subset.keep[share::num_shares])


def _augmenter(
    subset: Subset, stream: str, settings: ClipSettings
) -> Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]:
    """A function from the index of a video and a position, which decides how its clip is taken, to the example."""
    stored, labels = _stored(subset), training_labels(subset.videos)

    @tf.autograph.experimental.do_not_convert  # nothing here branches on a tensor, and it would take time
    def augmented(index: tf.Tensor, position: tf.Tensor) -> dict[str, tf.Tensor]:
        # One independent seed per decision; `position` never repeats, so neither do the decisions.
        seeds = tf.random.split([settings.seed, position], 3)
        video = stored[index]

        make_crop = augmentation.corner_crop if settings.crop == "corners" else augmentation.random_crop
        crop = make_crop(settings.crop_size, seeds[1])
        if settings.mirror:
            crop = dataclasses.replace(crop, mirrored=tf.random.stateless_uniform([], seeds[2]) < 0.5)
        positions = sampling.sample_positions(video.num_frames, settings.num_frames, settings.sampling_method, seeds[0])
        return {"clips": video.clips(stream, positions, [crop])[0], "labels": tf.gather(labels, index)}

    return augmented


def training_order(subset: Subset, seed: int, first: int) -> tf.data.Dataset:
    """Indices of videos with their positions in the endless sequence of shuffled epochs, from `first` on.

    Raises:
        ValueError: there is no video.
    """
    size = len(subset)
    if not size:
        raise ValueError("there is no video to train on: the training part is empty after the validation part is taken")

    def place(position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # A permutation that is computed element by element, so that a run starts anywhere at once.
        shuffled = tf.random.experimental.index_shuffle(
            tf.cast(position % size, tf.int64), tf.stack([seed, position // size]), size - 1
        )
        return tf.cast(shuffled, tf.int64), position

    return tf.data.Dataset.range(first, np.iinfo(np.int64).max).map(place)


def video_batches(
    subset: Subset,
    stream: str,
    num_frames: int,
    crop_size: int,
    batch_size: int,
    sampling_method: str = "uniform",
    crops: int = 1,
    windows: int = 1,
    with_clips: bool = True,
) -> tf.data.Dataset:
    """One pass over `subset` in record order: clips of `num_frames` frames, nothing random.

    Args:
        subset: the videos.
        stream: `static` or `motion`.
        num_frames: frames per clip (paper symbol N).
        crop_size: side of the square crops, pixels.
        batch_size: clips per batch, not counting crops.
        sampling_method: see `test_positions`.
        crops: 1, the centre, or 10, see `augmentation.ten_crops`.
        windows: clips of each video, one from each of so many equal parts of it.
        with_clips: False leaves "clips" out, and no image is read.

    Returns:
        Dataset of {"clips": uint8 [b * crops, N, crop, crop, C], the clips of a video one after the other and so the
        crops of a clip,
        "labels": int32 [b], "positions": int64 [b, N]}; the last batch may be smaller.
    """
    stored, labels = _stored(subset), _labels(subset)

    wanted = augmentation.ten_crops(crop_size) if crops == 10 else [augmentation.centre_crop(crop_size)]

    @tf.autograph.experimental.do_not_convert  # as in `augmented`
    def read(row: tf.Tensor) -> dict[str, tf.Tensor]:
        index, window = row // windows, row % windows
        video = stored[index]
        positions = test_positions(video.num_frames, num_frames, sampling_method, window, windows)
        found = {"labels": tf.gather(labels, index), "positions": positions}
        return found | {"clips": tf.stack(video.clips(stream, positions, wanted))} if with_clips else found

    def fold(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        clips = batch["clips"]
        return batch | {"clips": tf.reshape(clips, [-1, *clips.shape[2:]])}

    order = tf.data.Dataset.range(len(subset) * windows)
    clips_in_turn = order.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    batches = clips_in_turn.batch(batch_size)
    return (batches.map(fold) if with_clips else batches).prefetch(tf.data.AUTOTUNE)


def clip_spec(stream: str, num_frames: int, crop_size: int) -> tf.TensorSpec:
    """Shape and type of a batch of clips of any number of videos, so that a function is traced once for all of them."""
    return tf.TensorSpec([None, num_frames, crop_size, crop_size, CHANNELS[stream]], tf.uint8)


def test_positions(
    stored: tf.Tensor | int,
    num_frames: int,
    sampling_method: str = "uniform",
    window: tf.Tensor | int = 0,
    windows: int = 1,
) -> tf.Tensor:
    """Which stored frames testing, serving and prediction look at.

    Args:
        stored: int64 scalar n, frames stored of the video; or [B, 1] of several.
        num_frames: frames per clip (paper symbol N).
        sampling_method: `uniform` or `release`; `segments` is for training, and tested as `uniform`.
        window: int64 scalar in [0, windows), which of so many equal parts of the video.
        windows: their number.

    Returns:
        int64 [N], or [B, N].
    """
    method = "release" if sampling_method == "release" else "uniform"
    return sampling.sample_window(stored, num_frames, method, window, windows)


def stored_frames(subset: Subset, index: int) -> np.ndarray:
    """All frames of one video as they are stored, uint8 [n, H, W, 3]."""
    video = _stored(subset)[tf.constant(index, tf.int64)]
    return video.clips("static", tf.range(video.num_frames), [augmentation.whole_images()])[0].numpy()


def first_fields(stacks: np.ndarray) -> np.ndarray:
    """The first flow field of each stack, for pictures: uint8 [N, H, W, 20] -> float32 [N, H, W, 2], pixels."""
    return quantise.dequantise(stacks[..., :2])


def _stored(subset: Subset) -> videos.Stored:
    places = [(shard, video) for shard, keep in enumerate(subset.keep) for video in np.flatnonzero(keep)]
    entries = subset.videos
    return videos.Stored(
        random_access.Reader(subset.shards),
        np.asarray(places, np.int64).reshape(-1, 2),
        num_frames=np.asarray([entry.frames for entry in entries]),
        num_fields=np.asarray([entry.fields for entry in entries]),
    )


def training_labels(videos_to_train_on: Sequence[manifest.VideoEntry]) -> np.ndarray:
    """Class indices of the videos to train on, int32 [n].

    Raises:
        ValueError: one has no label.
    """
    if unlabelled := [video.id for video in videos_to_train_on if not video.labels]:
        raise ValueError(f"{len(unlabelled)} of the videos to train on have no label, the first is {unlabelled[0]}")
    return np.asarray([video.labels[0] for video in videos_to_train_on], np.int32)


def _labels(subset: Subset) -> np.ndarray:
    """Class indices, int32 [n]; -1 where a video has no label, as a background video of THUMOS14."""
    return np.asarray([entry.labels[0] if entry.labels else -1 for entry in subset.videos], np.int32)
