"""Training the parts of a run: resumed equals uninterrupted, two devices equal one, stages, precisions, bad records."""

import dataclasses
import functools
import json
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.prediction import classifier
from tclsta_tf.recipes import evaluate, export, parts, run, train_collaborative, train_stream


def test_an_unknown_split_and_a_truncated_shard_are_named(tmp_path, tiny_records, tiny_config):
    unknown = dataclasses.replace(tiny_config, data=dataclasses.replace(tiny_config.data, split="9"))
    with pytest.raises(ValueError, match="--split must be one of 1, 2. Received: --split=9"):
        train_stream.train_stream(run.Run(unknown, tiny_records, tmp_path), "static")
    copy = tmp_path / "records"
    copy.mkdir()
    for file in tiny_records.iterdir():
        if file.is_file():
            os.link(file, copy / file.name)
    shard = next(copy.glob("*.tfrecord"))
    data = shard.read_bytes()
    shard.unlink()
    shard.write_bytes(data[:-100])
    with pytest.raises(ValueError, match=f"{shard.name} must be {len(data)} bytes long"):
        train_stream.train_stream(run.Run(tiny_config, copy, tmp_path / "work"), "static")


@pytest.mark.parametrize("attention", ["sta", "none"])
def test_a_stream_stopped_and_started_again_ends_with_the_same_weights(
    tmp_path, tiny_records, tiny_config, attention, killed_after_saving
):
    stream = dataclasses.replace(tiny_config.stream, attention=attention)
    settings = dataclasses.replace(tiny_config, stream=stream)
    train_stream.train_stream(run.Run(settings, tiny_records, tmp_path / "whole"), "motion")
    broken = run.Run(settings, tiny_records, tmp_path / "broken")
    killed_after_saving(lambda: train_stream.train_stream(broken, "motion"))
    assert not broken.model_file("motion").exists()
    train_stream.train_stream(broken, "motion")
    whole, resumed = (
        keras.saving.load_model(tmp_path / name / "motion" / "model.keras", compile=False)
        for name in ("whole", "broken")
    )
    for expected, found in zip(whole.variables, resumed.variables, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=found.path)


@pytest.mark.slow
def test_two_logical_cpus_equal_one(tmp_path, tiny_records, tiny_config, two_cpus):
    models = []
    for distribution in ("none", "mirrored"):
        device = dataclasses.replace(tiny_config.device, distribution=distribution)
        # Plain SGD: Adam divides tiny gradients by their own size, and so magnifies rounding.
        static = (dataclasses.replace(tiny_config.static[0], optimizer="sgd", momentum=0.0),)
        settings = dataclasses.replace(tiny_config, device=device, static=static)
        made = run.Run(settings, tiny_records, tmp_path / distribution)
        train_stream.train_stream(made, "static")
        models.append(keras.saving.load_model(made.model_file("static"), compile=False))
    assert any("synchronized" in json.dumps(model.get_config()) for model in models[1:])
    for expected, found in zip(models[0].variables, models[1].variables, strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-6, err_msg=found.path)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["release", "alternate"])
def test_other_collaborative_networks_run_too(finished, tmp_path, network):
    changes = {"collaborative_network": "release"} if network == "release" else {"alternate_updates": True}
    settings = dataclasses.replace(finished.config, network=dataclasses.replace(finished.config.network, **changes))
    other = run.Run(settings, finished.data_dir, tmp_path)
    for part in config.STREAMS:
        (tmp_path / part).symlink_to(finished.part_dir(part))
    (tmp_path / "features").symlink_to(finished.workdir / "features")
    train_collaborative.train_collaborative(other)
    rows = evaluate.evaluate(other).scores
    assert "two-stream+STA+CLN" in rows
    assert ("TCLSTA" in rows) == (network != "release")
    folder = export.export(other, tmp_path / "export")
    assert np.isfinite(classifier.Classifier(folder)._model.signatures["precomputed"](
        frames=tf.zeros([1, 4, 48, 64, 3], tf.uint8), flow=tf.fill([1, 4, 48, 64, 20], tf.constant(128, tf.uint8))
    )["scores"]).all()  # fmt: skip


def test_the_collaborative_part_resumes_exactly(finished, tmp_path, killed_after_saving):
    models = []
    for name in ("whole", "broken"):
        made = run.Run(finished.config, finished.data_dir, tmp_path / name)
        (tmp_path / name).mkdir()
        for part in (*config.STREAMS, "features"):
            (tmp_path / name / part).symlink_to(finished.workdir / part)
        if name == "broken":
            killed_after_saving(functools.partial(train_collaborative.train_collaborative, made))
        train_collaborative.train_collaborative(made)
        models.append(parts.load(made, "collaborative"))
    for expected, found in zip(models[0].variables, models[1].variables, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=found.path)


def test_a_damaged_shard_of_the_same_size_is_named(tmp_path, tiny_records, tiny_config):
    copy = tmp_path / "records"
    copy.mkdir()
    for file in tiny_records.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    made = run.Run(tiny_config, copy, tmp_path / "work")
    shard = made.subset("train").shards[0].path
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 255
    shard.write_bytes(data)
    with pytest.raises(ValueError, match=f"{shard.name} is damaged: delete it and run the conversion again"):
        train_stream.train_stream(made, "static")


def _stages(settings: config.TrainConfig) -> tuple[config.TrainConfig, ...]:
    changes = ({"trains": "spatial", "frames": 1}, {"trains": "temporal", "frames": 4, "batch_size": 2}, {})
    return tuple(dataclasses.replace(settings, **change) for change in changes)


@pytest.mark.slow
def test_stages_train_what_they_say_and_resume_in_any_of_them(
    tmp_path, tiny_records, tiny_config, monkeypatch, killed_after_saving
):
    """The release's three stages: killed in the second one, the run ends as if it had not been."""
    settings = dataclasses.replace(tiny_config, static=_stages(tiny_config.static[0]))
    whole = run.Run(settings, tiny_records, tmp_path / "whole")
    seen = []
    train = parts.trainer.Trainer.train

    def noting(loop):
        train(loop)
        seen.append({variable.path: variable.numpy() for variable in loop.model.trainable_variables})

    monkeypatch.setattr(parts.trainer.Trainer, "train", noting)
    train_stream.train_stream(whole, "static")
    first, second, third = seen
    for path, value in first.items():
        # (A temporal head whose affinity saturates may move in some of its weights only.)
        if "temporal_" not in path:
            np.testing.assert_array_equal(second[path], value, err_msg=path)
    assert any((second[path] != value).any() for path, value in first.items() if "temporal_" in path)
    assert any((third[path] != value).any() for path, value in second.items() if "temporal_" not in path)

    broken = run.Run(settings, tiny_records, tmp_path / "broken")
    saved = killed_after_saving(lambda: train_stream.train_stream(broken, "static"), count=3)
    assert saved == [2, 4, 2]  # two of the first stage, one of the second
    train_stream.train_stream(broken, "static")
    for path, value in third.items():
        np.testing.assert_allclose(seen[-1][path], value, atol=1e-6, err_msg=path)


def test_a_variant_without_a_temporal_head_leaves_out_its_stage(tmp_path, tiny_records, tiny_config):
    settings = dataclasses.replace(tiny_config, static=_stages(tiny_config.static[0]))
    variant = run.Run(settings, tiny_records, tmp_path, "--static_trains=spatial,temporal,all\n").variant("sa")
    assert [stage.trains for stage in variant.config.static] == ["spatial", "all"]
    assert "--static_trains=spatial,all\n" in variant.flags and "--motion_trains" not in variant.flags


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains(tmp_path, tiny_records, tiny_config, precision):
    device = dataclasses.replace(tiny_config.device, precision=precision)
    made = run.Run(dataclasses.replace(tiny_config, device=device), tiny_records, tmp_path)
    try:
        train_stream.train_stream(made, "static")
    finally:
        keras.config.set_dtype_policy("float32")
    model = keras.saving.load_model(made.model_file("static"), compile=False)
    assert all(np.isfinite(variable.numpy()).all() for variable in model.trainable_variables)


def test_histograms_on_request(tmp_path, tiny_records, tiny_config):
    device = dataclasses.replace(tiny_config.device, histograms=True)
    made = run.Run(dataclasses.replace(tiny_config, device=device), tiny_records, tmp_path)
    train_stream.train_stream(made, "static")
    (file,) = (made.part_dir("static") / "logs").glob("events*")
    assert b"stem_conv/kernel" in file.read_bytes()


def test_frozen_layers_stay_as_they_are(tmp_path, tiny_records, tiny_config):
    stream = dataclasses.replace(tiny_config.stream, freeze_until="stage3", batchnorm="frozen")
    made = run.Run(dataclasses.replace(tiny_config, stream=stream), tiny_records, tmp_path / "frozen")
    parts.prepare(made.config.device)
    before = {variable.path: variable.numpy() for variable in train_stream.build_stream(made, "motion").variables}
    train_stream.train_stream(made, "motion")
    model = keras.saving.load_model(made.model_file("motion"), compile=False)
    moved = {variable.path for variable in model.variables if (variable.numpy() != before[variable.path]).any()}
    assert not [path for path in moved if path.startswith(("stem", "stage2", "stage3"))]
    assert {"stage4_conv/kernel", "motion/connection_classifier/kernel"} <= moved
    wrong = dataclasses.replace(made.config, stream=dataclasses.replace(stream, freeze_until="conv4"))
    with pytest.raises(ValueError, match="--freeze_until: .* one of stem, stage2, stage3, stage4 for small"):
        train_stream.train_stream(run.Run(wrong, tiny_records, tmp_path / "wrong"), "motion")
    assert not (tmp_path / "wrong").exists()
