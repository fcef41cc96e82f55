"""A stage `backbone` and then `heads`: the backbone is trained once, without attention, and then left as it is."""

import dataclasses

import numpy as np
import pytest

from tclsta_tf import config
from tclsta_tf.recipes import parts, run, train_stream


@pytest.fixture
def staged(tmp_path, tiny_config, tiny_records):
    first = dataclasses.replace(tiny_config.motion[0], trains="backbone", frames=1)
    stages = (first, dataclasses.replace(first, trains="heads", frames=3, steps=2))
    return run.Run(dataclasses.replace(tiny_config, motion=stages), tiny_records, tmp_path / "run")


def _weights(model):
    return {weight.path: weight.numpy() for weight in model.weights}


@pytest.mark.slow
def test_the_backbone_is_trained_once_and_then_left_alone(staged, capfd):
    for made in (staged, staged.variant("none"), staged.variant("sa")):
        train_stream.train_stream(made, "motion")
    assert [path.parent.parent.name for path in staged.workdir.rglob("backbone/motion/model.keras")] == ["backbone"]
    printed = capfd.readouterr().err
    assert printed.count("M of them trained") == 4  # once for the backbone, and each variant
    base = _weights(parts.load(staged.backbone_run(), "motion"))
    for made in (staged, staged.variant("sa")):
        model = parts.load(made, "motion")
        for name, value in _weights(model.backbone).items():  # moving averages too
            np.testing.assert_array_equal(value, base[name], err_msg=name)


def test_the_classifier_starts_as_it_was_trained_with_the_backbone(staged):
    first, second = staged.config.motion
    still = dataclasses.replace(second, optimizer="sgd", learning_rate=1e-12, weight_decay=0.0)
    made = dataclasses.replace(staged, config=dataclasses.replace(staged.config, motion=(first, still)))
    train_stream.train_stream(made, "motion")
    found, base = (parts.load(of, "motion").connection_classifier for of in (made, made.backbone_run()))
    for value, expected in zip(found.weights, base.weights, strict=True):
        np.testing.assert_allclose(value.numpy(), expected.numpy(), atol=1e-8, err_msg=value.path)


def test_a_changed_first_stage_is_refused_without_the_flags_of_the_folder_below(staged):
    train_stream.train_stream(staged.backbone_run(), "motion")
    first, second = staged.config.motion
    longer = dataclasses.replace(staged.config, motion=(dataclasses.replace(first, steps=9), second))
    with pytest.raises(ValueError, match=r"with --motion_steps=4, .* --motion_steps=9. Use another --workdir$"):
        train_stream.train_stream(dataclasses.replace(staged, config=longer), "motion")


def test_a_variant_whose_temporal_stage_falls_away_trains_its_backbone_stage(staged):
    first = staged.config.motion[0]
    stages = (first, dataclasses.replace(first, trains="temporal"))
    settings = dataclasses.replace(staged.config, motion=stages)
    variant = dataclasses.replace(staged, config=settings).variant("none")
    assert [stage.trains for stage in variant.config.motion] == ["all"]


@pytest.mark.slow
def test_it_goes_on_where_it_was_stopped(staged, tmp_path):
    train_stream.train_stream(staged, "motion")
    other = dataclasses.replace(staged, workdir=tmp_path / "other")
    train_stream.train_stream(other.backbone_run(), "motion")
    train_stream.train_stream(other, "motion")
    whole, continued = (_weights(parts.load(made, "motion")) for made in (staged, other))
    for name, value in whole.items():
        np.testing.assert_array_equal(continued[name], value, err_msg=name)


def test_runs_of_other_seeds_train_backbones_of_their_own(staged):
    first, second = (staged.member(f"seed-{seed}", "1", seed) for seed in (0, 1))
    assert first.backbone_run().workdir == staged.workdir / "seed-0" / "backbone"
    assert second.variant("sa").backbone_run().workdir == second.backbone_run().workdir
    assert first.cache_dir == second.cache_dir == staged.workdir / "frozen"
    assert staged.refit().backbone_run().workdir == staged.workdir / "refit" / "backbone"


@pytest.mark.parametrize("stages", [("backbone",), ("spatial", "backbone", "heads")])
def test_a_backbone_stage_stands_first_and_not_alone(tiny_config, stages):
    made = tuple(dataclasses.replace(tiny_config.motion[0], trains=trains) for trains in stages)
    with pytest.raises(ValueError, match="`motion_trains` m.*`backbone`"):
        dataclasses.replace(tiny_config, motion=made)


@pytest.mark.slow
def test_a_backbone_that_is_stopped_midway_ends_as_one_that_is_not(staged, tmp_path, killed_after_saving):
    """With all that the recipe for JHMDB21 has: average of the weights, dropout, statistics of the batch."""
    first, second = staged.config.motion
    first = dataclasses.replace(first, steps=6, ema=0.9, label_smoothing=0.1, warmup_steps=2, checkpoint_every=3)
    own = config.MotionConfig(dropout=0.5, batchnorm="batch", input_pooling=2, crop="corners")
    stream = dataclasses.replace(staged.config.stream, batchnorm_momentum=0.9)
    settings = dataclasses.replace(staged.config, motion=(first, second), motion_stream=own, stream=stream)
    whole, broken = (
        dataclasses.replace(staged, config=settings, workdir=tmp_path / name).backbone_run() for name in ("a", "b")
    )
    train_stream.train_stream(whole, "motion")
    assert killed_after_saving(lambda: train_stream.train_stream(broken, "motion")) == [3]
    train_stream.train_stream(broken, "motion")
    expected, found = (_weights(parts.load(made, "motion")) for made in (whole, broken))
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_several_machines_are_refused(staged):
    device = dataclasses.replace(staged.config.device, distribution="multi_worker")
    made = dataclasses.replace(staged, config=dataclasses.replace(staged.config, device=device))
    with pytest.raises(ValueError, match="--motion_trains=backbone works on one machine"):
        train_stream.train_stream(made, "motion")
    assert not made.workdir.exists()
