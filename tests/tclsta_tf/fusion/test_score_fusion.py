import numpy as np
import pytest

from tclsta_tf.fusion import score_fusion

STATIC = np.array([[0.8, 0.2], [0.4, 0.6]])
MOTION = np.array([[0.2, 0.8], [0.0, 1.0]])


def test_equal_weights_are_the_mean():
    np.testing.assert_allclose(score_fusion.late_fusion(STATIC, MOTION), [[0.5, 0.5], [0.2, 0.8]])


def test_weights_count_relative_to_each_other():
    fused = score_fusion.late_fusion(STATIC, MOTION, weights=(2.0, 3.0))
    np.testing.assert_allclose(fused, [[0.44, 0.56], [0.16, 0.84]])
    np.testing.assert_allclose(fused, score_fusion.late_fusion(STATIC, MOTION, weights=(1.0, 1.5)))
    np.testing.assert_array_equal(score_fusion.late_fusion(STATIC, MOTION, weights=(0.0, 2.0)), MOTION)


def test_softmax_in_softmax_out_in_double_precision():
    fused = score_fusion.late_fusion(STATIC.astype(np.float32), MOTION.astype(np.float32), (1.0, 1.5))
    assert fused.dtype == np.float64
    np.testing.assert_allclose(fused.sum(axis=1), 1.0, rtol=1e-6)


def test_no_video_gives_no_scores():
    assert score_fusion.late_fusion(np.zeros((0, 3)), np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 2.0, 3.0), (0.0, 0.0), (-1.0, 2.0), (np.nan, 1.0), (np.inf, 1.0)])
def test_weights_out_of_range_are_refused(weights):
    with pytest.raises(ValueError, match=r"`weights` must be two finite numbers >= 0.*Received: weights="):
        score_fusion.late_fusion(STATIC, MOTION, weights)


def test_scores_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match=r"same videos and classes.*static_scores.shape=\(2, 2\).*\(1, 2\)"):
        score_fusion.late_fusion(STATIC, MOTION[:1])
    with pytest.raises(ValueError, match=r"`motion_scores` must have the shape \[videos, classes\].*\(2,\)"):
        score_fusion.late_fusion(STATIC, MOTION[0])
    with pytest.raises(ValueError, match=r"`static_scores` must have the shape .*\(1, 2, 2\)"):
        score_fusion.late_fusion(STATIC[np.newaxis], MOTION)
    with pytest.raises(ValueError, match="`static_scores` must hold real numbers"):
        score_fusion.late_fusion(np.array([["a", "b"]]), MOTION[:1])


def test_a_score_that_is_no_number_is_named():
    broken = MOTION.copy()
    broken[1, 0] = np.nan
    with pytest.raises(ValueError, match=r"`motion_scores` must be finite.*motion_scores\[1, 0\]=nan and 0 more such"):
        score_fusion.late_fusion(STATIC, broken)
    broken[:] = np.inf
    with pytest.raises(ValueError, match=r"motion_scores\[0, 0\]=inf and 3 more such"):
        score_fusion.late_fusion(STATIC, broken)
