import cv2
import numpy as np
import pytest

from tclsta_tf.reports import attention_figure, figures


def _peak_map(row: int, column: int, size: int = 7) -> np.ndarray:
    cells = np.full((size, size), 0.5)
    cells[row, column] = 0.5 + 0.5 * size * size  # mean 1
    return cells


def _video(count=4, height=56, width=84, **changes):
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(count), size=4)
    values = {
        "frames": rng.integers(0, 256, (count, height, width, 3), np.uint8),
        "flow": rng.normal(size=(count, height, width, 2)).astype(np.float32),
        "static_attention": np.stack([_peak_map(i % 7, 2) for i in range(count)]),
        "motion_attention": np.ones((count, 7, 7)),
        "static_temporal": weights[0],
        "motion_temporal": weights[1],
        "static_collaborative": weights[2],
        "motion_collaborative": weights[3],
        "title": "clip_$1$",
        "true_label": "wave",
        "predicted_label": "clap",
    }
    return attention_figure.VideoAttention(**(values | changes))


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 5), (6, 3)])
def test_the_hottest_region_lies_on_the_attention_peak(row, column):
    image = np.full((140, 210, 3), 90, np.uint8)  # cells of 20 by 30 pixels
    picture = attention_figure.overlay_heat_map(image, _peak_map(row, column), maximum=25.0)
    assert picture.shape == image.shape and picture.dtype == np.uint8
    brightness = picture.astype(float).sum(axis=2)
    y, x = np.unravel_index(brightness.argmax(), brightness.shape)
    assert (y // 20, x // 30) == (row, column)


def test_an_even_map_changes_all_pixels_alike_and_colours_grow_with_attention():
    image = np.full((14, 14, 3), 90, np.uint8)
    levels = [attention_figure.overlay_heat_map(image, np.full((7, 7), value), 2.0) for value in (0.0, 1.0, 2.0)]
    for picture in levels:
        assert (picture == picture[0, 0]).all()
    assert levels[0].sum() < levels[1].sum() < levels[2].sum()


def test_the_picture_under_the_map_is_grey():
    image = np.zeros((14, 14, 3), np.uint8)
    image[:, :7, 0] = 250
    cold = attention_figure.overlay_heat_map(image, np.zeros((7, 7)), 1.0).astype(int)
    assert np.ptp(cold, axis=2).max() <= 3  # the map's darkest colour is nearly black
    assert cold[0, 0].sum() > cold[0, 13].sum()


def test_every_row_stands_on_the_same_time_axis_and_keeps_its_shape():
    chart = attention_figure.draw(_video())
    png = figures.to_png(chart, dpi=60)
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    width, height = chart.get_size_inches() * 60
    np.testing.assert_allclose(picture.shape[:2], (height, width), atol=1)

    panels = [axis for axis in chart.axes if axis.get_xlim() == (-0.5, 3.5)]
    assert len(panels) == 6  # frames, heat, flow, heat, temporal, collaborative
    lefts = {(round(axis.get_position().x0, 6), round(axis.get_position().x1, 6)) for axis in panels}
    assert len(lefts) == 1
    box = panels[0].get_position()
    inches = chart.get_size_inches()
    shape = (box.height * inches[1]) / (box.width * inches[0] / 4)
    assert shape == pytest.approx(56 / 84)


def test_heat_in_the_finished_picture_lies_where_the_attention_peak_is():
    video = _video(
        count=2,
        frames=np.zeros((2, 70, 70, 3), np.uint8),
        static_attention=np.stack([_peak_map(1, 1), _peak_map(5, 5)]),
        flow=None,
        motion_attention=None,
    )
    chart = attention_figure.draw(video)
    picture = cv2.imdecode(np.frombuffer(figures.to_png(chart, dpi=80), np.uint8), cv2.IMREAD_COLOR).astype(int)
    box = chart.axes[2].get_position()  # frames, its legend, then the heat maps
    height, width = picture.shape[:2]
    panel = picture[
        round((1 - box.y1) * height) : round((1 - box.y0) * height), round(box.x0 * width) : round(box.x1 * width)
    ]
    for index, (row, column) in enumerate(((1, 1), (5, 5))):
        half = panel[:, index * panel.shape[1] // 2 : (index + 1) * panel.shape[1] // 2][4:-4, 8:-8]
        warmth = half[..., 2] - half[..., 0]  # red less blue
        y, x = np.argwhere(warmth > 0.9 * warmth.max()).mean(axis=0) / half.shape[:2]
        assert (int(y * 7), int(x * 7)) == (row, column)


def test_bars_hold_the_weights_of_every_position():
    video = _video(count=25)
    chart = attention_figure.draw(video, max_columns=4)
    first = next(axis for axis in chart.axes if axis.containers)
    np.testing.assert_allclose([bar.get_height() for bar in first.containers[0]], video.static_temporal)
    np.testing.assert_allclose([bar.get_height() for bar in first.containers[1]], video.motion_temporal)
    even = next(line for line in first.lines if line.get_label() == "even")
    np.testing.assert_allclose(even.get_ydata(), 1 / 25)


def test_of_many_positions_evenly_spaced_ones_are_pictured_over_their_bars():
    chart = attention_figure.draw(_video(count=25), max_columns=5)
    frames = chart.axes[0]
    assert [text.get_text() for text in frames.get_xticklabels()] == ["2", "7", "12", "17", "22"]
    np.testing.assert_allclose(frames.get_xticks(), [2, 7, 12, 17, 22])
    assert len(frames.images) == 5
    for picture, index in zip(frames.images, (2, 7, 12, 17, 22), strict=True):
        left, right, *_ = picture.get_extent()
        assert left < index < right
        np.testing.assert_array_equal(picture.get_array(), _video(count=25).frames[index])


def test_parts_that_a_model_lacks_are_left_out():
    nothing = dict.fromkeys(
        (
            "flow",
            "static_attention",
            "motion_attention",
            "static_temporal",
            "motion_temporal",
            "static_collaborative",
            "motion_collaborative",
        )
    )
    chart = attention_figure.draw(_video(**nothing))
    assert len(chart.axes) == 2  # the frames and the place for their legend
    chart = attention_figure.draw(_video(**nothing | {"motion_collaborative": np.full(4, 0.25)}))
    figures.to_png(chart, dpi=40)
    assert sum(bool(axis.containers) for axis in chart.axes) == 1


@pytest.mark.parametrize(
    ("predicted", "true", "line"),
    [
        ("clap", "wave", "predicted: clap, true: wave (wrong)"),
        ("clap", "clap", "predicted: clap, true: clap (right)"),
        ("clap", "", "predicted: clap"),
        ("", "wave", "true: wave"),
    ],
)
def test_the_headline_says_what_was_predicted(predicted, true, line):
    chart = attention_figure.draw(_video(predicted_label=predicted, true_label=true))
    assert [text.get_text() for text in chart.texts] == [r"clip_\$1\$", line]


def test_a_video_of_one_frame_is_drawn():
    video = _video(count=1)
    assert figures.to_png(attention_figure.draw(video), dpi=40)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": np.zeros((4, 8, 8, 3))}, r"`frames` must be uint8 of shape \[N, H, W, 3\].*float64"),
        ({"frames": np.zeros((0, 8, 8, 3), np.uint8)}, r"`frames` must be uint8 of shape .*\(0, 8, 8, 3\)"),
        ({"flow": np.zeros((4, 8, 8, 2))}, r"`flow` must have the shape \[4, 56, 84, 2\].*\(4, 8, 8, 2\)"),
        ({"static_attention": np.ones((3, 7, 7))}, r"`static_attention` must have the shape \[4, h, w\].*\(3, 7, 7\)"),
        ({"motion_temporal": np.ones(5) / 5}, r"`motion_temporal` must have the shape \[4\].*\(5,\)"),
        ({"motion_temporal": np.array([1, np.nan, 0, 0])}, "`motion_temporal` must hold finite weights >= 0"),
        ({"static_collaborative": np.array([2.0, -1, 0, 0])}, "`static_collaborative` must hold finite weights >= 0"),
    ],
)
def test_arrays_that_do_not_fit_the_frames_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        _video(**changes)


def test_at_least_one_column():
    with pytest.raises(ValueError, match="`max_columns` must be at least 1. Received: max_columns=0"):
        attention_figure.draw(_video(), max_columns=0)


@pytest.mark.parametrize("count", [1, 4, 25])
def test_no_words_run_over_the_edge(count):
    chart = attention_figure.draw(_video(count=count, title="a_very_long_name_of_a_video_" * 5))
    chart.canvas.draw()
    renderer = chart.canvas.get_renderer()
    words = [axis.yaxis.label for axis in chart.axes] + [axis.xaxis.label for axis in chart.axes] + chart.texts
    for text in words:
        if text.get_text():
            box = text.get_window_extent(renderer)
            assert chart.bbox.x0 <= box.x0 and box.x1 <= chart.bbox.x1, text.get_text()
            assert chart.bbox.y0 <= box.y0 and box.y1 <= chart.bbox.y1, text.get_text()
