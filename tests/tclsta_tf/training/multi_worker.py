"""One worker of test_multi_worker.py: trains a small network and writes its weights.

python multi_worker.py FOLDER RESULT.npz [DIE_AT_STEP]

TF_CONFIG says which worker it is; without it, it is the only one.
"""

import os
import pathlib
import signal
import sys

import keras
import numpy as np
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.data import pipeline
from tclsta_tf.training import checkpoints, distribution, losses, optimizers, schedules, summaries, trainer

BATCH = 8


def batches(step: int, num_shares: int, share: int) -> tf.data.Dataset:
    generator = np.random.default_rng(1)
    examples = generator.normal(size=(64, 6)).astype(np.float32)
    labels = (examples[:, 0] > 0).astype(np.int32)
    dataset = tf.data.Dataset.from_tensor_slices({"clips": examples, "labels": labels}).repeat().skip(step * BATCH)
    positioned = tf.data.Dataset.zip(dataset, tf.data.Dataset.range(step * BATCH, np.iinfo(np.int64).max))
    own = pipeline.take_share(positioned, BATCH, num_shares, share).map(lambda example, position: example)
    return own.batch(BATCH // num_shares, drop_remainder=True)


def main(folder: str, result: str, die_at: int = -1) -> None:
    strategy = distribution.make_strategy("multi_worker" if os.environ.get("TF_CONFIG") else "none")
    keras.utils.set_random_seed(7)
    settings = config.TrainConfig(
        steps=12, batch_size=BATCH, checkpoint_every=4, validate_every=2, learning_rate=0.05, weight_decay=0.01,
        clip_norm=0.5, schedule="plateau", patience=1, decay_rate=0.5, ema=0.9, accumulate=2,
    )  # fmt: skip
    with strategy.scope():
        layers = [keras.Input([6]), keras.layers.Dense(16, "relu", name="hidden"), keras.layers.Dense(2, name="logits")]
        model = keras.Sequential(layers, name="toy")
        schedule = schedules.make_schedule(settings)
        optimizer = optimizers.make_optimizer(settings, schedule)
        optimizer.build(model.trainable_variables)

    def forward(batch: trainer.Batch, step: tf.Tensor) -> tuple:
        logits = model(batch["clips"], training=True)
        return {"only": losses.cross_entropy(logits, batch["labels"])}, logits

    def validate(step: int) -> dict[str, float]:
        if int(optimizer.iterations.numpy()) == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return {trainer.VALIDATED: 0.5}

    chief = distribution.is_chief(strategy)
    trainer.Trainer(
        model=model, variables=model.trainable_variables, forward=forward, batches=batches, settings=settings,
        strategy=strategy, optimizer=optimizer, schedule=schedule, validate=validate, name="toy",
        checkpoints=lambda state: checkpoints.Checkpoints(folder, model, optimizer, state, writes=chief),
        summaries=summaries.Summaries(None, ""),
    ).train()  # fmt: skip
    pathlib.Path(result).parent.mkdir(exist_ok=True)
    np.savez(result, *[np.array(value) for value in model.get_weights()], rate=float(optimizer.learning_rate))


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:]))
