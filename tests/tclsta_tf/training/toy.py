"""A training small enough to be looked through: a network of two layers on 64 examples."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.training import checkpoints, losses, optimizers, schedules, summaries, trainer

EXAMPLES = np.random.default_rng(1).normal(size=(64, 6)).astype(np.float32)
LABELS = (EXAMPLES[:, 0] > 0).astype(np.int32)
ONE_STEP = {"steps": 1, "learning_rate": 1.0, "optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0}


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


def assert_same_weights(first, second, **tolerance):
    for expected, found in zip(weights(first), weights(second), strict=True):
        np.testing.assert_allclose(found, expected, **{"rtol": 0, "atol": 0, **tolerance})
