"""The loop: resumed equals uninterrupted, and what goes wrong costs no more than it must."""

import gc
import os
import resource
import signal
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from tclsta_tf.training import checkpoints, preemption, trainer


class Stopped(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("stop", [1, 5, 6, 11])
def test_a_run_stopped_anywhere_ends_with_the_same_weights(toy, tmp_path, stop):
    whole = toy.make_trainer(tmp_path / "whole", dropout=0.3, schedule="cosine")
    whole.train()

    def until_killed(step):
        for index, batch in enumerate(toy.batches(step)):
            if step + index >= stop:
                raise Stopped
            yield batch

    def source(step):
        signature = toy.batches(0).element_spec
        return tf.data.Dataset.from_generator(lambda: until_killed(step), output_signature=signature)

    broken = toy.make_trainer(tmp_path / "broken", dropout=0.3, schedule="cosine", source=source)
    with pytest.raises(tf.errors.UnknownError, match="Stopped"):
        broken.train()
    resumed = toy.make_trainer(tmp_path / "broken", dropout=0.3, schedule="cosine")
    resumed.train()
    for expected, found in zip(toy.weights(whole), toy.weights(resumed), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("settings", [{}, {"clip_norm": 1.0}], ids=str)
def test_what_was_trained_leaves_no_graph_behind(toy, tmp_path, settings):
    def count_graphs():
        gc.collect()
        return sum(type(thing).__name__ == "FuncGraph" for thing in gc.get_objects())

    before = count_graphs()
    toy.make_trainer(tmp_path, steps=2, **settings).train()
    assert count_graphs() == before


def test_a_finished_run_does_nothing(toy, tmp_path):
    first = toy.make_trainer(tmp_path)
    first.train()
    again = toy.make_trainer(tmp_path, source=lambda step: pytest.fail("data was read"))
    again.train()
    for expected, found in zip(toy.weights(first), toy.weights(again), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_the_checkpoint(toy, tmp_path):
    with pytest.raises(ValueError, match="not a finite number in step 1.* Lower --toy_learning_rate"):
        toy.make_trainer(tmp_path, learning_rate=1e20, steps=20, checkpoint_every=1).train()
    assert list((tmp_path / "checkpoints").glob("ckpt-*.index"))


def test_a_checkpoint_of_another_model_is_refused(toy, tmp_path):
    toy.make_trainer(tmp_path).train()
    other = toy.make_trainer(tmp_path)
    wider = keras.Sequential([keras.Input([6]), keras.layers.Dense(3, name="wide")], name="toy")
    keeper = checkpoints.Checkpoints(str(tmp_path / "checkpoints"), wider, other.optimizer)
    with pytest.raises(ValueError, match="belongs to another model. Use another --workdir"):
        keeper.restore()


def test_a_truncated_checkpoint_is_named(toy, tmp_path):
    toy.make_trainer(tmp_path).train()
    for file in (tmp_path / "checkpoints").glob("ckpt-12.data*"):
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match="ckpt-12 cannot be read"):
        toy.make_trainer(tmp_path).train()


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_average_follows_its_recurrence(toy, tmp_path, two_cpus, mirrored):
    seen = []
    loop = toy.make_trainer(
        tmp_path, strategy=two_cpus if mirrored else None, ema=0.3, steps=6, validate_every=1,
        validate=lambda step: seen.append(toy.weights(loop)) or {},
    )  # fmt: skip
    plain = toy.make_trainer(tmp_path / "plain", steps=6, validate_every=1)
    after = []
    plain.validate = lambda step: after.append(toy.weights(plain)) or {}
    average = toy.weights(plain)
    plain.train()
    loop.train()
    for step, (found, current) in enumerate(zip(seen, after, strict=True)):
        decay = min(0.3, (1 + step) / (10 + step))
        average = [decay * old + (1 - decay) * new for old, new in zip(average, current, strict=True)]
        for expected, other in zip(average, found, strict=True):
            np.testing.assert_allclose(other, expected, atol=1e-6)
    for expected, other in zip(average, toy.weights(loop), strict=True):  # What the finished model has.
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


def scripted(toy, folder, *accuracies, on_call=None, **settings):
    validate = Scripted(*accuracies, on_call=on_call)
    settings = {"validate_every": 2, "checkpoint_every": 4, "dropout": 0.3, **settings}
    validate.loop = toy.make_trainer(folder, validate=validate, **settings)
    return validate.loop


def test_plateau_and_average_resume_to_the_bit(toy, tmp_path):
    settings = {"schedule": "plateau", "patience": 1, "decay_rate": 0.5, "ema": 0.9, "momentum": 0.9}
    accuracies = (0.5, 0.6, 0.6, 0.4, 0.7, 0.1)
    whole = scripted(toy, tmp_path / "whole", *accuracies, **settings)
    whole.train()
    assert float(whole.optimizer.learning_rate) == pytest.approx(0.05 * 0.5**3)

    def die(number):
        if number == 4:
            raise Stopped

    broken = scripted(toy, tmp_path / "broken", *accuracies, on_call=die, **settings)
    with pytest.raises(Stopped):
        broken.train()
    resumed = scripted(toy, tmp_path / "broken", *accuracies, **settings)
    resumed.train()
    toy.assert_same_weights(whole, resumed)
    assert float(resumed.optimizer.learning_rate) == float(whole.optimizer.learning_rate)


def test_the_best_weights_are_kept(toy, tmp_path):
    seen = []
    loop = scripted(
        toy, tmp_path, 0.1, 0.8, 0.3, 0.8, 0.2, 0.0, keep="best", on_call=lambda number: seen.append(toy.weights(loop))
    )
    loop.train()
    for expected, found in zip(seen[1], toy.weights(loop), strict=True):
        np.testing.assert_array_equal(found, expected)
    again = scripted(toy, tmp_path, keep="best")
    again.train()
    toy.assert_same_weights(loop, again)


def test_sigterm_saves_and_leaves(toy, tmp_path):
    whole = scripted(toy, tmp_path / "whole", *[0.0] * 6)
    whole.train()

    def ask(number):
        if number == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    asked = scripted(toy, tmp_path / "asked", *[0.0] * 6, on_call=ask)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(preemption.Preempted, match="asked to end; toy is saved at step 6: run again to go on"):
        asked.train()
    assert signal.getsignal(signal.SIGTERM) is before
    resumed = scripted(toy, tmp_path / "asked", *[0.0] * 6)
    resumed.train()
    toy.assert_same_weights(whole, resumed)


def test_a_lost_loss_names_step_and_batch(toy, tmp_path):
    def poisoned(step):
        def poison(number, batch):
            return batch | {"clips": tf.where(number == 7, float("inf"), batch["clips"])}

        return tf.data.Dataset.zip(tf.data.Dataset.range(step, 100), toy.batches(step)).map(poison)

    loop = toy.make_trainer(tmp_path, source=poisoned, describe=lambda step: [f"video {step}a", f"video {step}b"])
    with pytest.raises(ValueError, match="in step 7, whose batch is video 7a, video 7b. The last checkpoint is kept"):
        loop.train()
    assert toy.make_trainer(tmp_path)._checkpoints.restore() == 5


def test_weights_that_are_no_numbers_are_not_saved(toy, tmp_path):
    loop = toy.make_trainer(tmp_path)
    loop._checkpoints.save(1)
    loop.variables[0].assign(np.full([6, 16], np.inf, np.float32))
    with pytest.raises(ValueError, match="not a finite number after 2 steps.*Lower --toy_learning_rate"):
        loop._save(2)
    assert toy.make_trainer(tmp_path)._checkpoints.restore() == 1


def test_a_full_disk_does_not_cost_the_checkpoint_before(toy, tmp_path):
    loop = toy.make_trainer(tmp_path)
    loop._checkpoints.save(1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
        with pytest.raises(OSError, match="step 2 cannot be written.*The one before is kept"):
            loop._checkpoints.save(2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert toy.make_trainer(tmp_path)._checkpoints.restore() == 1
    loop._checkpoints.save(3)
    assert toy.make_trainer(tmp_path)._checkpoints.restore() == 3


def test_the_closing_line_tells_the_share_of_waiting_for_data(toy, tmp_path, monkeypatch, capsys):
    # A clock in which every batch takes 1 second to come, the first call 100 seconds, and every other one 4.
    seconds = iter(range(1000))
    ends = iter([0, 100, 200, 204, 300, 304])
    clock = types.SimpleNamespace(perf_counter=lambda: float(next(seconds)), monotonic=lambda: float(next(ends)))
    monkeypatch.setattr(trainer, "time", clock)
    toy.make_trainer(tmp_path, steps=3).train()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("toy 3/3  loss") and "  data_wait_share 0.250  " in line
