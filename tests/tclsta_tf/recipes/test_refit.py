"""Training on all videos, for the classifier to be shipped."""

import dataclasses
import json
import shutil

import pytest

from tclsta_tf import config
from tclsta_tf.recipes import export, fusion, identity, report, run, steps


def _ids(made, role):
    return {video.id for video in made.subset(role).videos}


@pytest.mark.slow
def test_a_refit_takes_every_video_and_the_fusion_of_its_run(finished, tmp_path):
    refit = finished.refit()
    with run.open_test_part():
        every = _ids(finished, "train") | _ids(finished, "validation") | _ids(finished, "test")
    assert _ids(refit, "train") == every and len(every) == 24
    assert not _ids(refit, "validation")
    assert refit.workdir == finished.workdir / "refit"
    refit = dataclasses.replace(refit, workdir=tmp_path)  # the folder of `finished` is other tests' too
    steps.run_steps(refit, steps.training_steps(refit, []))
    fusion.adopt(finished, refit)
    assert json.loads(refit.fusion_file.read_text()) == json.loads(finished.fusion_file.read_text())
    for part in config.PARTS:
        assert refit.model_file(part).read_bytes() != finished.model_file(part).read_bytes()
    folder = export.export(refit, refit.workdir / "export")
    card = json.loads((folder / "assets" / "model.json").read_text())
    assert card["flags"]["data"]["train_on"] == "all"
    assert "metrics" not in card or not card["metrics"]  # nothing was measured of this model


def test_there_is_no_test_part_left(finished):
    with run.open_test_part(), pytest.raises(ValueError, match="there is no test part"):
        finished.refit().subset("test")


@pytest.mark.slow
def test_a_run_that_holds_nothing_out_is_measured_and_refitted(finished, tmp_path):
    """As configs/jhmdb21/all.cfg: the whole training part is trained on, and the fusion learned on it."""
    settings = dataclasses.replace(
        finished.config,
        data=dataclasses.replace(finished.config.data, validation_fraction=0.0),
        fusion=dataclasses.replace(finished.config.fusion, awl_scores="train"),
    )
    made = dataclasses.replace(finished, config=settings, workdir=tmp_path)
    steps.run_steps(made, steps.training_steps(made, []))
    report.evaluate_and_report(made)
    learned = json.loads(made.fusion_file.read_text())
    assert (learned["fitted_on"], learned["videos"]) == ("train", len(made.subset("train"))) == ("train", 18)
    assert not _ids(made, "validation")
    measured = json.loads((made.report_dir / "metrics.json").read_text())
    assert measured["num_test_videos"] == 6 and "TCLSTA" in measured["results"]
    assert (made.report_dir / "index.html").exists()
    assert made.refit().config.fusion.awl_scores == "train"


def test_all_videos_leave_nothing_to_measure(finished, tmp_path, run_command):
    """Each command says so before it does anything, or does what is left."""
    made = finished.refit()
    lines = run._changed_flags(config.RunConfig(), made.config) + f"--data_dir={finished.data_dir}\n"
    for part in config.PARTS:
        shutil.copytree(finished.part_dir(part), tmp_path / part)
        (tmp_path / part / "flags.cfg").write_text(lines)
        (tmp_path / part / "config.json").write_text(json.dumps(identity.of(made, part)))
    ended = run_command("tclsta_tf.evaluate", f"--workdir={tmp_path}")
    assert ended.returncode == 1 and "--train_on=all): there is no test part to measure it on" in ended.stderr
    ended = run_command("tclsta_tf.extract_features", f"--workdir={tmp_path}")
    assert ended.returncode == 0, ended.stderr
    assert {file.name for file in (tmp_path / "features").glob("*.tfrecord")} == {
        f"{stream}-{role}.tfrecord" for stream in config.STREAMS for role in ("train", "validation")
    }
    assert not (tmp_path / "test_part_reads.txt").exists()
    ended = run_command("tclsta_tf.experiment", f"--workdir={tmp_path}", "--seeds=0,1")
    assert ended.returncode == 1 and "--train_on=all leaves nothing to compare" in ended.stderr
    assert not (tmp_path / "seed-0").exists()


def test_a_recipe_that_watches_the_validation_part_cannot_be_refitted(finished):
    stage = dataclasses.replace(finished.config.static[0], keep="best")
    watching = dataclasses.replace(finished, config=dataclasses.replace(finished.config, static=(stage,)))
    with pytest.raises(ValueError, match="--refit leaves no validation part: --static_keep=best"):
        watching.refit()


def test_a_run_that_trains_on_all_may_hold_out_videos_for_its_fusion(finished, tmp_path):
    data = dataclasses.replace(finished.config.data, train_on="all")
    made = dataclasses.replace(finished, config=dataclasses.replace(finished.config, data=data), workdir=tmp_path)
    assert _ids(made, "validation") and not _ids(made, "validation") & _ids(made, "train")
    assert len(_ids(made, "validation") | _ids(made, "train")) == 24
