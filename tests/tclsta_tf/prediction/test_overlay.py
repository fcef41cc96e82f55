"""Videos with the answer drawn over them."""

import dataclasses

import cv2
import numpy as np
import pytest

from tclsta_tf.prediction import drawing, overlay
from tfrecords_tools import video

PANEL = drawing._PANEL


def _written(prediction, model, path, frames):
    overlay.write_overlay(prediction, model.settings, model.card["crop_size"], path, frames)
    return np.stack(list(video.read_video(path)))


@pytest.fixture(scope="module")
def frames(moving_texture):
    return moving_texture(60, (1, 0), seed=1)


def test_every_frame_is_drawn_and_the_cursor_moves(model, frames, tmp_path):
    prediction = model.classify(frames, frame_rate=10.0)
    pictures = _written(prediction, model, tmp_path / "a.avi", frames)
    assert pictures.shape == (60, 480 + PANEL, 640, 3)
    left, right = drawing._CURVES
    places = []
    for picture in pictures:
        rows = picture[480 + 20 : 480 + 60, left - 2 : right + 2].astype(int)
        white = (rows.min(axis=2) > 200).sum(axis=0)
        assert white.max() > 30
        places.append(int(white.argmax()) - 2)
    np.testing.assert_allclose(places, (right - left) * np.arange(60) / 60, atol=1.5)


def test_the_heat_map_is_where_attention_is(model, frames, tmp_path):
    prediction = model.classify(frames, frame_rate=10.0)
    attention = np.zeros_like(prediction.outputs["static_spatial_attention"])
    attention[:2, 0, -1] = 10.0  # the top right of the crop in the first half, the bottom left in the second
    attention[2:, -1, 0] = 10.0
    outputs = {**prediction.outputs, "static_spatial_attention": attention}
    grey = np.full_like(frames, 128)
    drawn = _written(dataclasses.replace(prediction, outputs=outputs), model, tmp_path / "a.avi", grey)
    for picture, (y, x) in ((drawn[5], (0, 1)), (drawn[-5], (1, 0))):
        changed = np.abs(picture[:480].astype(int) - 128).sum(axis=2) > 60
        rows, columns = np.nonzero(changed)
        # The crop of 40 pixels takes the middle of 48 x 64, drawn ten times as large.
        assert rows.min() >= 38 and rows.max() <= 442 and columns.min() >= 118 and columns.max() <= 522
        assert (rows.mean() > 240) == bool(y) and (columns.mean() > 320) == bool(x)


def test_steps_have_classes_maps_and_flow_of_their_own(model, moving_texture, tmp_path):
    still = np.repeat(moving_texture(1, (0, 0), seed=2), 30, axis=0)
    moving = moving_texture(30, (2, 0), seed=3)
    frames = np.concatenate([still, moving])
    prediction = model.classify(frames, frame_rate=10.0, window=1.0, step=1.0)
    line = prediction.timeline
    scores = np.full_like(line.scores, 0.1)
    scores[:3, 0], scores[3:, 0] = 0.9, 0.5
    attention = {**line.attention, "motion": np.ones_like(line.attention["motion"])}
    prediction = dataclasses.replace(prediction, timeline=dataclasses.replace(line, scores=scores, attention=attention))
    drawn = _written(prediction, model, tmp_path / "a.mp4", frames)
    x, y, width, height = drawing._FLOW
    saturation = [
        np.ptp(picture[480 + y + 30 : 480 + y + height - 30, x + 30 : x + width - 30].astype(int), axis=2).mean()
        for picture in drawn
    ]
    assert max(saturation[:28]) < 30 < min(saturation[42:])  # white at rest, coloured in motion
    bar = np.s_[480 + 30 : 480 + 34, 8 + 45 : 8 + 60]  # filled by a score of 0.9, not by 0.5
    blue = [picture[bar][..., 2].mean() - picture[bar][..., 0].mean() for picture in drawn]
    assert min(blue[:29]) > 80 > 20 > max(blue[31:])


def test_the_flow_shown_is_that_of_the_step(model, frames):
    prediction = model.classify(frames, frame_rate=10.0, window=1.5, step=0.5)
    line = prediction.timeline
    with overlay.opening.opened(frames, 10.0) as source:
        shown = list(overlay._fields(source, model.settings, line.fields))
    assert len(shown) == len(line) == 12
    for field, speed in zip(shown, line.speeds, strict=True):
        assert overlay.time_line.speed(field) == pytest.approx(float(speed), abs=1e-5)


@pytest.mark.parametrize(("height", "width", "drawn"), [(400, 20, 480), (20, 400, 32), (16, 16, 480), (48, 64, 480)])
@pytest.mark.parametrize("count", [1, 12])
def test_videos_of_all_shapes(model, tmp_path, height, width, drawn, count):
    frames = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)
    prediction = model.classify(frames, frame_rate=10.0)
    assert _written(prediction, model, tmp_path / "a.mp4", frames).shape == (count, drawn + PANEL, 640, 3)


def test_a_model_without_motion(static_model, moving_texture, tmp_path):
    frames = moving_texture(30, (1, 0), seed=0)
    for window in (None, 1.0):
        prediction = static_model.classify(frames, frame_rate=10.0, window=window)
        assert len(_written(prediction, static_model, tmp_path / "a.avi", frames)) == 30


def test_the_video_is_read_frame_by_frame(model, frames, tmp_path, monkeypatch, counted_frames):
    prediction = model.classify(frames, frame_rate=10.0, window=1.0)
    source = counted_frames(frames)
    source.path, source.frame_rate, source.height, source.width = "a", 10.0, 48, 64
    monkeypatch.setattr(overlay.opening.video, "read_video", lambda path: source)
    _ = overlay.write_overlay(prediction, model.settings, 40, tmp_path / "a.avi", "a")
    assert 0 < source.most < 10


def test_long_names_are_cut_and_accents_survive_as_letters():
    assert drawing._cut("short", 200) == "short"
    assert drawing._cut("Caf\u00e9 Stra\u00dfe \u4e2d", 200) == "Cafe Strasse ?"
    cut = drawing._cut("a very long name of a class " * 3, 150)
    assert cut.endswith("...") and cv2.getTextSize(cut, drawing._FONT, 0.38, 1)[0][0] <= 150


def test_another_suffix_is_refused(model, frames, tmp_path):
    prediction = model.classify(frames[:5], frame_rate=10.0)
    with pytest.raises(ValueError, match="must end in .mp4 or .avi"):
        overlay.write_overlay(prediction, model.settings, 40, tmp_path / "a.mov", frames[:5])
