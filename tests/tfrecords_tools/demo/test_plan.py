import collections
import pathlib

import pytest

from tfrecords_tools.demo import plan
from tfrecords_tools.demo import settings as settings_lib

SETTINGS = settings_lib.DemoSettings()


def best_accuracy(attribute: str) -> float:
    """Accuracy, over all videos, of the best rule that sees one attribute of a video and nothing else."""
    seen = collections.defaultdict(collections.Counter)
    videos = plan.plan_videos(SETTINGS)
    for video in videos:
        seen[getattr(video, attribute)][video.class_name] += 1
    return sum(classes.most_common(1)[0][1] for classes in seen.values()) / len(videos)


def test_neither_look_nor_motion_tells_all_classes_but_both_do():
    assert 0.35 <= best_accuracy("look") <= 0.45
    assert 0.45 <= best_accuracy("motion") <= 0.55
    pairs = {(look, motion) for c in plan.CLASSES for look in c.looks for motion in c.motions}
    assert len(pairs) == sum(len(c.looks) * len(c.motions) for c in plan.CLASSES)  # no pair belongs to two classes


def test_films_do_not_tell_the_class():
    videos = plan.plan_videos(SETTINGS)
    per_film = collections.Counter((video.film, video.class_name) for video in videos)
    assert len(per_film) == 18 * len(plan.CLASSES) and set(per_film.values()) == {SETTINGS.videos_per_film}


def test_names_have_the_form_of_hmdb51():
    videos = plan.plan_videos(SETTINGS)
    assert videos[3].file_name == "film02_checker_swaying_u_cm_np1_fr_med_1.avi"
    assert len({video.file_name for video in videos}) == len(videos) == 360
    for video in videos:
        fields = pathlib.Path(video.file_name).stem.removeprefix(f"{video.group}_{video.class_name}_").split("_")
        assert len(fields) == 6 and fields[-1].isdigit()


def test_free_looks_and_motions_are_drawn_evenly_on_both_sides_of_a_split():
    tags = plan.split_tags(SETTINGS, 1)
    for demo_class in plan.CLASSES:
        for tag in (1, 2):
            videos = [v for v in plan.plan_videos(SETTINGS) if v.class_name == demo_class.name and tags[v.film] == tag]
            for name, options in (("look", demo_class.looks), ("motion", demo_class.motions)):
                counts = collections.Counter(getattr(video, name) for video in videos)
                assert set(counts) == set(options)
                assert max(counts.values()) - min(counts.values()) <= 2


def test_visible_span_lies_in_the_video_and_has_its_length():
    for video in plan.plan_videos(SETTINGS):
        assert 0 <= video.start < video.stop <= SETTINGS.num_frames
        low, high = SETTINGS.visible_fraction
        assert low * SETTINGS.num_frames - 0.5 <= video.stop - video.start <= high * SETTINGS.num_frames + 0.5


def test_more_videos_leave_the_first_ones_as_they_were():
    more = settings_lib.DemoSettings(train_videos_per_class=30)
    first = [video for video in plan.plan_videos(more) if video.index < SETTINGS.videos_per_class]
    assert first == list(plan.plan_videos(SETTINGS))


@pytest.mark.parametrize(("train", "test", "splits"), [(24, 12, 3), (2, 4, 3), (4, 10, 3), (2, 2, 2), (20, 2, 11)])
def test_splits_differ_and_have_the_stated_sizes(train, test, splits):
    settings = settings_lib.DemoSettings(
        train_videos_per_class=train, test_videos_per_class=test, num_splits=splits, videos_per_film=2
    )
    tags = [plan.split_tags(settings, split) for split in range(1, splits + 1)]
    assert len(set(tags)) == splits
    assert all(row.count(1) * 2 == train and row.count(2) * 2 == test for row in tags)
