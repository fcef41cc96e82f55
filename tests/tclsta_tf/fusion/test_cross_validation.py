import itertools

import numpy as np
import pytest
from scipy import special

from tclsta_tf.fusion import adaptive_weights, cross_validation, score_fusion

FLOORS = (0.0, 0.2, 0.4, 0.5)


def _videos(seed, num_videos, static_quality, motion_quality):
    """Scores of streams that are better the larger the quality [C] of a class is; groups of 4 videos of one class."""
    rng = np.random.default_rng(seed)
    groups = np.arange(num_videos) // 4
    labels = rng.integers(0, len(static_quality), num_videos // 4 + 1)[groups]
    scores = []
    for quality in (static_quality, motion_quality):
        logits = rng.normal(size=(num_videos, len(quality)))
        logits[np.arange(num_videos), labels] += np.asarray(quality)[labels]
        scores.append(special.softmax(2 * logits, axis=1))
    return *scores, labels, groups


def test_streams_that_know_different_classes_get_unequal_weights():
    static, motion, labels, groups = _videos(0, 400, [3, 3, 0, 0, 3, 0], [0, 0, 3, 3, 0, 3])
    chosen = cross_validation.choose_adaptive(static, motion, labels, groups, floors=FLOORS)
    assert chosen.floor < 0.4 and chosen.folds == 5 and 0 < chosen.loss < np.log(6)
    weights = chosen.fit(static, motion, labels)
    assert (weights.argmax(axis=1) == [0, 0, 1, 1, 0, 1]).all()
    soft = cross_validation.choose_adaptive(
        static, motion, labels, groups, "regularised", strengths=(0.1, 1.0, 100.0), floors=(0.1, 0.3)
    )
    assert soft.strength < 100 and soft.floor == 0.1


def test_streams_that_know_the_same_classes_stay_with_late_fusion():
    static, motion, labels, groups = _videos(1, 400, [2] * 6, [2] * 6)
    assert cross_validation.choose_adaptive(static, motion, labels, groups, floors=FLOORS).floor == 0.5
    soft = cross_validation.choose_adaptive(static, motion, labels, groups, "regularised", strengths=(0.1, 1.0, 100.0))
    assert soft.strength == 100.0


def test_a_gain_within_the_error_of_few_videos_moves_nothing():
    # The streams differ by class, but 60 videos are too few to say so: the smallest loss alone moves 8 of 20 of these.
    qualities, stayed = ([2.4, 1.6, 2.4, 1.6], [1.6, 2.4, 1.6, 2.4]), []
    for seed in range(20):
        videos = _videos(seed, 60, *qualities)
        stayed.append(cross_validation.choose_adaptive(*videos, floors=(0.1, 0.3, 0.5)).floor)
    assert stayed.count(0.5) >= 17


def test_a_tie_goes_to_late_fusion_and_to_the_lambda_of_the_paper():
    static, _, labels, groups = _videos(2, 100, [2] * 4, [2] * 4)
    trade_offs = (1.0, 5e-3, 0.0)
    for floors in itertools.permutations((0.1, 0.4, 0.3)):
        chosen = cross_validation.choose_adaptive(static, static, labels, groups, "lp", trade_offs, floors)
        assert (chosen.floor, chosen.trade_off) == (0.4, 5e-3)


def test_lambda_is_chosen_by_what_it_does_to_held_out_videos():
    # The motion stream says class 0 to everything, a little louder than the static stream, which is right.
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(4), 50)
    static = np.full((200, 4), 0.1)
    static[np.arange(200), labels] = 0.7
    motion = np.tile([0.75, 0.1, 0.1, 0.05], (200, 1))
    static, motion = (s * rng.uniform(0.95, 1.0, s.shape) for s in (static, motion))
    chosen = cross_validation.choose_adaptive(static, motion, labels, None, "lp", (0.0, 0.5), (0.1,))
    assert chosen.trade_off == 0.5


@pytest.mark.parametrize("method", adaptive_weights.METHODS)
def test_its_own_candidates_reach_from_free_weights_to_late_fusion(method):
    for candidates in (cross_validation.TRADE_OFFS, cross_validation.FLOORS, cross_validation.STRENGTHS):
        assert list(candidates) == sorted(set(candidates))
    assert cross_validation.TRADE_OFFS[0] == cross_validation.FLOORS[0] == 0 and cross_validation.FLOORS[-1] == 0.5
    assert adaptive_weights.TRADE_OFF in cross_validation.TRADE_OFFS
    static, motion, labels, groups = _videos(13, 40, [2] * 3, [2] * 3)
    lists = cross_validation.TRADE_OFFS, cross_validation.FLOORS, cross_validation.STRENGTHS
    assert cross_validation.choose_adaptive(static, motion, labels, groups, method, *lists).folds == 5


def test_one_candidate_is_taken_without_a_search():
    static, motion, labels, groups = _videos(4, 60, [2] * 3, [2] * 3)
    chosen = cross_validation.choose_adaptive(static, motion, labels, groups, "lp", (0.1,), (0.3,), (1.0, 2.0))
    assert chosen == cross_validation.AdaptiveSettings("lp", 0.1, 0.3, 1.0)


def test_one_group_cannot_be_held_out_and_gets_what_is_nearest_to_late_fusion():
    static, motion, labels, _ = _videos(5, 40, [3, 0], [0, 3])
    for groups in (np.zeros(40, int), np.full(40, "film")):
        chosen = cross_validation.choose_adaptive(static, motion, labels, groups, "lp", (0.0, 0.009), FLOORS)
        assert (chosen.floor, chosen.trade_off, chosen.folds, chosen.loss) == (0.5, 0.009, 0, None)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("method", adaptive_weights.METHODS)
@pytest.mark.parametrize("grouped", [False, True])
def test_classes_of_one_video_or_none_give_finite_settings(method, grouped):
    rng = np.random.default_rng(6)
    for labels in (np.arange(8), np.array([0] * 10 + [1, 2]), np.array([0, 1]), np.zeros(9, int)):
        static, motion = (special.softmax(rng.normal(size=(len(labels), 9)), axis=1) for _ in range(2))
        chosen = cross_validation.choose_adaptive(
            static, motion, labels, labels // 2 if grouped else None, method, (0.0, 0.01), FLOORS, (0.5, 2.0)
        )
        assert np.isfinite(chosen.fit(static, motion, labels)).all()
        assert chosen.loss is None or np.isfinite(chosen.loss)


def test_the_choice_depends_on_the_seed_and_the_videos_only():
    static, motion, labels, groups = _videos(7, 200, [3, 1, 0, 2], [0, 1, 3, 2])
    choose = cross_validation.choose_adaptive
    first = choose(static, motion, labels, groups, "lp", (0.0, 0.01), FLOORS, seed=4)
    assert first == choose(static, motion, labels, groups, "lp", (0.0, 0.01), FLOORS, seed=4)
    assert first == choose(static, motion, labels, groups.astype(str), "lp", (0.0, 0.01), FLOORS, seed=4)
    assert first.loss != choose(static, motion, labels, groups, "lp", (0.0, 0.01), FLOORS, seed=5).loss


@pytest.mark.parametrize("method", adaptive_weights.METHODS)
def test_the_loss_is_that_of_weights_that_have_not_seen_the_video(method):
    static, motion, labels, groups = _videos(12, 120, [3, 1, 0], [0, 1, 3])
    chosen = cross_validation.choose_adaptive(static, motion, labels, groups, method, (0.0, 0.01), (0.1, 0.3), seed=2)
    parts = cross_validation.assign_folds(labels, groups, 5, seed=2)
    fused = np.empty_like(static)
    for part in range(5):
        rest, held_out = parts != part, parts == part
        weights = chosen.fit(static[rest], motion[rest], labels[rest])
        fused[held_out] = adaptive_weights.fuse_adaptive(static[held_out], motion[held_out], weights)
    assert chosen.loss == pytest.approx(cross_validation.calibrated_loss(fused, labels).mean())


def test_folds_keep_groups_whole_and_spread_classes():
    labels = np.repeat(np.arange(5), 40)
    groups = np.arange(200) // 4
    parts = cross_validation.assign_folds(labels, groups, 5, seed=0)
    assert set(parts) == set(range(5))
    for group in range(50):
        assert len(set(parts[groups == group])) == 1
    counts = np.stack([np.bincount(labels[parts == part], minlength=5) for part in range(5)])
    np.testing.assert_array_equal(counts, 8)
    assert cross_validation.assign_folds(labels, groups % 3, 5, 0).max() == 2


def test_the_standard_error_counts_a_group_once():
    rng = np.random.default_rng(8)
    row = rng.normal(size=30)
    single = cross_validation._standard_errors(row[np.newaxis], np.arange(30))
    np.testing.assert_allclose(single, row.std() / np.sqrt(30))
    thrice = cross_validation._standard_errors(np.tile(row, 3)[np.newaxis], np.tile(np.arange(30), 3))
    np.testing.assert_allclose(thrice, single)


def test_the_loss_does_not_care_about_sharpness_and_is_the_log_loss_at_its_best():
    rng = np.random.default_rng(9)
    labels = rng.integers(0, 5, 300)
    logits = rng.normal(size=(300, 5))
    logits[np.arange(300), labels] += 1
    scores = special.softmax(logits, axis=1)
    expected = min(
        -special.log_softmax(b * np.log(scores), axis=1)[np.arange(300), labels].mean()
        for b in np.linspace(0.1, 5, 491)
    )
    for power in (0.5, 1.0, 2.0):
        assert cross_validation.calibrated_loss(scores**power, labels).mean() == pytest.approx(expected, abs=1e-4)
    assert np.isfinite(cross_validation.calibrated_loss(np.eye(5)[labels], (labels + 1) % 5)).all()


def test_the_late_ratio_follows_the_better_stream():
    static, motion, labels, _ = _videos(10, 600, [1] * 5, [3] * 5)
    pair = cross_validation.choose_late_weights(static, motion, labels)
    assert pair[1] > 0.6 and sum(pair) == pytest.approx(1)
    mirrored = cross_validation.choose_late_weights(motion, static, labels)
    np.testing.assert_allclose(mirrored, pair[::-1])
    means = {}
    for share in cross_validation.MOTION_SHARES:
        fused = score_fusion.late_fusion(static, motion, (1 - share, share))
        means[share] = cross_validation.calibrated_loss(fused, labels).mean()
    assert pair[1] == min(means, key=means.get)
    assert cross_validation.choose_late_weights(static, static, labels) == (0.5, 0.5)
    assert cross_validation.choose_late_weights(static, motion, labels, grid=(0.25,)) == (0.75, 0.25)


def test_bad_arguments_are_refused():
    static, motion, labels, groups = _videos(11, 40, [2] * 3, [2] * 3)
    choose = cross_validation.choose_adaptive
    with pytest.raises(ValueError, match=r"`floors` must hold at least one candidate. Received: floors=\(\)"):
        choose(static, motion, labels, groups, floors=())
    with pytest.raises(ValueError, match=r"`floor` must lie in \[0, 0.5\].*floor=0.7"):
        choose(static, motion, labels, groups, floors=(0.1, 0.7))
    with pytest.raises(ValueError, match="`trade_off` must be finite.*-1"):
        choose(static, motion, labels, groups, trade_offs=(0.1, -1))
    with pytest.raises(ValueError, match="`folds` must be at least 2"):
        choose(static, motion, labels, groups, folds=1)
    with pytest.raises(ValueError, match=r"`groups` must name one group per video, shape \(40,\).*\(39,\)"):
        choose(static, motion, labels, groups[1:])
    with pytest.raises(ValueError, match="`method` must be one of"):
        choose(static, motion, labels, groups, "best")
    for grid in ((0.5, 1.5), (0.5, -0.5), (), 0.5, [[0.5]]):
        with pytest.raises(ValueError, match=r"`grid` must hold parts of the weight, each in \[0, 1\]"):
            cross_validation.choose_late_weights(static, motion, labels, grid=grid)
    with pytest.raises(ValueError, match=r"`labels` must lie in \[0, 3\)"):
        cross_validation.choose_late_weights(static, motion, labels + 1)
