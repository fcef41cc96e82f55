"""The loop: resumed equals uninterrupted, two devices equal one, and the step equals the formula."""

import gc
import os
import pathlib
import resource
import signal
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.training import checkpoints, losses, optimizers, preemption, schedules, summaries, trainer

EXAMPLES = np.random.default_rng(1).normal(size=(64, 6)).astype(np.float32)
LABELS = (EXAMPLES[:, 0] > 0).astype(np.int32)


def batches(step, batch_size=8):
    dataset = tf.data.Dataset.from_tensor_slices({"clips": EXAMPLES, "labels": LABELS}).repeat().skip(step * batch_size)
    return dataset.batch(batch_size)


def make_trainer(
    folder: pathlib.Path, strategy=None, dropout=0.0, source=batches, dtype="float32", hidden="hidden", **settings
):
    attributes = {name: settings.pop(name) for name in ("validate", "xla", "float16", "describe") if name in settings}
    settings = config.TrainConfig(
        **{"steps": 12, "batch_size": 8, "checkpoint_every": 5, "learning_rate": 0.05} | settings
    )
    strategy = strategy or tf.distribute.get_strategy()
    keras.backend.clear_session()
    keras.utils.set_random_seed(7)
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input([6], dtype="float64" if dtype == "float64" else "float32"),
                keras.layers.Dense(16, activation="relu", name=hidden, dtype=dtype),
                keras.layers.Dropout(dropout, name="dropout", dtype=dtype),
                keras.layers.Dense(2, name="logits", dtype="float64" if dtype == "float64" else "float32"),
            ],
            name="toy",
        )
        schedule = schedules.make_schedule(settings)
        optimizer = optimizers.make_optimizer(settings, schedule)
        optimizer.build(model.trainable_variables)

    def forward(batch, step):
        logits = model(batch["clips"], training=True)
        loss = losses.cross_entropy(logits, batch["labels"], settings.label_smoothing)
        # ReLU hides what is not a number; the loss of a real network is lost with its input.
        return {"only": loss + 0.0 * tf.reduce_sum(batch["clips"])}, logits

    return trainer.Trainer(
        model=model,
        variables=model.trainable_variables,
        forward=forward,
        batches=lambda step, workers, worker: source(step),
        settings=settings,
        strategy=strategy,
        optimizer=optimizer,
        schedule=schedule,
        checkpoints=lambda state: checkpoints.Checkpoints(str(folder / "checkpoints"), model, optimizer, state),
        summaries=summaries.Summaries(str(folder / "logs"), "test"),
        name="toy",
        **{"validate": lambda step: {}, **attributes},
    )


def weights(loop):
    return [np.array(value) for value in loop.model.get_weights()]


def moved(loop):
    """What a training subtracts from each weight."""
    before = weights(loop)
    loop.train()
    return [start - end for start, end in zip(before, weights(loop), strict=True)]


ONE_STEP = {"steps": 1, "learning_rate": 1.0, "optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0}


def assert_same_weights(first, second, **tolerance):
    for expected, found in zip(weights(first), weights(second), strict=True):
        np.testing.assert_allclose(found, expected, **{"rtol": 0, "atol": 0, **tolerance})


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


@pytest.mark.parametrize("settings", [{}, {"clip_norm": 1.0}], ids=str)
def test_what_was_trained_leaves_no_graph_behind(tmp_path, settings):
    def count_graphs():
        gc.collect()
        return sum(type(thing).__name__ == "FuncGraph" for thing in gc.get_objects())

    before = count_graphs()
    make_trainer(tmp_path, steps=2, **settings).train()
    assert count_graphs() == before


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
    with pytest.raises(ValueError, match="not a finite number in step 1.* Lower --toy_learning_rate"):
        make_trainer(tmp_path, learning_rate=1e20, steps=20, checkpoint_every=1).train()
    assert list((tmp_path / "checkpoints").glob("ckpt-*.index"))


def test_a_batch_that_does_not_split_evenly_is_refused(tmp_path, two_cpus):
    with pytest.raises(ValueError, match="`batch_size` must be a multiple of the 2 devices"):
        make_trainer(tmp_path, strategy=two_cpus, batch_size=7)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    make_trainer(tmp_path).train()
    other = make_trainer(tmp_path)
    wider = keras.Sequential([keras.Input([6]), keras.layers.Dense(3, name="wide")], name="toy")
    keeper = checkpoints.Checkpoints(str(tmp_path / "checkpoints"), wider, other.optimizer)
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
    loop.validate = lambda step: seen.append(weights(loop)) or {}
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
    loop = make_trainer(tmp_path, strategy=two_cpus if mirrored else None, hidden="lstm", clip_value=limit, **settings)
    free = make_trainer(tmp_path / "free", hidden="lstm", **settings)
    steps, found = moved(free), moved(loop)
    assert np.abs(steps[0]).max() > limit
    for index in range(2):  # kernel and bias of the layer
        np.testing.assert_allclose(found[index], np.clip(steps[index], -limit, limit), atol=1e-6)
    for expected, other in zip(steps[2:], found[2:], strict=True):
        np.testing.assert_allclose(other, expected, atol=1e-6)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_norm_of_the_whole_batchs_gradient_is_clipped(tmp_path, two_cpus, mirrored):
    steps = moved(make_trainer(tmp_path / "free", **ONE_STEP))
    norm = np.sqrt(sum((step**2).sum() for step in steps))
    strategy = two_cpus if mirrored else None
    for share in (0.25, 4.0):
        folder = tmp_path / f"{share}"
        found = moved(make_trainer(folder, strategy=strategy, clip_norm=float(share * norm), **ONE_STEP))
        for expected, other in zip(steps, found, strict=True):
            np.testing.assert_allclose(other, min(share, 1.0) * expected, atol=1e-6)


@pytest.mark.parametrize(("mirrored", "parts"), [(False, 2), (False, 8), (True, 2)])
def test_accumulation_equals_the_whole_batch(tmp_path, two_cpus, mirrored, parts):
    settings = {"weight_decay": 0.01, "clip_norm": 0.5}
    whole = make_trainer(tmp_path / "whole", **settings)
    whole.train()
    cut = make_trainer(tmp_path / "cut", strategy=two_cpus if mirrored else None, accumulate=parts, **settings)
    cut.train()
    assert_same_weights(whole, cut, atol=1e-6)


def test_biases_learn_at_a_rate_of_their_own(tmp_path):
    steps = moved(make_trainer(tmp_path / "one", **ONE_STEP))
    found = moved(make_trainer(tmp_path / "two", bias_rate=2.0, **ONE_STEP))
    for index, factor in enumerate((1, 2, 1, 2)):
        np.testing.assert_allclose(found[index], factor * steps[index], atol=1e-7)
    with pytest.raises(ValueError, match="`bias_rate` needs optimizer=sgd"):
        config.TrainConfig(bias_rate=2.0, optimizer="adam")


def test_compiled_by_xla_it_is_the_same(tmp_path):
    plain = make_trainer(tmp_path / "plain", weight_decay=0.01)
    plain.train()
    compiled = make_trainer(tmp_path / "xla", weight_decay=0.01, xla=True, accumulate=2)
    compiled.train()
    assert_same_weights(plain, compiled, atol=1e-6)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_average_follows_its_recurrence(tmp_path, two_cpus, mirrored):
    seen = []
    loop = make_trainer(
        tmp_path, strategy=two_cpus if mirrored else None, ema=0.3, steps=6, validate_every=1,
        validate=lambda step: seen.append(weights(loop)) or {},
    )  # fmt: skip
    plain = make_trainer(tmp_path / "plain", steps=6, validate_every=1)
    after = []
    plain.validate = lambda step: after.append(weights(plain)) or {}
    average = weights(plain)
    plain.train()
    loop.train()
    for step, (found, current) in enumerate(zip(seen, after, strict=True)):
        decay = min(0.3, (1 + step) / (10 + step))
        average = [decay * old + (1 - decay) * new for old, new in zip(average, current, strict=True)]
        for expected, other in zip(average, found, strict=True):
            np.testing.assert_allclose(other, expected, atol=1e-6)
    for expected, other in zip(average, weights(loop), strict=True):  # What the finished model has.
        np.testing.assert_allclose(other, expected, atol=1e-6)


class Scripted:
    """A validation whose accuracy follows a script, by its number of calls that the steps of a run make."""

    def __init__(self, *accuracies, on_call=None):
        self.accuracies, self.on_call = accuracies, on_call
        self.loop = None

    def __call__(self, step):
        number = int(self.loop.optimizer.iterations.numpy()) // self.loop.settings.validate_every - 1
        if self.on_call:
            self.on_call(number)
        return {"validation_accuracy": self.accuracies[number]}


def scripted(folder, *accuracies, on_call=None, **settings):
    validate = Scripted(*accuracies, on_call=on_call)
    settings = {"validate_every": 2, "checkpoint_every": 4, "dropout": 0.3, **settings}
    validate.loop = make_trainer(folder, validate=validate, **settings)
    return validate.loop


def test_plateau_and_average_resume_to_the_bit(tmp_path):
    settings = {"schedule": "plateau", "patience": 1, "decay_rate": 0.5, "ema": 0.9, "momentum": 0.9}
    accuracies = (0.5, 0.6, 0.6, 0.4, 0.7, 0.1)
    whole = scripted(tmp_path / "whole", *accuracies, **settings)
    whole.train()
    assert float(whole.optimizer.learning_rate) == pytest.approx(0.05 * 0.5**3)

    def die(number):
        if number == 4:
            raise Stopped

    broken = scripted(tmp_path / "broken", *accuracies, on_call=die, **settings)
    with pytest.raises(Stopped):
        broken.train()
    resumed = scripted(tmp_path / "broken", *accuracies, **settings)
    resumed.train()
    assert_same_weights(whole, resumed)
    assert float(resumed.optimizer.learning_rate) == float(whole.optimizer.learning_rate)


def test_the_best_weights_are_kept(tmp_path):
    seen = []
    loop = scripted(
        tmp_path, 0.1, 0.8, 0.3, 0.8, 0.2, 0.0, keep="best", on_call=lambda number: seen.append(weights(loop))
    )
    loop.train()
    for expected, found in zip(seen[1], weights(loop), strict=True):
        np.testing.assert_array_equal(found, expected)
    again = scripted(tmp_path, keep="best")
    again.train()
    assert_same_weights(loop, again)


def test_sigterm_saves_and_leaves(tmp_path):
    whole = scripted(tmp_path / "whole", *[0.0] * 6)
    whole.train()

    def ask(number):
        if number == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    asked = scripted(tmp_path / "asked", *[0.0] * 6, on_call=ask)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(preemption.Preempted, match="asked to end; toy is saved at step 6: run again to go on"):
        asked.train()
    assert signal.getsignal(signal.SIGTERM) is before
    resumed = scripted(tmp_path / "asked", *[0.0] * 6)
    resumed.train()
    assert_same_weights(whole, resumed)


def test_a_lost_loss_names_step_and_batch(tmp_path):
    def poisoned(step):
        def poison(number, batch):
            return batch | {"clips": tf.where(number == 7, float("inf"), batch["clips"])}

        return tf.data.Dataset.zip(tf.data.Dataset.range(step, 100), batches(step)).map(poison)

    loop = make_trainer(tmp_path, source=poisoned, describe=lambda step: [f"video {step}a", f"video {step}b"])
    with pytest.raises(ValueError, match="in step 7, whose batch is video 7a, video 7b. The last checkpoint is kept"):
        loop.train()
    assert make_trainer(tmp_path)._checkpoints.restore() == 5


def test_weights_that_are_no_numbers_are_not_saved(tmp_path):
    loop = make_trainer(tmp_path)
    loop._checkpoints.save(1)
    loop.variables[0].assign(np.full([6, 16], np.inf, np.float32))
    with pytest.raises(ValueError, match="not a finite number after 2 steps.*Lower --toy_learning_rate"):
        loop._save(2)
    assert make_trainer(tmp_path)._checkpoints.restore() == 1


def test_a_full_disk_does_not_cost_the_checkpoint_before(tmp_path):
    loop = make_trainer(tmp_path)
    loop._checkpoints.save(1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
        with pytest.raises(OSError, match="step 2 cannot be written.*The one before is kept"):
            loop._checkpoints.save(2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert make_trainer(tmp_path)._checkpoints.restore() == 1
    loop._checkpoints.save(3)
    assert make_trainer(tmp_path)._checkpoints.restore() == 3


@pytest.mark.parametrize("mirrored", [False, True])
def test_loss_scaling_changes_nothing_but_skips_overflows(tmp_path, two_cpus, mirrored):
    strategy = two_cpus if mirrored else None
    plain = make_trainer(tmp_path / "plain", strategy=strategy)
    plain.train()
    scaled = make_trainer(tmp_path / "scaled", strategy=strategy, float16=True)
    scaled.train()
    assert_same_weights(plain, scaled, atol=1e-6)
    loop = make_trainer(tmp_path / "overflow", strategy=strategy, float16=True, steps=3, validate_every=1)
    loop._scaling._scale.assign(2.0**127)
    loop._scaling._scale.assign(loop._scaling._scale * 1.9)
    seen = [weights(loop)]
    loop.validate = lambda step: seen.append(weights(loop)) or {}
    for variable in loop.variables:
        variable.assign(variable * 100.0)  # Large losses: the first step's gradient overflows.
    seen[0] = weights(loop)
    loop.train()
    skipped = [all((a == b).all() for a, b in zip(*pair, strict=True)) for pair in zip(seen, seen[1:], strict=False)]
    assert skipped[0] and float(loop._scaling.scale.numpy()) < 2.0**127


def test_mirrored_equals_one_device_in_float64(tmp_path, two_cpus):
    examples = EXAMPLES.astype(np.float64)

    def source(step):
        dataset = tf.data.Dataset.from_tensor_slices({"clips": examples, "labels": LABELS}).repeat()
        return dataset.skip(step * 8).batch(8)

    settings = {"dtype": "float64", "source": source, "weight_decay": 0.01, "clip_norm": 0.5, "accumulate": 2}
    one = make_trainer(tmp_path / "one", **settings)
    one.train()
    two = make_trainer(tmp_path / "two", strategy=two_cpus, **settings)
    two.train()
    assert weights(one)[0].dtype == np.float64
    assert_same_weights(one, two, atol=1e-10)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_stays_near_float32(tmp_path, precision):
    """The loss after 50 steps differs by less than one per cent."""
    found = {}
    for name in ("float32", precision):
        loop = make_trainer(tmp_path / name, dtype=name, steps=50, float16=name == "mixed_float16", learning_rate=0.02)
        loop.train()
        logits = loop.model(EXAMPLES, training=False)
        found[name] = float(tf.reduce_mean(losses.cross_entropy(logits, LABELS)))
    assert found["float32"] < 0.5
    assert found[precision] == pytest.approx(found["float32"], rel=0.01)


def test_the_closing_line_tells_the_share_of_waiting_for_data(tmp_path, monkeypatch, capsys):
    # A clock in which every batch takes 1 second to come, the first call 100 seconds, and every other one 4.
    seconds = iter(range(1000))
    ends = iter([0, 100, 200, 204, 300, 304])
    clock = types.SimpleNamespace(perf_counter=lambda: float(next(seconds)), monotonic=lambda: float(next(ends)))
    monkeypatch.setattr(trainer, "time", clock)
    make_trainer(tmp_path, steps=3).train()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("toy 3/3  loss") and "  data_wait_share 0.250  " in line
