import numpy as np
import pytest
from sklearn import svm
from sklearn.utils import parallel

from tclsta_tf.fusion import early_svm


def _videos(seed, labels, num_classes=5, static=12, motion=7, noise=0.6):
    """Features of two streams whose class means do not depend on `seed`."""
    means = np.random.default_rng(99).normal(size=(num_classes, static + motion))
    features = means[labels] + noise * np.random.default_rng(seed).normal(size=(len(labels), static + motion))
    return features[:, :static], features[:, static:]


LABELS = np.random.default_rng(0).integers(0, 5, 200)


def test_each_class_is_a_linear_svm_against_the_rest():
    static, motion = _videos(1, LABELS)
    fitted = early_svm.fit_early(static, motion, LABELS, 5, costs=(0.3,))
    joined = early_svm.join_features(static, motion)
    for label in range(5):
        exact = svm.LinearSVC(C=0.3, tol=1e-8, max_iter=100_000).fit(joined, LABELS == label)
        scale = np.abs(exact.coef_).max()
        np.testing.assert_allclose(fitted.weights[label], exact.coef_[0], atol=0.02 * scale)
        np.testing.assert_allclose(fitted.biases[label], exact.intercept_[0], atol=0.02 * scale)
    test = _videos(2, LABELS)
    scores = fitted.scores(*test)
    assert scores.dtype == np.float64 and scores.shape == (200, 5)
    assert (scores.argmax(axis=1) == LABELS).mean() > 0.9
    assert fitted.cost == 0.3


def test_both_streams_count_and_neither_by_its_units():
    static, motion = _videos(3, LABELS)
    first = early_svm.fit_early(static, motion, LABELS, 5)
    second = early_svm.fit_early(1e30 * static, 1e-30 * motion, LABELS, 5)
    np.testing.assert_allclose(second.weights, first.weights, atol=1e-3)
    joined = early_svm.join_features(static, motion)
    assert joined.dtype == np.float32 and joined.shape == (200, 19)
    np.testing.assert_allclose(np.linalg.norm(joined[:, :12], axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(joined[:, 12:], axis=1), 1, rtol=1e-6)
    static, motion = _videos(3, LABELS, noise=1.5)
    test_static, test_motion = _videos(4, LABELS, noise=1.5)

    def accuracy(static_factor, motion_factor):
        fitted = early_svm.fit_early(static_factor * static, motion_factor * motion, LABELS, 5)
        return (fitted.scores(static_factor * test_static, motion_factor * test_motion).argmax(axis=1) == LABELS).mean()

    assert accuracy(1, 1) > max(accuracy(1, 0), accuracy(0, 1))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("num_classes", [1, 2, 3, 7])
def test_few_classes_absent_classes_and_classes_of_one_video(num_classes):
    for present in {1, 2, min(3, num_classes)}:
        if present > num_classes:
            continue
        classes = np.arange(num_classes)[-present:]  # the first ones are absent
        labels = np.append(np.repeat(classes[:-1], 6), classes[-1])  # the last has one video
        static, motion = _videos(5, labels, num_classes, noise=0.1)
        fitted = early_svm.fit_early(static, motion, labels, num_classes)
        scores = fitted.scores(static, motion)
        assert scores.shape == (len(labels), num_classes) and np.isfinite(scores).all()
        np.testing.assert_array_equal(scores.argmax(axis=1), labels)
        absent = np.setdiff1d(np.arange(num_classes), classes)
        if absent.size:
            assert (scores[:, absent].max(axis=1) < scores[:, classes].min(axis=1)).all()


def test_the_cost_is_chosen_on_held_out_videos():
    static, motion = _videos(6, LABELS, noise=1.5)
    truth = np.random.default_rng(7).integers(0, 5, 300)
    held_out = (*_videos(8, truth, noise=1.5), truth)
    costs = (1e-4, 0.1, 10.0)
    chosen = early_svm.fit_early(static, motion, LABELS, 5, costs, held_out)
    accuracies = {}
    for cost in costs:
        alone = early_svm.fit_early(static, motion, LABELS, 5, (cost,))
        accuracies[cost] = (alone.scores(*held_out[:2]).argmax(axis=1) == truth).mean()
    assert len(set(accuracies.values())) == 3 and chosen.cost == max(accuracies, key=accuracies.get)
    same = early_svm.fit_early(static, motion, LABELS, 5, (chosen.cost,))
    np.testing.assert_array_equal(same.weights, chosen.weights)


def test_two_processes_give_the_same_as_one(monkeypatch):
    static, motion = _videos(10, LABELS)
    one = early_svm.fit_early(static, motion, LABELS, 5)
    monkeypatch.setattr(early_svm, "_LARGE", 0)
    two = early_svm.fit_early(static, motion, LABELS, 5)
    np.testing.assert_array_equal(two.weights, one.weights)
    np.testing.assert_array_equal(two.biases, one.biases)


@pytest.mark.parametrize(("limit", "processes"), [(200 * 19 * 5 - 1, 2), (200 * 19 * 5, 1)])
def test_a_second_process_is_for_many_numbers_and_classes(monkeypatch, limit, processes):
    asked = []

    class Parallel(parallel.Parallel):
        def __init__(self, n_jobs):
            asked.append(n_jobs)
            super().__init__(n_jobs=1)

    monkeypatch.setattr(early_svm.parallel, "Parallel", Parallel)
    monkeypatch.setattr(early_svm, "_LARGE", limit)
    early_svm.fit_early(*_videos(11, LABELS), LABELS, 5)
    assert asked == [processes]


def test_bad_arguments_are_refused():
    static, motion = _videos(9, LABELS)
    fit = early_svm.fit_early
    with pytest.raises(ValueError, match=r"`motion_features` must be finite.*\[3, 2\]=nan"):
        fit(static, np.where(np.arange(1400).reshape(200, 7) == 23, np.nan, motion), LABELS, 5)
    with pytest.raises(ValueError, match=r"must cover the same videos.*\(200, 12\) and \(199, 7\)"):
        fit(static, motion[1:], LABELS, 5)
    with pytest.raises(ValueError, match=r"`static_features` must hold real numbers of shape"):
        fit(static[0], motion, LABELS, 5)
    with pytest.raises(ValueError, match=r"`labels` must lie in \[0, 4\).*from 0 to 4"):
        fit(static, motion, LABELS, 4)
    with pytest.raises(ValueError, match=r"`labels` must be one integer per video, shape \(200,\)"):
        fit(static, motion, LABELS[1:], 5)
    with pytest.raises(ValueError, match=r"`labels` must be one integer per video.*shape \(201,\)"):
        fit(static, motion, np.append(LABELS, 0), 5)
    with pytest.raises(ValueError, match="At least one video"):
        fit(static[:0], motion[:0], LABELS[:0], 5)
    with pytest.raises(ValueError, match=r"`costs` must hold finite numbers > 0"):
        fit(static, motion, LABELS, 5, costs=(0.0,))
    with pytest.raises(ValueError, match=r"`costs` must hold finite numbers > 0"):
        fit(static, motion, LABELS, 5, costs=(1.0, -1.0), held_out=(static, motion, LABELS))
    with pytest.raises(ValueError, match=r"Several `costs` need `held_out`"):
        fit(static, motion, LABELS, 5, costs=(1.0, 2.0))
    with pytest.raises(ValueError, match=r"`held_out labels` must be one integer per video, shape \(200,\)"):
        fit(static, motion, LABELS, 5, costs=(1.0, 2.0), held_out=(static, motion[1:], LABELS[1:]))
    with pytest.raises(ValueError, match=r"must have \(12, 7\) columns, as in training.*\(200, 7\)"):
        fit(static, motion, LABELS, 5).scores(motion, static)
    with pytest.raises(ValueError, match=r"must have \(12, 7\) columns, as in training.*\(200, 12\)"):
        fit(static, motion, LABELS, 5).scores(static, static)
