"""What the model's tests share: two logical CPUs, random numbers, the contract of layers and models, a finished run."""

import dataclasses
import importlib.util
import os
import pathlib

import keras
import numpy as np
import pytest

if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
    import tensorflow as tf

    from tclsta_tf.training import distribution

    # Devices can only be set before TensorFlow starts, so every test has two; only those that ask use the second.
    distribution.prepare_devices(logical_cpus=2)
    # Rewriting graphs takes a fifth of the time of a training of four steps, and is TensorFlow's to test. The commands
    # that tests start keep it.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture(scope="session")
def two_cpus():
    """A MirroredStrategy over two logical CPUs."""
    from tclsta_tf.training import distribution

    return distribution.make_strategy("mirrored")


@pytest.fixture(autouse=True)
def initial_weights():
    """The same random weights in every run."""
    keras.utils.set_random_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def layer_contract():
    """The module `layer_contract.py` beside this file."""
    spec = importlib.util.spec_from_file_location(
        "layer_contract", pathlib.Path(__file__).with_name("layer_contract.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def whole_clip():
    """A function that gives what testing sees of a parsed record, uncropped: uint8 [N, H, W, 3 or 20]."""
    from tclsta_tf.data import augmentation, pipeline, videos

    def read(record, stream, num_frames, sampling_method="uniform"):
        video = videos.parsed(record)
        positions = pipeline.test_positions(video.num_frames, num_frames, sampling_method)
        return video.clips(stream, positions, [augmentation.whole_images()])[0].numpy()

    return read


@pytest.fixture(scope="session")
def tiny_config():
    """Settings of a run that trains for a few steps only, so that nothing may look at its accuracy."""
    from tclsta_tf import config

    train = config.TrainConfig(
        steps=4,
        batch_size=4,
        frames=3,
        optimizer="adam",
        learning_rate=0.01,
        validate_every=2,
        checkpoint_every=2,
    )
    return config.RunConfig(
        data=config.DataConfig(crop_size=40, test_frames=4, validation_fraction=0.34),
        stream=config.StreamConfig(backbone="small", cam_units=8, lstm_units=8),
        static=(train,),
        motion=(train,),
        collaborative=(dataclasses.replace(train, steps=6),),
        network=config.CollaborativeConfig(collaborative_width=8),
    )


@pytest.fixture(scope="session")
def finished(made_once, tiny_records, tiny_config):
    """A run with all steps done, the variant without attention besides, exported to `<workdir>/export/1`."""
    from tclsta_tf.recipes import export, report, run, steps

    def made_in(folder):
        return run.Run(tiny_config, tiny_records, folder, "--split=1\n")

    def finish(folder):
        done = made_in(folder)
        steps.run_steps(done, steps.training_steps(done, ["none"]))
        report.evaluate_and_report(done)
        export.export(done, done.workdir / "export")

    return made_in(made_once("finished", finish))
