"""One step: the formula, however the batch is split over devices and parts, and whatever is done to its gradient."""

import numpy as np
import pytest
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.training import losses


def test_mirrored_over_two_logical_cpus_equals_one_device(toy, tmp_path, two_cpus):
    settings = {"weight_decay": 0.01, "momentum": 0.9}
    one = toy.make_trainer(tmp_path / "one", **settings)
    one.train()
    two = toy.make_trainer(tmp_path / "two", strategy=two_cpus, **settings)
    two.train()
    for expected, found in zip(toy.weights(one), toy.weights(two), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_one_step_is_the_gradient_of_the_formula(toy, tmp_path):
    loop = toy.make_trainer(tmp_path, steps=1, optimizer="sgd", learning_rate=0.5, weight_decay=0.1)
    before = toy.weights(loop)
    loop.train()
    hidden = np.maximum(toy.EXAMPLES[:8] @ before[0] + before[1], 0)
    logits = hidden @ before[2] + before[3]
    share = np.exp(logits - logits.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    error = (share - np.eye(2)[toy.LABELS[:8]]) / 8
    np.testing.assert_allclose(toy.weights(loop)[2], before[2] - 0.5 * (hidden.T @ error + 0.1 * before[2]), atol=1e-6)
    np.testing.assert_allclose(toy.weights(loop)[3], before[3] - 0.5 * error.sum(0), atol=1e-6)  # biases do not decay


def test_a_batch_that_does_not_split_evenly_is_refused(toy, tmp_path, two_cpus):
    with pytest.raises(ValueError, match="`batch_size` must be a multiple of the 2 devices"):
        toy.make_trainer(tmp_path, strategy=two_cpus, batch_size=7)


def test_alternate_steps_leave_the_other_side_alone_to_the_last_bit(toy, tmp_path):
    loop = toy.make_trainer(tmp_path, optimizer="adam", weight_decay=0.1, steps=4, checkpoint_every=1, validate_every=1)
    hidden, logits = loop.model.trainable_variables[:2], loop.model.trainable_variables[2:]
    seen = []
    loop.alternate = (hidden, logits)
    loop.validate = lambda step: seen.append(toy.weights(loop)) or {}
    before = toy.weights(loop)
    loop.train()
    for step, after in enumerate(seen):
        moved = [bool((first != second).any()) for first, second in zip(before, after, strict=True)]
        assert moved == ([True, True, False, False] if step % 2 == 0 else [False, False, True, True])
        before = after


@pytest.mark.parametrize("mirrored", [False, True])
def test_clipping_holds_for_the_whole_batch_and_for_the_lstm_only(toy, tmp_path, two_cpus, mirrored):
    limit = 1e-3
    settings = {"hidden": "lstm", **toy.ONE_STEP}
    loop = toy.make_trainer(tmp_path, strategy=two_cpus if mirrored else None, clip_value=limit, **settings)
    free = toy.make_trainer(tmp_path / "free", **settings)
    steps, found = toy.moved(free), toy.moved(loop)
    assert np.abs(steps[0]).max() > limit
    for index in range(2):  # kernel and bias of the layer
        np.testing.assert_allclose(found[index], np.clip(steps[index], -limit, limit), atol=1e-6)
    for expected, other in zip(steps[2:], found[2:], strict=True):
        np.testing.assert_allclose(other, expected, atol=1e-6)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_norm_of_the_whole_batchs_gradient_is_clipped(toy, tmp_path, two_cpus, mirrored):
    steps = toy.moved(toy.make_trainer(tmp_path / "free", **toy.ONE_STEP))
    norm = np.sqrt(sum((step**2).sum() for step in steps))
    strategy = two_cpus if mirrored else None
    for share in (0.25, 4.0):
        folder = tmp_path / f"{share}"
        found = toy.moved(toy.make_trainer(folder, strategy=strategy, clip_norm=float(share * norm), **toy.ONE_STEP))
        for expected, other in zip(steps, found, strict=True):
            np.testing.assert_allclose(other, min(share, 1.0) * expected, atol=1e-6)


@pytest.mark.parametrize(("mirrored", "parts"), [(False, 2), (False, 8), (True, 2)])
def test_accumulation_equals_the_whole_batch(toy, tmp_path, two_cpus, mirrored, parts):
    settings = {"weight_decay": 0.01, "clip_norm": 0.5}
    whole = toy.make_trainer(tmp_path / "whole", **settings)
    whole.train()
    cut = toy.make_trainer(tmp_path / "cut", strategy=two_cpus if mirrored else None, accumulate=parts, **settings)
    cut.train()
    toy.assert_same_weights(whole, cut, atol=1e-6)


def test_biases_learn_at_a_rate_of_their_own(toy, tmp_path):
    steps = toy.moved(toy.make_trainer(tmp_path / "one", **toy.ONE_STEP))
    found = toy.moved(toy.make_trainer(tmp_path / "two", bias_rate=2.0, **toy.ONE_STEP))
    for index, factor in enumerate((1, 2, 1, 2)):
        np.testing.assert_allclose(found[index], factor * steps[index], atol=1e-7)
    with pytest.raises(ValueError, match="`bias_rate` needs optimizer=sgd"):
        config.TrainConfig(bias_rate=2.0, optimizer="adam")


def test_compiled_by_xla_it_is_the_same(toy, tmp_path):
    plain = toy.make_trainer(tmp_path / "plain", weight_decay=0.01)
    plain.train()
    compiled = toy.make_trainer(tmp_path / "xla", weight_decay=0.01, xla=True, accumulate=2)
    compiled.train()
    toy.assert_same_weights(plain, compiled, atol=1e-6)


@pytest.mark.parametrize("mirrored", [False, True])
def test_loss_scaling_changes_nothing_but_skips_overflows(toy, tmp_path, two_cpus, mirrored):
    strategy = two_cpus if mirrored else None
    plain = toy.make_trainer(tmp_path / "plain", strategy=strategy)
    plain.train()
    scaled = toy.make_trainer(tmp_path / "scaled", strategy=strategy, float16=True)
    scaled.train()
    toy.assert_same_weights(plain, scaled, atol=1e-6)
    loop = toy.make_trainer(tmp_path / "overflow", strategy=strategy, float16=True, steps=3, validate_every=1)
    loop._scaling._scale.assign(2.0**127)
    loop._scaling._scale.assign(loop._scaling._scale * 1.9)
    seen = [toy.weights(loop)]
    loop.validate = lambda step: seen.append(toy.weights(loop)) or {}
    for variable in loop.variables:
        variable.assign(variable * 100.0)  # Large losses: the first step's gradient overflows.
    seen[0] = toy.weights(loop)
    loop.train()
    skipped = [all((a == b).all() for a, b in zip(*pair, strict=True)) for pair in zip(seen, seen[1:], strict=False)]
    assert skipped[0] and float(loop._scaling.scale.numpy()) < 2.0**127


def test_mirrored_equals_one_device_in_float64(toy, tmp_path, two_cpus):
    examples = toy.EXAMPLES.astype(np.float64)

    def source(step):
        dataset = tf.data.Dataset.from_tensor_slices({"clips": examples, "labels": toy.LABELS}).repeat()
        return dataset.skip(step * 8).batch(8)

    settings = {"dtype": "float64", "source": source, "weight_decay": 0.01, "clip_norm": 0.5, "accumulate": 2}
    one = toy.make_trainer(tmp_path / "one", **settings)
    one.train()
    two = toy.make_trainer(tmp_path / "two", strategy=two_cpus, **settings)
    two.train()
    assert toy.weights(one)[0].dtype == np.float64
    toy.assert_same_weights(one, two, atol=1e-10)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_stays_near_float32(toy, tmp_path, precision):
    """The loss after 50 steps differs by less than one per cent."""
    found = {}
    for name in ("float32", precision):
        loop = toy.make_trainer(
            tmp_path / name, dtype=name, steps=50, float16=name == "mixed_float16", learning_rate=0.02
        )
        loop.train()
        logits = loop.model(toy.EXAMPLES, training=False)
        found[name] = float(tf.reduce_mean(losses.cross_entropy(logits, toy.LABELS)))
    assert found["float32"] < 0.5
    assert found[precision] == pytest.approx(found["float32"], rel=0.01)
