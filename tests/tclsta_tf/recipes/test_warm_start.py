"""--motion_warm_start_steps: the motion stream's backbone learns from generated videos first."""

import dataclasses
import shutil
import subprocess

import numpy as np
import pytest

from tclsta_tf import flags as run_flags
from tclsta_tf.recipes import generated, parts, run, train_stream


@pytest.fixture
def warm(tmp_path, tiny_config, tiny_records):
    """A run whose own training changes nothing, so that its backbone shows where it started; other records stand in."""
    stage = dataclasses.replace(tiny_config.motion[0], optimizer="sgd", learning_rate=1e-12, weight_decay=0.0)
    made = dataclasses.replace(
        tiny_config,
        motion=(stage,),
        stream=dataclasses.replace(tiny_config.stream, batchnorm="frozen", cache_frozen=0),
        motion_stream=dataclasses.replace(tiny_config.motion_stream, warm_start_steps=2),
    )
    found = run.Run(made, tiny_records, tmp_path / "run")
    other = dataclasses.replace(found.config, motion=(dataclasses.replace(stage, learning_rate=0.1),))
    return dataclasses.replace(found, config=other), found


def test_the_backbone_starts_as_it_was_trained_on_generated_videos(warm, tiny_records, monkeypatch, capfd):
    _, still = warm
    made = []

    def copy(of):
        made.append(of.data_dir)
        if not of.data_dir.exists():
            shutil.copytree(tiny_records, of.data_dir)

    monkeypatch.setattr(generated, "make_records", copy)
    learning = dataclasses.replace(still.warm_start_run(), config=warm[0].warm_start_run().config)
    monkeypatch.setattr(run.Run, "warm_start_run", lambda self: learning)
    for member in (still.member("seed-0", "1", 0), still.member("seed-1", "1", 1)):
        train_stream.train_stream(member, "motion")
        train_stream.train_stream(member, "static")
    base, random = parts.load(learning, "motion"), train_stream.build_stream(learning, "motion")
    assert any(
        (a.numpy() != b.numpy()).any() for a, b in zip(base.backbone.weights, random.backbone.weights, strict=True)
    )
    for member in ("seed-0", "seed-1"):
        model = parts.load(dataclasses.replace(still, workdir=still.workdir / member), "motion")
        for value, expected in zip(model.backbone.weights, base.backbone.weights, strict=True):
            np.testing.assert_allclose(value.numpy(), expected.numpy(), atol=1e-8, err_msg=value.path)
    assert made == [still.workdir / "warm_start" / "records"] * 2
    assert capfd.readouterr().err.count("M of them trained") == 5  # the warm start once, two streams of two seeds


def test_its_run_takes_the_streams_settings_and_belongs_to_all_members(warm):
    whole = warm[1]
    pooled = dataclasses.replace(whole.config.motion_stream, input_pooling=2)
    changed = dataclasses.replace(whole, config=dataclasses.replace(whole.config, motion_stream=pooled))
    first, second = (changed.member(f"seed-{seed}", "1", seed).warm_start_run() for seed in (0, 1))
    assert first.workdir == second.workdir == whole.workdir / "warm_start"
    assert first.config == second.config
    assert first.config.data.crop_size == whole.config.data.crop_size // 2 and not first.config.data.mirror
    assert first.config.motion[0].steps == 2 and first.config.stream.attention == "none"
    assert not first.config.motion_stream.warm_start_steps and not first.config.data.validation_fraction


def test_its_flagfile_says_what_it_was_made_with(warm, tmp_path):
    made = warm[1].warm_start_run()
    (made.workdir / "motion").mkdir(parents=True)
    (made.workdir / "motion" / "flags.cfg").write_text(made.flags)
    assert run_flags.arguments_of(made.workdir)["config"] == made.config


def test_the_records_are_made_by_the_commands(warm, monkeypatch, tmp_path):
    made, called = warm[1].warm_start_run(), []

    def run_command(arguments, **kwargs):
        called.append(arguments)
        return subprocess.CompletedProcess(arguments, 0)

    monkeypatch.setattr(generated.subprocess, "run", run_command)
    generated.make_records(made)
    assert [arguments[2] for arguments in called] == ["tfrecords_tools.make_demo", "tfrecords_tools.convert"]
    folder, side = made.workdir, made.config.data.crop_size * 8 // 7 // 2 * 2
    assert called[0][3:] == [f"--output_dir={folder / 'generated'}"]
    assert f"--resize={side}x{side}" in called[1] and f"--output_dir={folder / 'records'}" in called[1]

    monkeypatch.setattr(generated.subprocess, "run", lambda arguments, **_: subprocess.CompletedProcess(arguments, 1))
    with pytest.raises(ValueError, match="--motion_warm_start_steps could not be made: .*make_demo.* failed"):
        generated.make_records(made)
    made.data_dir.mkdir(parents=True)
    (made.data_dir / "manifest.json").write_text("{}")
    generated.make_records(made)  # nothing is left to do


def test_it_is_refused_where_workers_would_each_make_their_own(tiny_config):
    steps = dataclasses.replace(tiny_config.motion_stream, warm_start_steps=2)
    device = dataclasses.replace(tiny_config.device, distribution="multi_worker")
    with pytest.raises(ValueError, match="--motion_warm_start_steps works on one machine"):
        dataclasses.replace(tiny_config, motion_stream=steps, device=device)
