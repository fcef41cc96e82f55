import dataclasses
import hashlib

import cv2
import numpy as np
import pytest

from tfrecords_tools.demo import plan, render, scenes
from tfrecords_tools.demo import settings as settings_lib

SETTINGS = settings_lib.DemoSettings()
# Nothing but the telling object moves, and all of the video shows it.
QUIET = settings_lib.DemoSettings(
    visible_fraction=(1.0, 1.0), distractors=0, shake=0.0, pan=(0.0, 0.0), zoom=0.0, drift=(0.0, 0.0), noise=0.0
)


def videos_of(settings: settings_lib.DemoSettings, class_name: str, count: int = 3) -> list[plan.VideoPlan]:
    return [video for video in plan.plan_videos(settings) if video.class_name == class_name][:count]


@pytest.mark.parametrize("class_name", [demo_class.name for demo_class in plan.CLASSES])
@pytest.mark.parametrize("size", ["112x112", "170x128"])
def test_truth_boxes_bound_what_the_object_changes(class_name, size):
    settings = settings_lib.DemoSettings(size=size)
    video = videos_of(settings, class_name, 1)[0]
    boxes = dict(enumerate(render.truth_boxes(settings, video), start=video.start))
    pairs = zip(render.render(settings, video), render.render(settings, video, with_object=False), strict=True)
    for index, (frame, without) in enumerate(pairs):
        changed = np.abs(frame.astype(int) - without).max(axis=-1) > 8
        assert changed.any() == (index in boxes)
        if index in boxes:
            rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
            extent = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            # Soft edges, and edges like the background, leave a pixel or two undecided.
            np.testing.assert_allclose(extent, boxes[index], atol=2.5)
            left, top, right, bottom = boxes[index]
            assert 0 <= left < right <= settings.width and 0 <= top < bottom <= settings.height
            assert 0.75 <= (right - left) / (bottom - top) <= 1.34


def test_frames_are_the_same_each_time_and_differ_between_videos():
    first, second = videos_of(SETTINGS, "star", 2)
    stacks = [np.stack(list(render.render(SETTINGS, video))) for video in (first, first, second)]
    assert stacks[0].shape == (SETTINGS.num_frames, 112, 112, 3) and stacks[0].dtype == np.uint8
    digests = [hashlib.sha256(stack.tobytes()).hexdigest() for stack in stacks]
    assert digests[0] == digests[1] != digests[2]


def test_decoys_fill_exactly_the_frames_without_the_object():
    settings = dataclasses.replace(SETTINGS, distractors=0)
    video = videos_of(settings, "rings", 1)[0]
    bare = dataclasses.replace(settings, decoys=0)
    pairs = zip(render.render(settings, video), render.render(bare, video), strict=True)
    for index, (frame, without) in enumerate(pairs):
        if video.start <= index < video.stop:
            assert np.array_equal(frame, without)
    # The decoy may leave the frame for a moment, but not for long.
    differs = [
        not np.array_equal(*pair)
        for pair in zip(render.render(settings, video), render.render(bare, video), strict=True)
    ]
    assert sum(differs) >= 0.8 * (settings.num_frames - (video.stop - video.start))


def test_videos_of_a_film_share_the_canvas_and_films_do_not():
    same = dataclasses.replace(SETTINGS, noise=1.0)
    assert np.array_equal(scenes.film_canvas(SETTINGS, 0), scenes.film_canvas(same, 0))
    canvases = [scenes.film_canvas(SETTINGS, film) for film in range(10)]
    assert all(canvas.shape == (224, 224, 3) and canvas.std() > 20 for canvas in canvases)
    greys = [canvas.mean(axis=-1).ravel() for canvas in canvases]
    correlations = np.corrcoef(greys) - np.eye(10)
    assert np.abs(correlations).max() < 0.8


def test_light_changes_over_the_video():
    settings = dataclasses.replace(QUIET, decoys=0, contrast=0.0, brightness=0.2)
    video = videos_of(settings, "star", 1)[0]
    means = [frame.mean() for frame in render.render(settings, video, with_object=False)]
    assert 8 < np.ptp(means) < 2 * 0.2 * 255


def object_flow(video: plan.VideoPlan) -> list[np.ndarray]:
    """Farneback flow inside the truth box of each pair of frames."""
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in render.render(QUIET, video)]
    fields = []
    for first, second, box in zip(greys, greys[1:], render.truth_boxes(QUIET, video), strict=False):
        flow = cv2.calcOpticalFlowFarneback(first, second, None, 0.5, 3, 13, 5, 7, 1.5, 0)
        left, top, right, bottom = box
        fields.append(flow[top:bottom, left:right])
    return fields


def translation(video: plan.VideoPlan) -> tuple[float, float]:
    """Root mean square over time of the mean horizontal and vertical motion, in pixels per frame."""
    means = np.array([field.mean(axis=(0, 1)) for field in object_flow(video)])
    u, v = np.sqrt((means**2).mean(axis=0))
    return float(u), float(v)


@pytest.mark.parametrize("look", ["checker", "stripes"])
def test_swaying_is_horizontal_and_bouncing_vertical(look):
    for video in videos_of(QUIET, f"{look}_swaying"):
        u, v = translation(video)
        assert u > 0.8 and u > 3 * v
    for video in videos_of(QUIET, f"{look}_bouncing"):
        u, v = translation(video)
        assert v > 0.8 and v > 3 * u


@pytest.mark.parametrize("look", ["checker", "stripes"])
def test_circling_goes_both_ways_at_once(look):
    for video in videos_of(QUIET, f"{look}_circling"):
        u, v = translation(video)
        assert u > 0.8 and v > 0.8 and 0.6 < u / v < 1.6


@pytest.mark.parametrize(("class_name", "component"), [("spinning", "curl"), ("pulsing", "divergence")])
def test_spinning_turns_and_pulsing_spreads_in_place(class_name, component):
    for video in videos_of(QUIET, class_name):
        curls, divergences = [], []
        for field in object_flow(video):
            height, width = field.shape[:2]
            y, x = np.mgrid[:height, :width]
            x, y = x - (width - 1) / 2.0, y - (height - 1) / 2.0
            power = (x**2 + y**2).sum()
            curls.append((x * field[..., 1] - y * field[..., 0]).sum() / power)
            divergences.append((x * field[..., 0] + y * field[..., 1]).sum() / power)
        strength = {name: np.sqrt(np.mean(np.square(values))) for name, values in
                    (("curl", curls), ("divergence", divergences))}  # fmt: skip
        other = "curl" if component == "divergence" else "divergence"
        assert strength[component] > 0.04 and strength[component] > 2 * strength[other]
        u, v = translation(video)
        assert max(u, v) < 0.8


def test_no_look_is_told_by_its_mean_colour_alone():
    for look in plan.LOOKS:
        video = next(video for video in plan.plan_videos(QUIET) if video.look == look)
        sprite = render._telling_object(QUIET, video).sprite
        mean = sprite[..., :3].sum(axis=(0, 1)) / sprite[..., 3].sum()
        assert np.ptp(mean) < 0.45 * np.ptp(sprite[..., :3][sprite[..., 3] == 1.0], axis=0).max()
