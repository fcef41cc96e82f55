import io

import cv2
import numpy as np
import pytest

from tclsta_tf.reports import figures

LABELS = ["brush hair", "cost $5 and $6", "x" * 90, "été"]


def _decode(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def _charts():
    return {
        "confusion": figures.confusion_matrix(np.arange(16).reshape(4, 4), LABELS),
        "accuracy": figures.per_class_accuracy(
            LABELS, {"static": [0.1, 0.5, 1, 0], "motion": [0.2] * 4, "fused": [0.3] * 4}
        ),
        "weights": figures.fusion_weights(LABELS, [[0.4, 0.6], [0.6, 0.4], [0.5, 0.5], [1, 0]]),
        "curves": figures.training_curves({"loss $x$ $": ([0, 1, 2], [3.0, np.nan, 1.0])}, "loss", "Loss"),
    }


@pytest.mark.parametrize("name", ["confusion", "accuracy", "weights", "curves"])
def test_png_has_the_size_of_the_figure_and_something_on_it(name):
    chart = _charts()[name]
    picture = _decode(figures.to_png(chart, dpi=50))
    width, height = chart.get_size_inches() * 50
    np.testing.assert_allclose(picture.shape[:2], (height, width), atol=1)
    assert (picture != 255).any(axis=2).mean() > 0.02


def test_equal_figures_give_equal_bytes():
    first, second = (figures.to_png(_charts()["weights"], dpi=50) for _ in range(2))
    assert first == second


def test_no_figure_is_registered_globally():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums()
    _charts()
    assert pyplot.get_fignums() == before


def test_dollar_signs_make_no_formula_and_long_names_are_shortened():
    chart = _charts()["confusion"]
    figures.to_png(chart, dpi=50)
    shown = [text.get_text() for text in chart.axes[0].get_yticklabels()]
    assert shown == ["brush hair", r"cost \$5 and \$6", "x" * 39 + "…", "été"]


def test_confusion_matrix_shows_fractions_of_the_true_class():
    counts = np.array([[3, 1], [0, 0]])
    axis = figures.confusion_matrix(counts, ["a", "b"]).axes[0]
    np.testing.assert_allclose(axis.images[0].get_array(), [[0.75, 0.25], [0.0, 0.0]])
    assert [(text.get_position(), text.get_text()) for text in axis.texts] == [((0, 0), "3"), ((1, 0), "1")]


def test_confusion_matrix_of_many_classes_leaves_the_counts_out():
    assert not figures.confusion_matrix(np.eye(60, dtype=int), [str(i) for i in range(60)]).axes[0].texts


def test_per_class_accuracy_is_sorted_by_the_last_variant_best_on_top():
    axis = figures.per_class_accuracy(["a", "b", "c"], {"static": [0.9, 0.1, 0.2], "fused": [0.5, 1.0, 0.0]}).axes[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["c", "a", "b"]  # upwards
    static, fused = axis.lines
    np.testing.assert_allclose(static.get_xdata(), [0.2, 0.9, 0.1])
    np.testing.assert_allclose(fused.get_xdata(), [0.0, 0.5, 1.0])
    assert (static.get_label(), fused.get_label()) == ("static", "fused")


def test_fusion_weights_fill_each_bar():
    axis = figures.fusion_weights(["a", "b"], np.array([[0.6, 0.4], [0.3, 0.7]])).axes[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["b", "a"]
    static, motion = axis.containers
    np.testing.assert_allclose([bar.get_width() for bar in static], [0.3, 0.6])
    np.testing.assert_allclose([bar.get_x() + bar.get_width() for bar in motion], [1.0, 1.0])


@pytest.mark.parametrize(("values", "scale"), [([10.0, 0.1], "log"), ([1.0, 0.5], "linear"), ([10.0, 0.0], "linear")])
def test_curves_that_span_decades_are_logarithmic(values, scale):
    chart = figures.training_curves({"loss": ([0, 1], values), "empty": ([], [])}, "loss")
    assert chart.axes[0].get_yscale() == scale
    np.testing.assert_array_equal(chart.axes[0].lines[0].get_ydata(), values)


def test_what_does_not_fit_is_refused():
    with pytest.raises(
        ValueError, match=r"`counts` must have one row and one column per label, here \(2, 2\).*\(3, 3\)"
    ):
        figures.confusion_matrix(np.eye(3), ["a", "b"])
    with pytest.raises(ValueError, match=r"`weights` must have the shape \[classes, 2\], here \(1, 2\)"):
        figures.fusion_weights(["a"], np.ones((2, 2)) / 2)
    with pytest.raises(ValueError, match=r"`weights` must lie in \[0, 1\]. Received: static=\[nan\]"):
        figures.fusion_weights(["a"], np.array([[np.nan, 0.5]]))
    with pytest.raises(ValueError, match=r"`accuracies` must hold one value per label, 2. Received: static"):
        figures.per_class_accuracy(["a", "b"], {"static": [0.5]})
    with pytest.raises(ValueError, match="`accuracies` must hold at least one class"):
        figures.per_class_accuracy([], {"static": []})
    with pytest.raises(ValueError, match=r"`curves` must give one value per step.*'loss'.* 2 steps and 1 values"):
        figures.training_curves({"loss": ([0, 1], [1.0])}, "loss")
    with pytest.raises(ValueError, match="`curves` must hold at least one curve"):
        figures.training_curves({}, "loss")


def test_png_is_a_file_that_others_read():
    assert io.BytesIO(figures.to_png(_charts()["curves"], dpi=40)).read(8) == b"\x89PNG\r\n\x1a\n"
