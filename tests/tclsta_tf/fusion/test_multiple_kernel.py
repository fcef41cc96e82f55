import numpy as np
import pytest
from scipy import optimize, special
from sklearn import svm
from sklearn.metrics import pairwise

from tclsta_tf.fusion import multiple_kernel


def _scores(seed, labels, static_quality, motion_quality):
    rng = np.random.default_rng(seed)
    result = []
    for quality in (static_quality, motion_quality):
        logits = rng.normal(size=(len(labels), len(quality)))
        logits[np.arange(len(labels)), labels] += np.asarray(quality)[labels]
        result.append(special.softmax(2 * logits, axis=1))
    return tuple(result)


def _problem(seed, num_videos=20):
    rng = np.random.default_rng(seed)
    targets = np.where(np.arange(num_videos) < 8, 1, -1)
    matrices = []
    for noise in (0.5, 1.0, 2.0, 8.0):
        features = targets[:, np.newaxis] * 0.6 + noise * rng.normal(size=(num_videos, 3))
        matrix = features @ features.T
        matrices.append(matrix / (matrix.trace() / num_videos - matrix.mean()))
    return np.stack(matrices), targets


def _solve_dual(matrices, targets, norm, cost):
    """The dual problem by a general solver: max sum(a) - t / 2, t at least the dual norm of the forms."""
    num_videos = len(targets)

    def forms(alpha):
        return np.array([(targets * alpha) @ matrix @ (targets * alpha) for matrix in matrices])

    constraints = [{"type": "eq", "fun": lambda x: targets @ x[:-1]}]
    if norm == 1:
        constraints.append({"type": "ineq", "fun": lambda x: x[-1] - forms(x[:-1])})
    else:
        constraints.append({"type": "ineq", "fun": lambda x: x[-1] - np.linalg.norm(forms(x[:-1]), norm / (norm - 1))})
    start = np.where(targets > 0, 0.1 / 8, 0.1 / (num_videos - 8))
    start = np.append(start, np.linalg.norm(forms(start)))
    solution = optimize.minimize(
        lambda x: x[-1] / 2 - x[:-1].sum(),
        start,
        bounds=[(0, cost)] * num_videos + [(0, None)],
        constraints=constraints,
        method="SLSQP",
        options={"maxiter": 2000, "ftol": 1e-12},
    )
    assert solution.success, solution.message
    return -solution.fun, forms(solution.x[:-1])


@pytest.mark.parametrize("norm", [1.2, 2.0, 5.0])
@pytest.mark.parametrize("cost", [0.1, 10.0])
def test_solution_agrees_with_a_general_solver(norm, cost):
    matrices, targets = _problem(0)
    weights, coefficients, bias, gap, iterations = multiple_kernel.solve(matrices, targets, norm, cost, 1e-6, 500)
    expected, forms = _solve_dual(matrices, targets, norm, cost)
    assert gap <= 1e-6 and iterations < 500
    assert (weights**norm).sum() == pytest.approx(1)
    found = [coefficients @ matrix @ coefficients for matrix in matrices]
    assert np.abs(coefficients).sum() - weights @ found / 2 == pytest.approx(expected, rel=1e-4)
    # the primal objective of these very weights and coefficients, hinge by hinge
    decision = coefficients @ np.tensordot(weights, matrices, 1) + bias
    primal = weights @ found / 2 + cost * np.maximum(0, 1 - targets * decision).sum()
    assert primal == pytest.approx(expected, rel=1e-3)
    best = forms ** (1 / (norm - 1))
    np.testing.assert_allclose(weights, best / (best**norm).sum() ** (1 / norm), atol=0.01)


def test_the_limit_of_one_agrees_too_and_silences_kernels():
    matrices, targets = _problem(1)
    expected, _ = _solve_dual(matrices, targets, 1.0, 1.0)
    weights, coefficients, _, gap, _ = multiple_kernel.solve(matrices, targets, 1.0, 1.0, 1e-3, 2000)
    found = [coefficients @ matrix @ coefficients for matrix in matrices]
    assert np.abs(coefficients).sum() - weights @ found / 2 == pytest.approx(expected, rel=2e-3) and gap <= 1e-3
    assert weights.sum() == pytest.approx(1) and weights.min() < 0.01
    even = multiple_kernel.solve(matrices, targets, 1000.0, 1.0, 1e-3, 50)[0]
    np.testing.assert_allclose(even, 1, atol=0.02)
    middle = multiple_kernel.solve(matrices, targets, 2.0, 1.0, 1e-3, 50)[0]
    shares = [values / values.sum() for values in (weights, middle, even)]
    assert shares[0].max() > shares[1].max() > shares[2].max()


def test_the_gap_is_an_upper_bound_of_what_is_missing():
    matrices, targets = _problem(2)
    expected, _ = _solve_dual(matrices, targets, 2.0, 1.0)
    for iterations in (1, 2, 4):
        weights, coefficients, _, gap, done = multiple_kernel.solve(matrices, targets, 2.0, 1.0, 1e-9, iterations)
        assert done == iterations
        found = [coefficients @ matrix @ coefficients for matrix in matrices]
        objective = np.abs(coefficients).sum() - weights @ found / 2
        assert -1e-3 <= (objective - expected) / objective <= gap + 1e-3


def test_kernels_are_what_they_are_said_to_be():
    rng = np.random.default_rng(3)
    support, scores = rng.dirichlet(np.ones(4), 30), rng.dirichlet(np.ones(4), 9)
    kernels, among = multiple_kernel.StreamKernels.fit(support)
    for matrix in among:
        assert matrix.trace() / 30 - matrix.mean() == pytest.approx(1)
    linear, rbf, chi2 = kernels.compute(scores)
    ratio = linear / (scores @ support.T)
    np.testing.assert_allclose(ratio, ratio[0, 0])
    squares = ((support[:, np.newaxis] - support) ** 2).sum(-1)
    expected = np.exp(-((scores[:, np.newaxis] - support) ** 2).sum(-1) / squares.mean())
    np.testing.assert_allclose(rbf / expected, (rbf / expected)[0, 0])
    gamma = 1 / -pairwise.additive_chi2_kernel(support).mean()
    expected = pairwise.chi2_kernel(scores, support, gamma=gamma)
    np.testing.assert_allclose(chi2 / expected, (chi2 / expected)[0, 0])


def test_decision_values_are_those_of_svms_on_the_summed_kernels():
    labels = np.random.default_rng(4).integers(0, 4, 90)
    fit = _scores(5, labels, [2] * 4, [1] * 4)
    test = _scores(6, labels, [2] * 4, [1] * 4)
    fitted = multiple_kernel.fit_multiple_kernels(*fit, labels, cost=0.5)
    values = fitted.scores(*test)
    assert values.shape == (90, 4) and values.dtype == np.float64
    np.testing.assert_array_equal(fitted.rows, np.arange(90))
    among, towards = [], []
    for stream, stream_test in zip(fit, test, strict=True):
        kernels, matrices = multiple_kernel.StreamKernels.fit(stream)
        among += matrices
        towards += kernels.compute(stream_test)
    for label in range(4):
        machine = svm.SVC(C=0.5, kernel="precomputed")
        machine.fit(np.tensordot(fitted.kernel_weights[label], among, 1), labels == label)
        expected = machine.decision_function(np.tensordot(fitted.kernel_weights[label], towards, 1))
        np.testing.assert_allclose(values[:, label], expected, atol=0.01)


def test_the_stream_that_knows_more_gets_more_weight():
    labels = np.arange(200) % 4
    qualities = ([1] * 4, [3] * 4)
    fitted = multiple_kernel.fit_multiple_kernels(*_scores(7, labels, *qualities), labels)
    share = fitted.kernel_weights[:, :3].sum(axis=1) / fitted.kernel_weights.sum(axis=1)
    assert (share < 0.45).all()
    assert (fitted.gaps <= multiple_kernel.TOLERANCE).all()
    assert fitted.kernel_names[:3] == ("static/linear", "static/rbf", "static/chi2")
    test = _scores(8, labels, *qualities)
    assert (fitted.scores(*test).argmax(axis=1) == labels).mean() > 0.9


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("norm", [1.0, 2.0])
def test_degenerate_classes_give_finite_scores(norm):
    for labels in ([0, 0, 0, 1, 3], [2, 2], [4], [0, 1]):
        labels = np.array(labels)
        streams = _scores(9, labels, [3] * 5, [3] * 5)
        fitted = multiple_kernel.fit_multiple_kernels(*streams, labels, norm=norm)
        test = _scores(10, np.arange(5), [3] * 5, [3] * 5)
        scores = fitted.scores(*test)
        assert np.isfinite(scores).all() and np.isfinite(fitted.kernel_weights).all()
        absent = np.setdiff1d(np.arange(5), labels)
        assert (scores[:, absent].max(axis=1) < scores[:, np.unique(labels)].min(axis=1)).all()
        np.testing.assert_allclose((fitted.kernel_weights**norm).sum(axis=1), 1)
    same = np.full((6, 3), 1 / 3)  # scores that tell nothing
    fitted = multiple_kernel.fit_multiple_kernels(same, same, np.array([0, 0, 0, 0, 1, 2]), norm=norm)
    assert np.isfinite(fitted.scores(same, same)).all() and np.isfinite(fitted.kernel_weights).all()


def test_at_most_so_many_videos_are_used_and_of_every_class():
    labels = np.repeat(np.arange(4), [60, 60, 60, 1])
    streams = _scores(11, labels, [2] * 4, [2] * 4)
    fit = multiple_kernel.fit_multiple_kernels
    fitted = fit(*streams, labels, max_videos=40)
    assert len(fitted.rows) == 40 and fitted.present.all()
    alone = fit(*(stream[fitted.rows] for stream in streams), labels[fitted.rows])
    np.testing.assert_array_equal(alone.scores(*streams), fitted.scores(*streams))
    np.testing.assert_array_equal(fit(*streams, labels, max_videos=40).scores(*streams), fitted.scores(*streams))
    assert (fit(*streams, labels, max_videos=40, seed=1).rows != fitted.rows).any()


def test_many_videos_are_scored_piece_by_piece(monkeypatch):
    labels = np.arange(100) % 3
    streams = _scores(12, labels, [2] * 3, [2] * 3)
    fitted = multiple_kernel.fit_multiple_kernels(*streams, labels)
    whole = fitted.scores(*streams)
    monkeypatch.setattr(multiple_kernel, "_CHUNK", 7)
    np.testing.assert_allclose(fitted.scores(*streams), whole, atol=1e-9)
    assert fitted.scores(*(stream[:0] for stream in streams)).shape == (0, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": 0.5}, "`norm` must be finite and >= 1. Received: norm=0.5"),
        ({"norm": np.inf}, "`norm` must be finite and >= 1. Received: norm=inf"),
        ({"cost": 0.0}, "`cost` must be finite and > 0. Received: cost=0.0"),
        ({"tolerance": np.nan}, "`tolerance` must be finite and > 0"),
        ({"max_iterations": 0}, "`max_iterations` must be at least 1"),
        ({"max_videos": 0}, "`max_videos` must be at least 1"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    labels = np.arange(20) % 2
    with pytest.raises(ValueError, match=message):
        multiple_kernel.fit_multiple_kernels(*_scores(13, labels, [2, 2], [2, 2]), labels, **options)


def test_scores_out_of_range_are_refused():
    labels = np.arange(20) % 2
    static, motion = _scores(14, labels, [2, 2], [2, 2])
    fitted = multiple_kernel.fit_multiple_kernels(static, motion, labels)
    with pytest.raises(ValueError, match=r"`motion_scores` must lie in \[0, 1\]"):
        multiple_kernel.fit_multiple_kernels(static, -motion, labels)
    with pytest.raises(ValueError, match="softmax scores, not logits"):
        fitted.scores(static, -motion)
    with pytest.raises(ValueError, match="must have 2 columns"):
        fitted.scores(np.ones((3, 4)), np.ones((3, 4)))
