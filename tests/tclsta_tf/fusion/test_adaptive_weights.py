import numpy as np
import pytest
from scipy import optimize, special

from tclsta_tf.fusion import adaptive_weights


def _random_problem(seed: int, num_videos: int = 60, num_classes: int = 7):
    rng = np.random.default_rng(seed)
    scores = [special.softmax(2 * rng.normal(size=(num_videos, num_classes)), axis=1) for _ in range(2)]
    return *scores, rng.integers(0, num_classes, num_videos)


def _coefficients_by_loops(static, motion, labels, trade_off):
    """Eqs. (11)-(13) written out, sample by sample."""
    num_classes = static.shape[1]
    result = np.zeros((num_classes, 2))
    for j in range(num_classes):
        for i, label in enumerate(labels):
            sign = 1.0 if label == j else -trade_off
            result[j] += sign * np.array([static[i, j], motion[i, j]])
    return result


def test_coefficients_follow_the_equations():
    static, motion, labels = _random_problem(0)
    np.testing.assert_allclose(
        adaptive_weights.objective_coefficients(static, motion, labels, 0.3),
        _coefficients_by_loops(static, motion, labels, 0.3),
        atol=1e-12,
    )


@pytest.mark.parametrize("floor", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("trade_off", [0.0, 5e-3, 2.0])
def test_linear_program_reaches_the_optimum_of_a_brute_force_search(floor, trade_off):
    static, motion, labels = _random_problem(1)
    weights = adaptive_weights.fit_adaptive_weights(static, motion, labels, trade_off=trade_off, floor=floor)
    candidates = np.linspace(floor, 1 - floor, 2001)
    candidates = np.stack([candidates, 1 - candidates])  # [2, candidates]
    coefficients = _coefficients_by_loops(static, motion, labels, trade_off)
    np.testing.assert_allclose((weights * coefficients).sum(axis=1), (coefficients @ candidates).max(axis=1), atol=1e-9)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-12)
    assert weights.min() >= floor - 1e-12


@pytest.mark.parametrize("strength", [0.05, 0.5, 3.0])
def test_regularised_reaches_the_optimum_of_a_numerical_search(strength):
    static, motion, labels = _random_problem(2)
    weights = adaptive_weights.fit_adaptive_weights(
        static, motion, labels, "regularised", trade_off=0.1, strength=strength
    )
    for row, found in zip(_coefficients_by_loops(static, motion, labels, 0.1), weights, strict=True):
        normalised = row / np.abs(row).sum()

        def loss(w, normalised=normalised):
            pair = np.array([w, 1 - w])
            return -(normalised @ pair + strength * special.entr(pair).sum())

        expected = optimize.minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-10}).x
        np.testing.assert_allclose(found, [expected, 1 - expected], atol=1e-6)


def test_each_class_prefers_the_stream_that_knows_it():
    labels = np.array([0, 0, 1, 1])
    sure, unsure = [0.9, 0.1], [0.5, 0.5]
    static = np.array([sure, sure, unsure, unsure])
    motion = np.array([unsure, unsure, sure[::-1], sure[::-1]])
    weights = adaptive_weights.fit_adaptive_weights(static, motion, labels, floor=0.2)
    np.testing.assert_allclose(weights, [[0.8, 0.2], [0.2, 0.8]])
    soft = adaptive_weights.fit_adaptive_weights(static, motion, labels, method="regularised")
    assert 0.5 < soft[0, 0] < 0.8 and soft[1, 1] == pytest.approx(soft[0, 0])


def test_the_trade_off_turns_a_stream_away_that_raises_false_alarms():
    labels = np.array([0, 1, 1, 1])
    static = np.array([[0.9, 0.1], [0.8, 0.2], [0.8, 0.2], [0.8, 0.2]])  # says class 0 every time
    motion = np.array([[0.7, 0.3], [0.1, 0.9], [0.1, 0.9], [0.1, 0.9]])
    fit = adaptive_weights.fit_adaptive_weights
    np.testing.assert_allclose(fit(static, motion, labels, trade_off=0.0)[0], [0.6, 0.4])
    np.testing.assert_allclose(fit(static, motion, labels, trade_off=1.0)[0], [0.4, 0.6])


@pytest.mark.parametrize("method", adaptive_weights.METHODS)
def test_a_class_without_videos_gets_equal_weights(method):
    static, motion, labels = _random_problem(3)
    labels[labels == 4] = 5
    weights = adaptive_weights.fit_adaptive_weights(static, motion, labels, method, trade_off=1.0)
    assert weights[4].tolist() == [0.5, 0.5]
    assert (weights[5] != 0.5).all()


@pytest.mark.parametrize("method", adaptive_weights.METHODS)
def test_a_tie_up_to_rounding_gets_equal_weights(method):
    static, _, labels = _random_problem(4)
    nearly = np.minimum(static.astype(np.float32) * np.float32(1 + 1e-7), 1)
    assert (adaptive_weights.fit_adaptive_weights(static, nearly, labels, method) == 0.5).all()
    zeros = np.zeros_like(static)
    assert (adaptive_weights.fit_adaptive_weights(zeros, zeros, labels, method) == 0.5).all()


def test_a_small_difference_still_finds_the_corner():
    static, _, labels = _random_problem(5)
    weights = adaptive_weights.fit_adaptive_weights(static, static * (1 - 1e-5), labels, trade_off=0.0)
    np.testing.assert_allclose(weights, [[0.6, 0.4]] * static.shape[1])


def test_strength_does_not_depend_on_the_scale_of_the_problem():
    static, motion, labels = _random_problem(6)
    fit = adaptive_weights.fit_adaptive_weights
    expected = fit(static, motion, labels, "regularised")
    repeated = fit(np.tile(static, (9, 1)), np.tile(motion, (9, 1)), np.tile(labels, 9), "regularised")
    np.testing.assert_allclose(repeated, expected, rtol=1e-9)
    np.testing.assert_allclose(fit(static / 50, motion / 50, labels, "regularised"), expected, rtol=1e-9)


def test_strength_leads_from_one_stream_to_equal_weights():
    static, motion, labels = _random_problem(7)
    fit = adaptive_weights.fit_adaptive_weights
    np.testing.assert_allclose(fit(static, motion, labels, "regularised", strength=1e6), 0.5, atol=1e-6)
    np.testing.assert_allclose(
        fit(static, motion, labels, "regularised", strength=1e-6), fit(static, motion, labels, floor=0.0), atol=1e-6
    )


def test_fused_scores_weigh_each_column_by_its_own_class():
    static = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    motion = np.array([[0.2, 0.7, 0.1], [0.6, 0.2, 0.2]])
    weights = np.array([[1.0, 0.0], [0.25, 0.75], [0.5, 0.5]])
    fused = adaptive_weights.fuse_adaptive(static, motion, weights)
    np.testing.assert_allclose(fused, [[0.5, 0.6, 0.15], [0.1, 0.175, 0.5]])
    assert fused.dtype == np.float64


def test_equal_weights_equal_late_fusion():
    static, motion, labels = _random_problem(8)
    weights = adaptive_weights.fit_adaptive_weights(static, motion, labels, floor=0.5)
    np.testing.assert_allclose(adaptive_weights.fuse_adaptive(static, motion, weights), (static + motion) / 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "svm"}, r"`method` must be one of \('lp', 'regularised'\). Received: method='svm'"),
        ({"floor": 0.6}, r"`floor` must lie in \[0, 0.5\].*floor=0.6"),
        ({"floor": float("nan")}, r"`floor` must lie in \[0, 0.5\].*floor=nan"),
        ({"trade_off": -1.0}, r"`trade_off` must be finite and >= 0. Received: trade_off=-1.0"),
        ({"strength": 0.0}, r"`strength` must be finite and > 0.*strength=0.0"),
        ({"strength": -1.0}, r"`strength` must be finite and > 0.*strength=-1.0"),
        ({"strength": float("inf")}, r"`strength` must be finite and > 0.*strength=inf"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    static, motion, labels = _random_problem(9)
    with pytest.raises(ValueError, match=message):
        adaptive_weights.fit_adaptive_weights(static, motion, labels, **options)


def test_samples_out_of_range_are_refused():
    static, motion, labels = _random_problem(10)
    fit = adaptive_weights.fit_adaptive_weights
    with pytest.raises(ValueError, match=r"`motion_scores` must lie in \[0, 1\]: softmax scores, not logits"):
        fit(static, motion * 5, labels)
    with pytest.raises(ValueError, match=r"`motion_scores` must lie in \[0, 1\].*to 1.00001"):
        fit(static, np.where(motion == motion.max(), 1.00001, motion), labels)
    with pytest.raises(ValueError, match=r"`static_scores` must lie in \[0, 1\]"):
        fit(-static, motion, labels)
    with pytest.raises(ValueError, match=r"`static_scores` must be finite"):
        fit(np.where(static == static.max(), np.nan, static), motion, labels)
    with pytest.raises(ValueError, match=r"`labels` must lie in \[0, 7\).*from 0 to 7"):
        fit(static, motion, np.where(np.arange(60) == 3, 7, np.minimum(labels, 0)))
    with pytest.raises(ValueError, match=r"`labels` must lie in \[0, 7\).*from -1"):
        fit(static, motion, labels - labels.min() - 1)
    with pytest.raises(ValueError, match=r"`labels` must be one integer per video, shape \(60,\).*float64"):
        fit(static, motion, labels.astype(float))
    with pytest.raises(ValueError, match=r"`labels` must be one integer per video.*\(59,\)"):
        fit(static, motion, labels[:-1])
    with pytest.raises(ValueError, match="At least one video is needed"):
        fit(static[:0], motion[:0], labels[:0])


def test_weights_that_do_not_fit_the_scores_are_refused():
    static, motion, _ = _random_problem(11)
    with pytest.raises(ValueError, match=r"`weights` must have the shape .* here \(7, 2\).*\(6, 2\)"):
        adaptive_weights.fuse_adaptive(static, motion, np.full((6, 2), 0.5))
    for bad in (np.full((7, 2), 0.6), np.tile([1.5, -0.5], (7, 1)), np.full((7, 2), np.nan)):
        with pytest.raises(ValueError, match="`weights` must be >= 0 and sum to 1"):
            adaptive_weights.fuse_adaptive(static, motion, bad)
