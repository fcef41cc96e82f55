import numpy as np
import pytest
from sklearn import metrics as reference

from tclsta_tf.evaluation import intervals, metrics


@pytest.mark.parametrize(("videos", "accuracy"), [(60, 0.7), (200, 0.5), (200, 0.9), (1000, 0.97)])
def test_intervals_cover_at_their_nominal_rate(videos, accuracy):
    rng = np.random.default_rng(videos)
    covered = [
        low <= accuracy <= high
        for low, high in (intervals.bootstrap((rng.random(videos) < accuracy).astype(float)) for _ in range(1000))
    ]
    assert 0.925 <= np.mean(covered) <= 0.975


def test_intervals_of_the_mean_over_classes_cover():
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(4), [60, 30, 30, 60])
    by_class = np.array([0.9, 0.5, 0.7, 0.6])
    covered = []
    for _ in range(400):
        right = rng.random(len(labels)) < by_class[labels]
        scores = np.eye(4)[np.where(right, labels, (labels + 1) % 4)]
        low, high = intervals.bootstrap_metrics(scores, labels, resamples=500)["mean_class_accuracy"]
        covered.append(low <= by_class.mean() <= high)
    assert 0.92 <= np.mean(covered) <= 0.98


def test_drawing_groups_covers_where_videos_of_a_group_are_alike():
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(80), 5)
    covered, narrow = [], []
    for _ in range(400):
        values = (rng.random(80) < 0.6).astype(float)[groups]  # a group is right or wrong as a whole
        low, high = intervals.bootstrap(values, groups)
        covered.append(low <= 0.6 <= high)
        narrow.append(np.subtract(*reversed(intervals.bootstrap(values))) < (high - low))
    assert 0.92 <= np.mean(covered) <= 0.98
    assert np.mean(narrow) > 0.99


def test_all_right_is_not_certainty():
    low, high = intervals.bootstrap(np.ones(10))
    assert high == 1.0
    assert low == pytest.approx(0.6915, abs=1e-4)  # Clopper and Pearson's
    low, high = intervals.bootstrap(np.zeros(10))
    assert (low, high) == (0.0, pytest.approx(0.3085, abs=1e-4))
    result = intervals.bootstrap_metrics(np.eye(3), np.arange(3))
    assert result["mean_class_accuracy"] == result["overall_accuracy"]


def test_intervals_are_the_same_every_time():
    values = np.arange(50) % 2.0
    assert intervals.bootstrap(values) == intervals.bootstrap(values)


def test_weighted_precision_is_scikit_learns():
    rng = np.random.default_rng(0)
    scores, truth = rng.integers(0, 15, 80) / 15, rng.random(80) < 0.3  # with equal scores
    weights = rng.integers(0, 4, (20, 80)).astype(np.float32)
    ours = intervals._weighted_precision(scores, truth, weights)
    theirs = [reference.average_precision_score(truth, scores, sample_weight=row) for row in weights]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_multi_label_intervals_hold_the_figure():
    rng = np.random.default_rng(2)
    truth = rng.random((150, 5)) < 0.25  # some videos with two classes, some with none
    scores = truth + rng.normal(0, 0.7, truth.shape)
    found = intervals.bootstrap_metrics(scores, truth, resamples=300)
    figures = metrics.summarise(scores, truth)
    for name, (low, high) in found.items():
        assert low < figures[name] < high
        assert high - low < 0.25
    assert "mean_average_precision" in found
    assert "mean_average_precision" not in intervals.bootstrap_metrics(scores, truth.argmax(axis=1))


@pytest.mark.parametrize(
    ("first", "second", "expected"), [(0, 0, 1.0), (5, 5, 1.0), (1, 9, 0.021484375), (0, 6, 0.03125)]
)
def test_mcnemar(first, second, expected):
    # 2 * sum of binomial(10, k) / 2^10 over k <= 1 is 22 / 1024; 2 / 2^6.
    assert intervals.mcnemar(first, second) == pytest.approx(expected)
    assert intervals.mcnemar(second, first) == pytest.approx(expected)


def test_comparison_counts_who_alone_is_right():
    first = np.array([True, True, True, False, False, False] * 20)
    second = np.array([True, True, False, True, True, False] * 20)
    found = intervals.compare(first, second)
    assert (found.only_first, found.only_second) == (20, 40)
    assert found.difference == pytest.approx(1 / 6)
    assert 0 < found.interval[0] < 1 / 6 < found.interval[1] < 0.35
    assert found.p_value == intervals.mcnemar(20, 40)
    same = intervals.compare(first, first)
    assert same.p_value == 1
    assert same.interval[0] == -same.interval[1] < 0  # never disagreeing on 120 videos is no proof either


@pytest.mark.parametrize(
    ("interval", "verdict"), [((0.01, 0.2), "better"), ((-0.2, -0.01), "worse"), ((0.0, 0.2), "undecided")]
)
def test_the_verdict_is_whether_the_interval_excludes_0(interval, verdict):
    assert intervals.Comparison(0.1, interval, 1, 2, None).verdict == verdict


def test_videos_that_are_there_twice_are_no_further_evidence():
    first, second = np.array([True, True, False, False] * 10), np.array([True, False, True, True] * 10)
    ids = np.arange(40)
    once = intervals.compare(first, second, ids)
    twice = intervals.compare(np.tile(first, 2), np.tile(second, 2), np.tile(ids, 2))
    assert once == intervals.compare(first, second)
    assert (twice.difference, twice.interval, twice.p_value) == (once.difference, once.interval, None)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"`values` must be at least one number in \[0, 1\].*\(0,\)"):
        intervals.bootstrap(np.zeros(0))
    with pytest.raises(ValueError, match="`values`"):
        intervals.bootstrap(np.array([np.nan, 0]))
    with pytest.raises(ValueError, match=r"`level` must lie in \(0, 1\). Received: level=95"):
        intervals.bootstrap(np.ones(3), level=95)
    with pytest.raises(ValueError, match=r"must be about the same videos.*\(3,\).*\(2,\)"):
        intervals.compare(np.ones(3), np.ones(2))
