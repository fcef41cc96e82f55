"""Which frames and flow fields of a video make up a clip, and which of them a record must hold.

Letters: n frames and F = n - 1 flow fields of a video, L fields in a stack, K uniform positions.
"""

import cv2
import numpy as np

from tfrecords_tools import schema


def uniform_positions(num_frames: int, count: int) -> np.ndarray:
    """Gives `count` evenly spaced positions, floor(i * n / (count + 1)) for i = 1..count.

    Args:
        num_frames: n, at least 1.
        count: Positions wanted, at least 1. Positions repeat only where n < count.

    Returns:
        int64 [count], ascending, in [0, n).
    """
    return np.arange(1, count + 1, dtype=np.int64) * num_frames // (count + 1)


def stack_starts(positions: np.ndarray, num_fields: int, stack_length: int = schema.STACK_LENGTH) -> np.ndarray:
    """Gives the first field of the stack of each position, s = min(p, max(0, F - L)).

    Args:
        positions: int [k], frame indices.
        num_fields: F, at least 0.
        stack_length: L, at least 1.

    Returns:
        int64 [k].
    """
    return np.minimum(np.asarray(positions, dtype=np.int64), max(0, num_fields - stack_length))


def stack_fields(starts: np.ndarray, num_fields: int, stack_length: int = schema.STACK_LENGTH) -> np.ndarray:
    """Gives the fields that make up each stack; where F < L the last field repeats.

    Args:
        starts: int [k], first field of each stack.
        num_fields: F, at least 1: a video without flow has no stacks, and zero flow stands in for them.
        stack_length: L, at least 1.

    Returns:
        int64 [k, L], in [0, F).
    """
    return np.minimum(np.asarray(starts, dtype=np.int64)[:, None] + np.arange(stack_length), num_fields - 1)


def empty(shape: tuple[int, ...]) -> np.ndarray:
    """Makes an array of bytes, to be filled, that TensorFlow takes from a `tf.numpy_function` without a copy.

    Args:
        shape: Its shape.

    Returns:
        uint8, on a boundary of 64 bytes, which is what TensorFlow asks for.
    """
    size = int(np.prod(shape))
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].reshape(shape)


def pack(planes: np.ndarray, fields: np.ndarray) -> np.ndarray:
    """Packs flow fields into stacks with the channels u1, v1, u2, v2, ...

    Args:
        planes: uint8 [2F, H, W, 1], u and v of each field in turn.
        fields: int [T, L], the fields of each stack.

    Returns:
        uint8 [T, H, W, 2L].
    """
    stacks = empty((len(fields), *planes.shape[1:3], 2 * fields.shape[1]))
    for stack, chosen in zip(stacks, fields, strict=True):
        # The planes of one stack fit the cache: merging them costs a twentieth of transposing the array of all.
        cv2.merge([planes[2 * field + component, ..., 0] for field in chosen for component in (0, 1)], stack)
    return stacks


def sparse_layout(num_frames: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Says which frames and flow fields of a video are stored, each once however many stacks share it.

    Args:
        num_frames: n, at least 1.
        count: K uniform positions, or 0 for every frame and every field.

    Returns:
        Frame indices stored, int64 [k], where k = K, or fewer where n < K and positions coincide (k = n for count 0);
        field indices stored, int64 [f]; for each stored frame the start of its stack as an index into the *stored*
        fields, int64 [k]. All ascending.
    """
    num_fields = num_frames - 1
    frames = np.unique(uniform_positions(num_frames, count)) if count else np.arange(num_frames)
    starts = stack_starts(frames, num_fields)
    if count and num_fields:
        fields = np.unique(stack_fields(starts, num_fields))
    else:
        fields = np.arange(num_fields)
    return frames, fields, np.searchsorted(fields, starts)
