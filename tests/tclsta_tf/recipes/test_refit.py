"""Training on all videos, for the classifier to be shipped."""

import dataclasses
import json

import pytest

from tclsta_tf import config
from tclsta_tf.recipes import evaluate, export, fusion, run, steps


def _ids(made, role):
    return {video.id for video in made.subset(role).videos}


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
    with pytest.raises(ValueError, match="there is no test part|does not exist"):
        evaluate.evaluate(finished.refit())


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
