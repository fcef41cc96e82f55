"""The loop: resumed equals uninterrupted, two devices equal one, and the step equals the formula."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.training import checkpoints, losses, optimizers, summaries, trainer

EXAMPLES = np.random.default_rng(1).normal(size=(64, 6)).astype(np.float32)
LABELS = (EXAMPLES[:, 0] > 0).astype(np.int32)


def batches(step, batch_size=8):
    dataset = tf.data.Dataset.from_tensor_slices({"clips": EXAMPLES, "labels": LABELS}).repeat().skip(step * batch_size)
    return dataset.batch(batch_size)


def make_trainer(folder: pathlib.Path, strategy=None, dropout=0.0, source=batches, **settings):
    settings = config.TrainConfig(
        **{"steps": 12, "batch_size": 8, "checkpoint_every": 5, "learning_rate": 0.05} | settings
    )
    strategy = strategy or tf.distribute.get_strategy()
    keras.backend.clear_session()
    keras.utils.set_random_seed(7)
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input([6]),
                keras.layers.Dense(16, activation="relu", name="hidden"),
                keras.layers.Dropout(dropout, name="dropout"),
                keras.layers.Dense(2, name="logits"),
            ],
            name="toy",
        )
        optimizer = optimizers.make_optimizer(settings)
        optimizer.build(model.trainable_variables)
        keeper = checkpoints.Checkpoints(folder / "checkpoints", model, optimizer)

    def forward(batch, step):
        logits = model(batch["clips"], training=True)
        return {"only": losses.cross_entropy(logits, batch["labels"])}, logits

    return trainer.Trainer(
        model=model,
        optimizer=optimizer,
        forward=forward,
        batches=source,
        settings=settings,
        strategy=strategy,
        validate=lambda: {},
        checkpoints=keeper,
        summaries=summaries.Summaries(folder / "logs", "test"),
        name="toy",
    )


def weights(loop):
    return [np.array(value) for value in loop.model.get_weights()]


class Stopped(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("stop", [1, 5, 6, 11])
def test_a_run_stopped_anywhere_ends_with_the_same_weights(tmp_path, stop):
    whole = make_trainer(tmp_path / "whole", dropout=0.3, schedule="cosine")
    whole.train()

    def until_killed(step):
        for index, batch in enumerate(batches(step)):
            if step + index >= stop:
                raise Stopped
            yield batch

    def source(step):
        signature = batches(0).element_spec
        return tf.data.Dataset.from_generator(lambda: until_killed(step), output_signature=signature)

    broken = make_trainer(tmp_path / "broken", dropout=0.3, schedule="cosine", source=source)
    with pytest.raises(tf.errors.UnknownError, match="Stopped"):
        broken.train()
    resumed = make_trainer(tmp_path / "broken", dropout=0.3, schedule="cosine")
    resumed.train()
    for expected, found in zip(weights(whole), weights(resumed), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_finished_run_does_nothing(tmp_path):
    first = make_trainer(tmp_path)
    first.train()
    again = make_trainer(tmp_path, source=lambda step: pytest.fail("data was read"))
    again.train()
    for expected, found in zip(weights(first), weights(again), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_mirrored_over_two_logical_cpus_equals_one_device(tmp_path, two_cpus):
    settings = {"weight_decay": 0.01, "momentum": 0.9}
    one = make_trainer(tmp_path / "one", **settings)
    one.train()
    two = make_trainer(tmp_path / "two", strategy=two_cpus, **settings)
    two.train()
    for expected, found in zip(weights(one), weights(two), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_one_step_is_the_gradient_of_the_formula(tmp_path):
    loop = make_trainer(tmp_path, steps=1, optimizer="sgd", learning_rate=0.5, weight_decay=0.1)
    before = weights(loop)
    loop.train()
    hidden = np.maximum(EXAMPLES[:8] @ before[0] + before[1], 0)
    logits = hidden @ before[2] + before[3]
    share = np.exp(logits - logits.max(1, keepdims=True))
    share /= share.sum(1, keepdims=True)
    error = (share - np.eye(2)[LABELS[:8]]) / 8
    np.testing.assert_allclose(weights(loop)[2], before[2] - 0.5 * (hidden.T @ error + 0.1 * before[2]), atol=1e-6)
    np.testing.assert_allclose(weights(loop)[3], before[3] - 0.5 * error.sum(0), atol=1e-6)  # biases do not decay


def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_the_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="the loss became .* Lower --toy_learning_rate"):
        make_trainer(tmp_path, learning_rate=1e20, steps=20, checkpoint_every=1).train()
    assert list((tmp_path / "checkpoints").glob("ckpt-*.index"))


def test_a_batch_that_does_not_split_evenly_is_refused(tmp_path, two_cpus):
    with pytest.raises(ValueError, match="`batch_size` must be a multiple of the 2 devices"):
        make_trainer(tmp_path, strategy=two_cpus, batch_size=7)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    make_trainer(tmp_path).train()
    other = make_trainer(tmp_path)
    wider = keras.Sequential([keras.Input([6]), keras.layers.Dense(3, name="wide")], name="toy")
    keeper = checkpoints.Checkpoints(tmp_path / "checkpoints", wider, other.optimizer)
    with pytest.raises(ValueError, match="belongs to another model. Use another --workdir"):
        keeper.restore()


def test_a_truncated_checkpoint_is_named(tmp_path):
    make_trainer(tmp_path).train()
    for file in (tmp_path / "checkpoints").glob("ckpt-12.data*"):
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match="ckpt-12 cannot be read"):
        make_trainer(tmp_path).train()


def test_alternate_steps_leave_the_other_side_alone_to_the_last_bit(tmp_path):
    loop = make_trainer(tmp_path, optimizer="adam", weight_decay=0.1, steps=4, checkpoint_every=1, validate_every=1)
    hidden, logits = loop.model.trainable_variables[:2], loop.model.trainable_variables[2:]
    seen = []
    loop.alternate = (hidden, logits)
    loop.validate = lambda: seen.append(weights(loop)) or {}
    before = weights(loop)
    loop.train()
    for step, after in enumerate(seen):
        moved = [bool((first != second).any()) for first, second in zip(before, after, strict=True)]
        assert moved == ([True, True, False, False] if step % 2 == 0 else [False, False, True, True])
        before = after


@pytest.mark.parametrize("mirrored", [False, True])
def test_clipping_holds_for_the_whole_batch_and_for_the_lstm_only(tmp_path, two_cpus, mirrored):
    limit = 1e-3
    settings = {"steps": 1, "learning_rate": 1.0, "optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0}
    loop = make_trainer(tmp_path, strategy=two_cpus if mirrored else None, clip_value=limit, **settings)
    loop._clipped = {variable.path for variable in loop.model.trainable_variables[:1]}
    free = make_trainer(tmp_path / "free", **settings)
    start = weights(free)
    free.train()
    steps = [before - after for before, after in zip(start, weights(free), strict=True)]
    loop.train()
    found = [before - after for before, after in zip(start, weights(loop), strict=True)]
    assert np.abs(steps[0]).max() > limit
    np.testing.assert_allclose(found[0], np.clip(steps[0], -limit, limit), atol=1e-6)
    for expected, other in zip(steps[1:], found[1:], strict=True):
        np.testing.assert_allclose(other, expected, atol=1e-6)
