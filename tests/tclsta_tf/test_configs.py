"""Every flagfile of the repository is read, and the presets hold the numbers of the paper and of the release."""

import pathlib

import pytest
from absl import flags as absl_flags

from tclsta_tf import config, flags
from tclsta_tf.fusion import cross_validation, multiple_kernel

CONFIGS = pathlib.Path(__file__).resolve().parents[2] / "configs"
FILES = sorted(CONFIGS.rglob("*.cfg"))


def read(*arguments: str) -> config.RunConfig:
    values = absl_flags.FlagValues()
    flags.define_run_flags(values)
    values(["train", *arguments])
    flags._apply_left_out_group(values)
    return flags.config_from_flags(values)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_flagfile_is_read(path):
    read(f"--flagfile={path}")


def test_there_are_both_presets_of_every_dataset():
    datasets = {"hmdb51", "ucf101", "ucf50", "thumos14", "jhmdb21", "demo"}
    presets = {(path.parent.name, path.stem) for path in FILES if path.parent != CONFIGS}
    expected = {(dataset, preset) for dataset in datasets for preset in ("paper", "release")}
    assert presets == expected | {("jhmdb21", "all"), ("jhmdb21", "gpu")}


def test_jhmdb21_trains_all_layers_on_a_gpu_and_few_on_a_cpu():
    cpu, gpu = (read(f"--flagfile={CONFIGS / 'jhmdb21' / name}.cfg") for name in ("all", "gpu"))
    assert (cpu.stream_of("static").freeze_until, cpu.stream_of("motion").freeze_until) == ("conv5", "")
    assert cpu.stream_of("static").cache_frozen and cpu.stream_of("motion").input_pooling == 2
    assert all(not gpu.stream_of(stream).freeze_until for stream in config.STREAMS)
    assert gpu.stream_of("motion").input_pooling == 1


def test_fusion_chooses_among_the_same_values_everywhere():
    settings = config.FusionConfig()
    for name, values in (("lambda", "TRADE_OFFS"), ("floor", "FLOORS"), ("strength", "STRENGTHS")):
        assert getattr(settings, f"awl_{name}") == getattr(cross_validation, values)
    assert (settings.mkl_norm, settings.mkl_c) == (multiple_kernel.NORM, multiple_kernel.COST)


@pytest.mark.parametrize(
    ("dataset", "steps"), [("hmdb51", (30000, 60000)), ("ucf101", (30000, 60000)), ("thumos14", (60000, 120000))]
)
def test_paper(dataset, steps):
    made = read(f"--flagfile={CONFIGS / dataset / 'paper.cfg'}")
    for (stage,), expected in zip((made.static, made.motion), steps, strict=True):
        assert (stage.steps, stage.trains, stage.batch_size * stage.frames) == (expected, "all", 60)
        assert (stage.optimizer, stage.momentum, stage.weight_decay) == ("sgd", 0.9, 1e-4)
        assert (stage.learning_rate, stage.schedule, stage.decay_rate) == (1e-3, "plateau", 0.1)
    assert (made.stream.cam_units, made.stream.cam_groups, made.stream.lstm_units) == (1024, 1, 512)
    assert (made.data.test_frames, made.network.collaborative_network) == (25, "paper")
    assert made.data.test_clips == (10 if dataset == "thumos14" else 1)  # untrimmed videos are tested in windows


@pytest.mark.parametrize("dataset", ["hmdb51", "ucf101", "ucf50", "thumos14", "jhmdb21"])
def test_release(dataset):
    made = read(f"--flagfile={CONFIGS / dataset / 'release.cfg'}")
    for stages in (made.static, made.motion):
        assert [stage.trains for stage in stages] == ["spatial", "temporal", "all"]
        assert [stage.steps for stage in stages] == [15000, 30000, 10000]
        assert [(stage.batch_size, stage.frames) for stage in stages[:2]] == [(16, 1), (2, 20)]
        assert [stage.learning_rate for stage in stages] == [1e-3, 1e-3, 1e-5]
        assert [stage.decay_steps for stage in stages] == [5000, 10000, 5000]
        assert {(stage.bias_rate, stage.clip_value, stage.schedule) for stage in stages} == {(2, 0.1, "step")}
    assert made.stream.backbone == "resnet50v2"
    assert (made.stream.cam_groups, made.stream.cam_bias, made.stream.cam_init) == (2, 1.0, "gaussian")
    (collaborative,) = made.collaborative
    assert (collaborative.optimizer, collaborative.learning_rate, collaborative.batch_size) == ("rmsprop", 5e-4, 256)
    assert (collaborative.schedule, collaborative.decay_steps) == ("exponential", 120_000)


def test_the_command_line_overrides_and_stages_share_single_values():
    path = CONFIGS / "hmdb51" / "release.cfg"
    made = read(f"--flagfile={path}", "--static_steps=1,2,3", "--static_momentum=0.5", "--split=2")
    assert [(stage.steps, stage.momentum) for stage in made.static] == [(1, 0.5), (2, 0.5), (3, 0.5)]
    assert made.data.split == "2"
    assert config.RunConfig.from_json(made.to_json()) == made


def test_the_left_out_group_is_a_split():
    path = CONFIGS / "ucf50" / "paper.cfg"
    assert read(f"--flagfile={path}").data.split == "1"
    assert read(f"--flagfile={path}", "--leave_out_group=g07").data.split == "7"
    with pytest.raises(absl_flags.Error, match="--leave_out_group=1 and --split=2 say different things"):
        read(f"--flagfile={path}", "--split=2")
    with pytest.raises(absl_flags.Error, match="must be the number of a group"):
        read("--leave_out_group=last")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--static_steps=1,2", "--static_frames=1,2,3"], "must have one value, or 3, one for each stage"),
        (["--static_trains=temporal,all", "--attention=sa"], "has no temporal head"),
        (["--collaborative_steps=1,2"], "collaborative network is trained in one stage"),
        (["--motion_schedule=plateau", "--validation_fraction=0"], "--motion_schedule=plateau needs a validation part"),
        (["--static_keep=best", "--static_validate_every=0"], "--static_keep=best needs a validation part"),
        (["--static_batch_size=6", "--static_accumulate=4"], "--static_batch_size must be a multiple"),
        (["--collaborative_start=streams"], "--collaborative_start must be random .*; add --rescale_temporal"),
        (["--static_bias_rate=2", "--static_optimizer=adam"], "--static_bias_rate needs --static_optimizer=sgd"),
    ],
)
def test_contradictions_name_the_flags(arguments, message):
    with pytest.raises(ValueError, match=message):
        read(*arguments)


@pytest.mark.parametrize(
    "arguments", [["--static_steps=many"], ["--static_steps=1,,2"], ["--static_trains=some"], ["--motion_crop=middle"]]
)
def test_values_that_cannot_be_read_are_refused(arguments):
    with pytest.raises(absl_flags.IllegalFlagValueError, match=arguments[0].split("=")[0].lstrip("-")):
        read(*arguments)


@pytest.mark.parametrize("flag", ["awl_lambda", "awl_strength", "svm_c", "mkl_norm", "mkl_c"])
def test_a_fusion_that_could_not_be_learned_is_refused_before_anything_is_trained(flag):
    for value in ("inf", "nan"):
        with pytest.raises(ValueError, match=f"--{flag} must be .* Received: --{flag}="):
            read(f"--{flag}={value}")
    with pytest.raises(ValueError, match="--svm_c with several values needs a validation part"):
        read("--svm_c=0.1,1", "--validation_fraction=0")
