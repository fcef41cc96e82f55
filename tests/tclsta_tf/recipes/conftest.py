"""A whole run on the tiny set, made once: it trains for a few steps only, so nothing here looks at accuracy."""

import dataclasses
import pathlib

import pytest

from tclsta_tf import config
from tclsta_tf.recipes import export, report, run, steps

TRAIN = config.TrainConfig(
    steps=4,
    batch_size=4,
    frames=3,
    optimizer="adam",
    learning_rate=0.01,
    validate_every=2,
    checkpoint_every=2,
)
TINY = config.RunConfig(
    data=config.DataConfig(crop_size=40, test_frames=4, validation_fraction=0.34),
    stream=config.StreamConfig(backbone="small", cam_units=8, lstm_units=8),
    static=(TRAIN,),
    motion=(TRAIN,),
    collaborative=(dataclasses.replace(TRAIN, steps=6),),
    network=config.CollaborativeConfig(collaborative_width=8),
)


@pytest.fixture(scope="session")
def tiny_config() -> config.RunConfig:
    return TINY


@pytest.fixture(scope="session")
def finished(tmp_path_factory, tiny_records) -> run.Run:
    """A run with all steps done, the variant without attention besides, exported to `<workdir>/export/1`."""
    done = run.Run(TINY, tiny_records, pathlib.Path(tmp_path_factory.mktemp("run")), "--split=1\n")
    steps.run_steps(done, steps.training_steps(done, ["none"]))
    report.evaluate_and_report(done)
    export.export(done, done.workdir / "export")
    return done
