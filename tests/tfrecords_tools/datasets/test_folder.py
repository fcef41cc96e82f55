import collections

import numpy as np
import pytest

from tfrecords_tools import config, datasets
from tfrecords_tools.datasets import folder


def _make(root, names: dict[str, list[str]]) -> None:
    for label, files in names.items():
        (root / label).mkdir()
        for name in files:
            (root / label / name).touch()


def _list(root, **changes):
    return datasets.list_videos(config.ListingSettings("folder", str(root), **changes))


def _roles(made) -> dict[str, str]:
    return {video.example_id: video.roles[0] for video in made.videos}


def _ucf_names(label: str) -> list[str]:
    return [f"v_{label}_g{group:02d}_c{clip:02d}.avi" for group in range(1, 9) for clip in range(1, 5)]


def test_groups_of_ucf_names_stay_together_and_every_class_has_its_share(tmp_path):
    _make(tmp_path, {label: _ucf_names(label) for label in ("Archery", "Biking", "Diving")})
    made = _list(tmp_path)
    assert made.labels == ("Archery", "Biking", "Diving") and made.splits == ("1",)
    assert len(made.videos) == 96
    for label in made.labels:
        own = [video for video in made.videos if video.labels == (label,)]
        assert collections.Counter(video.roles[0] for video in own) == {"train": 24, "test": 8}
    roles = collections.defaultdict(set)
    for video in made.videos:
        roles[video.group].add(video.roles)
    assert len(roles) == 24 and all(len(found) == 1 for found in roles.values())
    assert "v_Archery_g03" in roles


def test_the_split_depends_on_the_seed_alone(tmp_path):
    _make(tmp_path, {label: _ucf_names(label) for label in ("Archery", "Biking")})
    assert _roles(_list(tmp_path, seed=4)) == _roles(_list(tmp_path, seed=4))
    assert _roles(_list(tmp_path, seed=4)) != _roles(_list(tmp_path, seed=5))


def test_other_names_are_groups_of_their_own(tmp_path):
    _make(tmp_path, {"a": [f"{i}.mp4" for i in range(8)], "b": [f"{i}.mp4" for i in range(8)]})
    made = _list(tmp_path)
    assert {video.group for video in made.videos} == {video.example_id for video in made.videos}
    assert collections.Counter((video.labels[0], video.roles[0]) for video in made.videos) == {
        ("a", "train"): 6, ("a", "test"): 2, ("b", "train"): 6, ("b", "test"): 2,
    }  # fmt: skip


@pytest.mark.parametrize("pattern", [r"^([^_]+)_", r"^[^_]+"])
def test_a_pattern_names_groups_over_class_borders(pattern, tmp_path):
    names = [f"film{film}_{clip}.avi" for film in range(6) for clip in range(3)]
    _make(tmp_path, {"a": names, "b": names})
    made = _list(tmp_path, group_pattern=pattern)
    roles = collections.defaultdict(set)
    for video in made.videos:
        roles[video.group].add(video.roles[0])
    assert sorted(roles) == [f"film{film}" for film in range(6)]
    assert all(len(found) == 1 for found in roles.values())
    assert {video.labels[0] for video in made.videos if video.roles == ("test",)} == {"a", "b"}


def test_every_class_is_on_both_sides_whatever_the_sizes():
    rng = np.random.default_rng(0)
    refused = 0
    for seed in range(300):
        counts = {
            f"class{c}": {
                f"group{g}": int(rng.integers(1, 9)) for g in rng.choice(12, rng.integers(2, 7), replace=False)
            }
            for c in range(rng.integers(1, 5))
        }
        try:
            chosen = folder.choose_test_groups(counts, float(rng.uniform(0.05, 0.6)), seed)
        except ValueError as error:
            assert "cannot be split" in str(error)
            refused += 1
            continue
        for own in counts.values():
            assert not chosen.isdisjoint(own) and not chosen.issuperset(own)
    assert refused < 20


def test_two_groups_are_enough_and_the_smaller_one_is_tested_on():
    assert folder.choose_test_groups({"a": {"big": 10, "small": 9}}, 0.1, seed=0) == {"small"}


def test_a_class_of_one_group_is_refused(tmp_path):
    _make(tmp_path, {"a": ["1.avi", "2.avi"], "b": ["v_b_g01_c01.avi", "v_b_g01_c02.avi"]})
    with pytest.raises(ValueError, match=r"Class 'b' .*two groups.*2 video\(s\) of the group 'v_b_g01'"):
        _list(tmp_path)
    assert len(_list(tmp_path, classes=("a",)).videos) == 2


def test_what_is_no_video_is_counted(tmp_path):
    _make(tmp_path, {"a": ["1.avi", "2.avi", "notes.txt"]})
    assert [str(path) for path in _list(tmp_path).ignored] == ["a/notes.txt"]


def test_wrong_settings_are_refused(tmp_path):
    _make(tmp_path, {"a": ["1.avi", "2.avi"]})
    with pytest.raises(ValueError, match="`group_pattern` must be a regular expression"):
        _list(tmp_path, group_pattern="(")
    with pytest.raises(ValueError, match="`splits_dir` must be empty for dataset=folder"):
        _list(tmp_path, splits_dir="somewhere")
    with pytest.raises(ValueError, match=r"`test_fraction` must lie in \(0, 1\)"):
        _list(tmp_path, test_fraction=1.0)
    with pytest.raises(ValueError, match=r"`dataset` must be one of \['csv', 'folder', 'hmdb51'"):
        datasets.list_videos(config.ListingSettings("ucf", str(tmp_path)))
