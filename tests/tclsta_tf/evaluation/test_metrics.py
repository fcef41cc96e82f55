import math
import warnings

import numpy as np
import pytest
from sklearn import metrics as reference

from tclsta_tf.evaluation import metrics


def test_figures_worked_by_hand():
    # Class 0: three videos, two right. Class 1: one video, wrong. Class 2 never occurs.
    scores = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8], [0.5, 0.4, 0.1]])
    result = metrics.summarise(scores, np.array([0, 0, 0, 1]))
    assert result == {
        "overall_accuracy": 0.5,
        "mean_class_accuracy": pytest.approx((2 / 3 + 0) / 2),
        "top5_accuracy": 1.0,
        # Class 0 ranks + + - +: (1 + 1 + 3/4) / 3. Class 1 has its only video in first place.
        "mean_average_precision": pytest.approx((2.75 / 3 + 1) / 2),
        "num_videos": 4,
    }
    assert {type(value) for value in result.values()} == {float, int}


def test_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    scores, labels = rng.random((200, 9)), np.arange(200) % 9
    result = metrics.summarise(scores, labels)
    assert result["overall_accuracy"] == pytest.approx(reference.accuracy_score(labels, scores.argmax(1)))
    assert result["mean_class_accuracy"] == pytest.approx(reference.balanced_accuracy_score(labels, scores.argmax(1)))
    assert result["top5_accuracy"] == pytest.approx(reference.top_k_accuracy_score(labels, scores, k=5))
    assert result["mean_average_precision"] == pytest.approx(
        reference.average_precision_score(np.eye(9)[labels], scores, average="macro")
    )


@pytest.mark.parametrize(("num_classes", "expected"), [(1, 1.0), (2, 1.0), (5, 1.0), (6, 0.5)])
def test_top5_with_few_classes(num_classes, expected):
    scores = np.arange(num_classes, 0, -1, dtype=float)[np.newaxis].repeat(2, axis=0)
    assert metrics.summarise(scores, np.array([0, num_classes - 1]))["top5_accuracy"] == expected


def test_ties_go_to_the_lower_class_in_every_figure():
    scores = np.full((2, 6), 0.5)
    result = metrics.summarise(scores, np.array([0, 5]))
    assert result["overall_accuracy"] == 0.5
    assert result["top5_accuracy"] == 0.5
    assert metrics.confusion_matrix(scores, np.array([0, 5]))[:, 0].tolist() == [1, 0, 0, 0, 0, 1]


def test_nothing_is_ever_not_a_number():
    rng = np.random.default_rng(1)
    cases = [
        (rng.random((1, 1)), [0]),  # one class, one video
        (rng.random((3, 4)), [2, 2, 2]),  # only one class occurs: no negatives for its precision
        (np.zeros((3, 4)), [0, 1, 3]),  # no preference at all
        (np.full((3, 3), -1e30), [0, 1, 2]),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scores, labels in cases:
            assert all(math.isfinite(value) for value in metrics.summarise(scores, np.array(labels)).values())


def test_confusion_matrix_has_true_classes_in_rows():
    scores = np.eye(4)[[1, 1, 2, 0]]
    confusion = metrics.confusion_matrix(scores, np.array([0, 1, 1, 0]))
    assert confusion.dtype == np.int64
    assert confusion.tolist() == [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_per_class_accuracy_holds_the_classes_that_occur():
    scores = np.eye(4)[[1, 1, 3, 3, 0]]
    assert metrics.per_class_accuracy(scores, np.array([0, 1, 3, 3, 3])) == {0: 0.0, 1: 1.0, 3: pytest.approx(2 / 3)}


def test_most_confused_pairs_are_ordered_and_leave_out_the_diagonal():
    confusion = np.array([[5, 2, 0], [0, 9, 3], [2, 0, 0]])
    pairs = metrics.most_confused_pairs(confusion)
    found = [(pair.true_class, pair.predicted_class, pair.count) for pair in pairs]
    assert found == [(1, 2, 3), (2, 0, 2), (0, 1, 2)]  # 2/2 before 2/7
    assert pairs[0].share == pytest.approx(3 / 12)
    assert metrics.most_confused_pairs(confusion, limit=1) == pairs[:1]
    assert metrics.most_confused_pairs(np.eye(3, dtype=int)) == []


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), r"at least one of each.*scores.shape=\(0, 3\)"),
        (np.zeros(3), np.zeros(3, int), r"`scores` must be numbers of shape \[videos, classes\]"),
        (np.full((2, 2), np.nan), np.zeros(2, int), r"`scores` must be finite. Received: scores\[0, 0\]=nan"),
        (np.zeros((2, 2)), np.zeros(3, int), r"`labels` must be one integer per video, shape \(2,\).*\(3,\)"),
        (np.zeros((2, 2)), np.zeros(2), r"`labels` must be one integer per video.*float64"),
        (np.zeros((2, 2)), np.array([0, 2]), r"`labels` must lie in \[0, 2\).*from 0 to 2"),
        (np.zeros((2, 2)), np.array([-1, 0]), r"`labels` must lie in \[0, 2\).*from -1 to 0"),
    ],
)
def test_what_does_not_fit_is_refused(scores, labels, message):
    for function in (metrics.summarise, metrics.confusion_matrix, metrics.per_class_accuracy):
        with pytest.raises(ValueError, match=message):
            function(scores, labels)


def test_confused_pairs_want_a_square_matrix():
    with pytest.raises(ValueError, match=r"`confusion` must be a square matrix.*\(2, 3\)"):
        metrics.most_confused_pairs(np.zeros((2, 3)))


def test_videos_of_several_classes_and_of_none():
    truth = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]], bool)
    scores = np.array([[0.1, 0.9, 0.2], [0.8, 0.1, 0.1], [0.9, 0.2, 0.3], [0.1, 0.2, 0.7]])
    result = metrics.summarise(scores, truth)
    assert result["overall_accuracy"] == pytest.approx(2 / 3)  # of the three videos that have a class
    # Class 0: its video is right by its other class. Class 1: one of two. Class 2: right.
    assert result["mean_class_accuracy"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    assert result["mean_average_precision"] == pytest.approx(
        np.mean([reference.average_precision_score(truth[:, j], scores[:, j]) for j in range(3)])
    )
    assert result["num_videos"] == 4
    assert metrics.per_class_accuracy(scores, truth) == {0: 1.0, 1: 0.5, 2: 1.0}
    assert metrics.confusion_matrix(scores, truth).tolist() == [[0, 1, 0], [1, 1, 0], [0, 0, 1]]
    with pytest.raises(ValueError, match="must give a class to one video at least"):
        metrics.summarise(scores, np.zeros((4, 3), bool))


def test_one_class_a_video_is_the_same_either_way():
    rng = np.random.default_rng(0)
    scores, labels = rng.random((90, 7)), rng.integers(0, 7, 90)
    assert metrics.summarise(scores, labels) == metrics.summarise(scores, np.eye(7, dtype=bool)[labels])
    expected = reference.confusion_matrix(labels, scores.argmax(axis=1), labels=np.arange(7))
    assert metrics.confusion_matrix(scores, labels).tolist() == expected.tolist()
