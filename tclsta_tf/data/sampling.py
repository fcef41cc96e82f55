"""Which frames of a video make a clip, and which flow fields make the stacks of those frames.

All indices are 0-based and count *stored* frames or fields of one record.
"""

import tensorflow as tf

from tfrecords_tools import schema


def sample_positions(
    num_frames: tf.Tensor, count: int, method: str = "uniform", seed: tf.Tensor | None = None
) -> tf.Tensor:
    """Places `count` frames in a video of `num_frames` frames, in order of time.

    Args:
        num_frames: int64 scalar n, at least 1.
        count: frames of the clip (paper symbol T, or N in testing).
        method: `uniform`: floor(i*n/(T+1)), i = 1..T; `release`: i*floor(n/(T+1)) counted from 1, as in the lists the
            authors published (it takes the first frame only where n <= T); `segments`: one random frame from each of T
            equal parts (TSN, Wang et al. 2016).
        seed: int [2], for `segments` only.

    Returns:
        int64 [count]. A frame occurs twice only where n <= T (`release`, `segments`: n < T + 1).

    Raises:
        ValueError: for an unknown method, or `segments` without a seed.
    """
    num_frames = tf.cast(num_frames, tf.int64)
    steps = tf.range(1, count + 1, dtype=tf.int64)
    if method == "uniform":
        return steps * num_frames // (count + 1)
    if method == "release":
        return tf.maximum(steps * (num_frames // (count + 1)) - 1, 0)
    if method == "segments":
        if seed is None:
            raise ValueError("`seed` must be given for method='segments'. Received: seed=None")
        # In float64 the edges of equal parts are exact enough for any video length that fits on a disk.
        offsets = tf.random.stateless_uniform([count], seed, dtype=tf.float64)
        places = (tf.range(count, dtype=tf.float64) + offsets) * tf.cast(num_frames, tf.float64) / count
        return tf.minimum(tf.cast(tf.floor(places), tf.int64), num_frames - 1)
    raise ValueError(f"`method` must be uniform, release or segments. Received: method={method!r}")


def sample_window(num_frames: tf.Tensor, count: int, method: str, window: tf.Tensor, windows: int) -> tf.Tensor:
    """Places `count` frames in one of `windows` equal, consecutive parts of a video.

    Args:
        num_frames: int64 scalar n, at least 1.
        count: frames of the clip.
        method: `uniform` or `release`, see `sample_positions`.
        window: int64 scalar in [0, windows), which part.
        windows: number of parts; where it exceeds n, parts share frames.

    Returns:
        int64 [count].
    """
    num_frames = tf.cast(num_frames, tf.int64)
    start = window * num_frames // windows
    size = tf.maximum((window + 1) * num_frames // windows - start, 1)
    return start + sample_positions(size, count, method)


def stack_fields(stack_starts: tf.Tensor, positions: tf.Tensor, num_fields: tf.Tensor) -> tf.Tensor:
    """The flow fields that make the 2L-channel stack of each position.

    Args:
        stack_starts: int64 [n], for each stored frame the first field of its stack (record key
            `FORWARD_FLOW/stack/start`).
        positions: int64 [T], stored frames of the clip.
        num_fields: int64 scalar F, at least 1.

    Returns:
        int64 [T, L]: consecutive fields; where the video has fewer than L, the last one repeats.
    """
    starts = tf.gather(stack_starts, positions)
    return _consecutive(starts, tf.cast(num_fields, tf.int64) - 1)


def dense_stack_fields(positions: tf.Tensor, num_fields: tf.Tensor) -> tf.Tensor:
    """The same of videos of which every field is there: a stack starts at its frame, or early enough to end in time.

    Args:
        positions: int64 [..., T], frames of clips.
        num_fields: int64 [..., 1], F.

    Returns:
        int64 [..., T, L]; 0 where there is no field.
    """
    starts = tf.minimum(positions, tf.maximum(num_fields - schema.STACK_LENGTH, 0))
    return _consecutive(starts, tf.maximum(num_fields - 1, 0)[..., tf.newaxis])


def _consecutive(starts: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
    """L fields from each start on, int64 [..., L], none beyond the last one, which repeats."""
    return tf.minimum(starts[..., tf.newaxis] + tf.range(schema.STACK_LENGTH, dtype=tf.int64), last)
