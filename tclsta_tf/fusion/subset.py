"""Some of the videos, where all of them would cost too much."""

import numpy as np


def draw_by_class(labels: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Returns the rows of at most `limit` videos, ascending, that keep the classes' shares as far as possible.

    Videos are drawn from the class of which the smallest share has been drawn; a class has at least one if
    `limit` reaches the number of classes.

    Args:
        labels: int [n].
        limit: At least 1.
        seed: Of the draw.

    Returns:
        int64 [min(n, limit)].
    """
    labels = np.asarray(labels)
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # by class, shuffled within
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    rank = np.arange(len(labels)) - np.repeat(starts, counts)
    share = rank / np.repeat(counts, counts)  # of its class, drawn before this video
    return np.sort(order[np.argsort(share, kind="stable")[:limit]])
