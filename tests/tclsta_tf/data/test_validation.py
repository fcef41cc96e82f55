"""The validation part: whole groups, about the right share, no class lost."""

import dataclasses

import numpy as np
import pytest

from tclsta_tf.data import validation
from tfrecords_tools import manifest


def make(pairs):
    return [
        manifest.VideoEntry(id=str(index), path=f"x/{index}", labels=(label,), group=group, frames=1, fields=0)
        for index, (label, group) in enumerate(pairs)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_never_split_and_every_class_stays(seed):
    generator = np.random.default_rng(seed)
    videos = make([(label, f"film{generator.integers(20)}") for label in range(6) for _ in range(30)])
    held = validation.held_out(videos, 0.2, seed)
    inside = {video.group for video in videos if video.id in held}
    outside = {video.group for video in videos if video.id not in held}
    assert not inside & outside
    assert 0.1 < len(held) / len(videos) < 0.3
    assert {video.labels[0] for video in videos if video.id in held} == set(range(6))
    assert {video.labels[0] for video in videos if video.id not in held} == set(range(6))


def test_the_choice_follows_the_seed():
    videos = make([(label, f"film{group}") for label in range(3) for group in range(12)])
    assert validation.held_out(videos, 0.25, 1) == validation.held_out(videos, 0.25, 1)
    assert len({frozenset(validation.held_out(videos, 0.25, seed)) for seed in range(6)}) > 1


def test_a_class_with_one_group_keeps_its_videos_for_training():
    videos = make([(0, "only")] * 6 + [(1, f"film{group}") for group in range(12)])
    for seed in range(6):
        held = validation.held_out(videos, 0.5, seed)
        assert not held & {video.id for video in videos if video.labels[0] == 0}


def test_a_group_that_one_class_cannot_spare_stays_with_all_its_classes():
    videos = make([(0, "only"), (1, "only")] * 3 + [(label, f"film{n}") for label in (1, 2) for n in range(6)])
    for seed in range(12):
        held = validation.held_out(videos, 0.3, seed)
        inside = {video.group for video in videos if video.id in held}
        assert inside and not inside & {video.group for video in videos if video.id not in held}


@pytest.mark.parametrize("pairs", [[], [(0, "a")], [(0, "a"), (1, "a")]])
def test_too_few_groups_give_no_validation_part(pairs):
    assert validation.held_out(make(pairs), 0.2, 0) == set()


def test_fraction_zero_gives_none():
    assert validation.held_out(make([(0, str(group)) for group in range(9)]), 0.0, 0) == set()


def test_a_video_without_a_label_is_named():
    videos = make([(0, "a"), (0, "b"), (1, "a"), (1, "b")])
    videos[2] = dataclasses.replace(videos[2], labels=())
    for choose in (lambda: validation.held_out(videos, 0.5, 0), lambda: validation.folds(videos, 2, 0)):
        with pytest.raises(ValueError, match="1 of the videos to train on have no label, the first is 2"):
            choose()
