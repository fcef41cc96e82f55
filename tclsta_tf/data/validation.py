"""The validation part: whole groups taken out of the training part, never out of the test part."""

from collections.abc import Sequence

import numpy as np
from sklearn import model_selection

from tclsta_tf.data import pipeline
from tfrecords_tools import manifest


def held_out(videos: Sequence[manifest.VideoEntry], fraction: float, seed: int) -> set[str]:
    """Chooses the videos that watch the training and fit the fusion weights.

    Videos of one group (one source film, one actor) look alike, so a group is held out whole or not at all. Classes
    keep their shares as far as groups allow; a class whose every group would go keeps its videos for training.

    Args:
        videos: the training part.
        fraction: share to hold out, in [0, 0.5].
        seed: decides which groups.

    Returns:
        Ids of the held-out videos; empty for `fraction` 0 or where there are fewer than two groups.

    Raises:
        ValueError: a video has no label.
    """
    labels = pipeline.training_labels(videos)
    groups = np.array([video.group for video in videos])
    parts = _split(labels, groups, round(1 / fraction) if fraction else 0, seed)
    if not parts:
        return set()
    # Groups differ in size: of the folds, the one that covers most classes and comes nearest to `fraction`.
    best = max(parts, key=lambda held: (len(set(labels[held])), -abs(len(held) - fraction * len(videos))))
    left = np.setdiff1d(np.arange(len(videos)), best)
    # A group whose leaving would cost some class all its training videos stays, with every class it shows.
    needed = {groups[index] for index in best if labels[index] not in labels[left]}
    return {videos[index].id for index in best if groups[index] not in needed}


def folds(videos: Sequence[manifest.VideoEntry], count: int, seed: int) -> list[set[str]]:
    """Parts the videos into `count` folds of whole groups, with the classes' shares alike as far as groups allow.

    Args:
        videos: the training part.
        count: at least 2.
        seed: decides which groups.

    Returns:
        Ids of the videos of each fold; each video is in one of them.

    Raises:
        ValueError: there are fewer groups than folds, or a video has no label.
    """
    labels = pipeline.training_labels(videos)
    groups = np.array([video.group for video in videos])
    parts = _split(labels, groups, count, seed)
    if len(parts) < count or not all(map(len, parts)):
        raise ValueError(
            f"--awl_folds={count} needs as many groups, and classes of as many videos: the training part has "
            f"{len(set(groups))} groups. Use fewer folds or --awl_scores=validation"
        )
    return [{videos[index].id for index in part} for part in parts]


def _split(labels: np.ndarray, groups: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """Indices of the videos of each fold, as many as there can be up to `count`; none where there are not two."""
    count = min(count, len(set(groups)), int(np.bincount(labels).max(initial=0)))
    if count < 2:
        return []
    splitter = model_selection.StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    return [held for _, held in splitter.split(np.zeros(len(labels)), labels, groups)]
