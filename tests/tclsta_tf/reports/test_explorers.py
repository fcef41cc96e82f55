import re

import numpy as np
import pytest

from tclsta_tf.reports import explorers

JPEG = b"\xff\xd8\xff\xe0" + bytes(16)


def test_a_class_without_videos_and_a_column_without_values():
    rows = [explorers.ClassRow("wave", 3, 1 / 3, 0.0, 1.0), explorers.ClassRow("walk", 0)]
    table = explorers.class_table(rows, "caption")
    assert table.header == ("class", "videos", "static %", "motion %", "fused %")  # no weights are known
    assert table.rows == (("wave", "3", "33.3", "0.0", "100.0"), ("walk", "0", "-", "-", "-"))
    text = explorers.classes_html(rows, "average precision")
    assert '<span class="meter static" style="--share:33.3%">33.3</span>' in text
    assert text.count('<span class="unseen">none</span>') == 3
    assert "average precision of each stream" in text
    assert "nan" not in text.lower()


def test_weights_have_bars_on_the_same_scale():
    text = explorers.classes_html([explorers.ClassRow("wave", 0, static_weight=0.25, motion_weight=0.75)], "accuracy")
    assert '<span class="meter static" style="--share:25%">0.25</span>' in text
    assert '<span class="meter motion" style="--share:75%">0.75</span>' in text


def test_the_matrix_in_words_holds_every_count():
    confusion = explorers.Confusion(["a", "b", "c"], np.array([[5, 1, 3], [0, 1, 0], [0, 0, 0]]))
    text = explorers.confusion_html(confusion)
    rows = [re.findall("<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall("<tr>(.*?)</tr>", text)]
    assert rows[1:] == [["a", "c (3), b (1)", "9", "5"], ["b", "", "1", "1"], ["c", "", "0", "0"]]
    assert "3 classes; 6 of 10 test videos are right" in text
    assert 'class="beside"' not in text and 'class="beside"' in explorers.confusion_html(confusion, "pairs")


def test_one_class_and_no_videos():
    text = explorers.confusion_html(explorers.Confusion(["only"], np.zeros((1, 1), int)))
    assert "1 class; 0 of 0 test videos are right" in text


def test_examples_say_what_is_right():
    right = explorers.Example(JPEG, "v1", "wave", "wave", None, "alt")
    wrong = explorers.Example(JPEG, "v2", "wave", "walk", 0.4567, "alt")
    text = explorers.examples_html([right, wrong])
    kinds = re.findall('data-kind="(.*?)" data-text="(.*?)"', text)
    assert kinds == [("right", "wave wave v1"), ("wrong", "wave walk v2")]
    assert text.count("<dt>score</dt>") == 1 and "45.7 %" in text
    assert 'src="data:image/jpeg;base64,/9j/' in text and 'loading="lazy" decoding="async"' in text


@pytest.mark.parametrize(
    "counts", [np.zeros((3, 3), int), np.zeros((2, 3), int), np.zeros((2, 2)), np.array([[1, -1], [0, 0]])]
)
def test_what_is_no_matrix_of_counts_is_refused(counts):
    with pytest.raises(ValueError, match=r"`counts` must be integers >= 0 with .* per label, here \(2, 2\). Received:"):
        explorers.Confusion(["a", "b"], counts)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 54.8])
def test_what_is_no_fraction_is_refused(value):
    with pytest.raises(ValueError, match=r"`fused` must be None or a fraction in \[0, 1\]. Received: fused="):
        explorers.ClassRow("wave", 3, fused=value)
    with pytest.raises(ValueError, match="`score` must be None or a fraction"):
        explorers.Example(JPEG, "v1", "wave", "wave", value, "alt")


def test_what_is_no_thumbnail_or_has_no_words_is_refused():
    with pytest.raises(ValueError, match="`thumbnail` must hold the bytes of a JPEG file. Received: b'GIF89a"):
        explorers.Example(b"GIF89a", "v1", "wave", "wave", 0.5, "alt")
    with pytest.raises(ValueError, match="`alt` must say in words what the thumbnail shows. Received: alt=' '"):
        explorers.Example(JPEG, "v1", "wave", "wave", 0.5, " ")
