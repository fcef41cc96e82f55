"""Ways of testing: the closed test part, several clips, one frame, folds, videos of several classes."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
from absl import flags

from tclsta_tf import config
from tclsta_tf import flags as run_flags
from tclsta_tf.data import features, pipeline
from tclsta_tf.recipes import (
    compare,
    evaluate,
    extract,
    fusion,
    identity,
    parts,
    report,
    results,
    run,
    scores,
    steps,
    train_collaborative,
    train_stream,
    watch,
)
from tfrecords_tools import manifest


def copy_of(finished, folder, **changes):
    """The finished run in a folder of its own, with other settings of a group."""
    shutil.copytree(finished.workdir, folder, ignore=shutil.ignore_patterns("report", "export", "logs"))
    settings = finished.config
    for group, values in changes.items():
        settings = dataclasses.replace(settings, **{group: dataclasses.replace(getattr(settings, group), **values)})
    return dataclasses.replace(finished, config=settings, workdir=folder)


def leak_into_validation(monkeypatch):
    def peek(made, stage, stream, model):
        return lambda step: {"validation_accuracy": float(len(made.subset("test")))}

    monkeypatch.setattr(watch, "stream_validation", peek)


def leak_into_fusion(monkeypatch):
    monkeypatch.setattr(run, "VALIDATION", "test")  # fusion would be learned on the test part


@pytest.mark.parametrize("leak", [leak_into_validation, leak_into_fusion])
def test_a_leak_of_the_test_part_is_caught(finished, tmp_path, tiny_records, tiny_config, monkeypatch, leak):
    leak(monkeypatch)
    with pytest.raises(RuntimeError, match="the test part is closed: only the evaluation at the end reads it"):
        if leak is leak_into_fusion:
            fusion.learn_fusion(copy_of(finished, tmp_path / "run"))
        else:
            train_stream.train_stream(run.Run(tiny_config, tiny_records, tmp_path), "static")


def test_the_test_part_is_closed_again_and_its_readings_are_counted(finished, tmp_path):
    made = copy_of(finished, tmp_path / "run")
    for count in (1, 2):
        evaluate.evaluate(made)
        assert json.loads((made.report_dir / "metrics.json").read_text())["test_part_reads"] == count + 1
    with pytest.raises(RuntimeError, match="the test part is closed"):
        made.subset("test")
    assert (made.workdir / "test_part_reads.txt").read_text().count(" evaluate, code revision ") == 3


def test_permuted_test_labels_change_no_score(finished, tmp_path, monkeypatch):
    made = copy_of(finished, tmp_path / "run")
    truth = scores.videos

    def shuffled(of, role):
        videos = truth(of, role)
        return (
            dataclasses.replace(videos, labels=videos.labels[::-1], truth=videos.truth[::-1])
            if role == "test"
            else videos
        )

    monkeypatch.setattr(scores, "videos", shuffled)
    found = evaluate.evaluate(made)
    expected = results.read_scores(finished.report_dir)
    for row, values in expected.rows.items():
        np.testing.assert_allclose(found.scores[row], values, atol=1e-6, err_msg=row)


@pytest.mark.slow
def test_an_equal_report_is_kept(finished, tmp_path):
    made = copy_of(finished, tmp_path / "run")
    report.evaluate_and_report(made, keep_equal=True)
    reads = (made.workdir / "test_part_reads.txt").read_text()
    report.evaluate_and_report(made, keep_equal=True)
    assert (made.workdir / "test_part_reads.txt").read_text() == reads
    other = dataclasses.replace(made.config, fusion=config.FusionConfig(awl_lambda=(0.5,)))
    report.evaluate_and_report(dataclasses.replace(made, config=other), keep_equal=True)
    assert (made.workdir / "test_part_reads.txt").read_text().count("\n") == reads.count("\n") + 1


@pytest.mark.slow
def test_a_report_that_was_broken_off_is_made_again(finished, tmp_path, monkeypatch):
    made = copy_of(finished, tmp_path / "run")
    report.evaluate_and_report(made)
    settings = dataclasses.replace(made.config, fusion=config.FusionConfig(late_weights="1:3"))
    other = dataclasses.replace(made, config=settings)
    with monkeypatch.context() as patch, pytest.raises(TypeError):
        patch.setattr(report, "_page", None)  # stops between metrics.json and the tables
        report.evaluate_and_report(other, keep_equal=True)
    report.evaluate_and_report(other, keep_equal=True)
    assert "fusion/late-1:3" in (made.report_dir / "results.csv").read_text()


@pytest.mark.slow
def test_speeds_that_are_measured_afterwards_come_into_the_report(finished, tmp_path):
    made = copy_of(finished, tmp_path / "run")
    report.evaluate_and_report(made, keep_equal=True)
    (made.workdir / "speed.json").write_text('{"decode": 3.0}')
    report.evaluate_and_report(made, keep_equal=True)
    assert "Table IX" in report.read_tables(made, all_of_them=True)


def test_a_run_that_stopped_in_its_first_variant_goes_on_with_its_own_settings(finished, tmp_path, tiny_records):
    identity.claim(dataclasses.replace(finished, workdir=tmp_path).variant("none"), "static")
    values = flags.FlagValues()
    run_flags.define_run_flags(values)
    values(["experiment", f"--workdir={tmp_path}", f"--data_dir={tiny_records}"])
    assert run.Run(**run_flags.run_arguments(values)).config.stream.attention == "sta"


def test_features_of_another_model_are_made_again(finished, tmp_path):
    made = copy_of(finished, tmp_path / "run")
    file = made.feature_file("static", "train")
    before = features.read(file)["scores"]
    for folder in ("static", "collaborative", "ablation"):
        shutil.rmtree(made.workdir / folder)
    changed = dataclasses.replace(made.config.static[0], learning_rate=0.5)
    other = dataclasses.replace(made, config=dataclasses.replace(made.config, static=(changed,)))
    train_stream.train_stream(other, "static")
    with pytest.raises(ValueError, match="static-train.tfrecord was made by another model than .*static/model.keras"):
        train_collaborative.train_collaborative(other)
    extract.extract(other, "static", ("train",))
    assert not np.allclose(features.read(file)["scores"], before)


def test_features_are_the_same_in_a_process_that_has_trained_nothing(finished, tmp_path):
    made = copy_of(finished, tmp_path / "run")
    file = made.feature_file("static", "train")
    before = file.read_bytes()
    file.unlink()
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": True})  # as it is before a training
    extract.extract(made, "static", ("train",))
    assert file.read_bytes() == before
    assert tf.config.optimizer.get_experimental_options()["arithmetic_optimization"] is False


@pytest.mark.slow
def test_a_trained_run_is_tested_with_other_crops_and_clips(finished, tmp_path):
    made = copy_of(finished, tmp_path / "run", data={"test_crops": 10, "test_clips": 2})
    evaluate.evaluate(made)
    values = json.loads((made.report_dir / "metrics.json").read_text())
    assert (values["protocol"]["crops_per_clip"], values["protocol"]["clips_per_video"]) == (10, 2)
    names = {file.name for file in (made.workdir / "features").glob("static-*.tfrecord")}
    assert {"static-train.tfrecord", "static-validation-10-crops-2-clips.tfrecord"} <= names


def test_one_frame_is_the_middle_one(finished, tmp_path):
    made = copy_of(finished, tmp_path / "run", data={"frame_protocol": "one"})
    found = scores.stream_scores(made, "static", "validation")
    model = parts.load(made, "static")
    batches = pipeline.video_batches(made.subset("validation"), "static", 4, 40, 1)
    for row, batch in enumerate(batches):
        middle = batch["clips"][:, 2:3]
        outputs = model(middle, training=False)
        np.testing.assert_allclose(found[row], outputs["scores"][0], atol=1e-5)
    evaluation = evaluate.evaluate(made)
    assert not np.allclose(evaluation.scores["frame"], results.read_scores(finished.report_dir).rows["frame"])
    assert json.loads((made.report_dir / "metrics.json").read_text())["protocol"]["frames_per_clip"] == 1
    said = scores.describe_protocol(scores.protocol(made))
    assert said == "1 clip of a video, 1 frame a clip (4 for the collaborative network and early fusion), 1 crop"


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_several_clips_each_go_through_the_whole_method(finished, tmp_path, pooling):
    made = copy_of(finished, tmp_path / "run", data={"test_clips": 2, "clip_pooling": pooling})
    made = dataclasses.replace(made, report="two_clips")
    report.evaluate_and_report(made)
    file = made.feature_file("static", "validation")
    assert file.name == "static-validation-2-clips.tfrecord"
    found = features.read(file, 2, pooling)
    entries = made.subset("validation").videos
    assert found["ids"].tolist() == [video.id for video in entries]
    assert found["positions"].shape == (6, 8)
    for positions, video in zip(found["positions"], entries, strict=True):
        half = video.frames // 2
        assert (positions[:4] < max(half, 1)).all() and (positions[4:] >= half).all()
    np.testing.assert_allclose(found["temporal_attention"].sum(axis=1), 1, atol=1e-5)
    model = parts.load(made, "static")
    batches = pipeline.video_batches(made.subset("validation"), "static", 4, 40, 2, windows=2)
    for row, batch in enumerate(batches):
        outputs = model(batch["clips"], training=False)["scores"].numpy()
        np.testing.assert_allclose(found["scores"][row], getattr(outputs, pooling)(axis=0), atol=1e-5)
    values = json.loads((made.workdir / "two_clips" / "metrics.json").read_text())
    assert values["protocol"]["clips_per_video"] == 2 and values["num_test_videos"] == 6
    assert (made.workdir / "two_clips" / "index.html").exists() and not (made.workdir / "report").exists()
    assert (made.workdir / "fusion.json").read_text() == finished.fusion_file.read_text()  # what is served stays
    lines = compare.compare([finished.workdir, made.report_dir], ["TCLSTA"])[0].rows
    assert ("data.test_clips", "1", "2") in lines


@pytest.mark.slow
def test_folds_give_every_training_video_scores_of_networks_that_have_not_seen_it(finished, tmp_path):
    made = copy_of(finished, tmp_path / "run", fusion={"awl_scores": "kfold", "awl_folds": 2})
    names = [step.name for step in steps.training_steps(made, [])]
    assert "train motion (sta), without part 2 of 2" in names
    steps.run_steps(made, steps.training_steps(made, []))
    samples = fusion.read_samples(made)
    everything = {video.id for role in ("train", "validation") for video in made.subset(role).videos}
    assert sorted(samples.videos.ids) == sorted(everything)
    for fold in made.folds():
        trained, held = ({video.id for video in fold.subset(role).videos} for role in ("train", "validation"))
        assert not trained & held and trained | held == everything
        groups = [{video.group for video in fold.subset(role).videos} for role in ("train", "validation")]
        assert not groups[0] & groups[1]
    assert samples.heads["motion"].shape == (len(everything), 3)
    assert evaluate.evaluate(made).fusion_weights.shape == (3, 2)
    many = dataclasses.replace(made.config, fusion=dataclasses.replace(made.config.fusion, awl_folds=50))
    with pytest.raises(ValueError, match="--awl_folds=50 needs as many groups"):  # before anything is trained
        steps.training_steps(dataclasses.replace(made, config=many), [])


def test_fusion_can_be_learned_on_the_training_videos_as_the_paper_has_it(finished, tmp_path):
    made = copy_of(finished, tmp_path / "run", fusion={"awl_scores": "train"})
    samples = fusion.read_samples(made)
    assert samples.source == "train" and len(samples.videos) == 12


def relabelled(records, folder, test_labels):
    """The records with other labels of the six test videos."""
    shutil.copytree(records, folder)
    found = manifest.Manifest.load(folder)
    labels = iter(test_labels)
    tested = {shard.path.name for shard in found.shards_for("1", "test")}
    shards = [
        dataclasses.replace(
            shard, videos=tuple(dataclasses.replace(video, labels=next(labels)) for video in shard.videos)
        )
        if shard.path.name in tested
        else shard
        for shard in found.shards
    ]
    dataclasses.replace(found, shards=tuple(shards)).save()
    return folder


def test_videos_of_several_classes_and_of_none_are_measured_by_average_precision(finished, tmp_path):
    records = relabelled(finished.data_dir, tmp_path / "records", [(0,), (1, 0), (), (2,), (2, 1), ()])
    made = dataclasses.replace(copy_of(finished, tmp_path / "run"), data_dir=records)
    report.evaluate_and_report(made)
    assert "mAP %" in report.read_tables(made) and "overall" not in report.read_tables(made)
    assert "What each part adds" in report.read_tables(made, all_of_them=True)
    evaluation = results.read_scores(made.report_dir)
    assert evaluation.videos.truth.sum(axis=1).tolist() == [1, 2, 0, 1, 2, 0]
    values = json.loads((made.report_dir / "metrics.json").read_text())
    for row, ends in values["intervals"].items():
        low, high = ends["mean_average_precision"]
        assert low <= values["results"][row]["mean_average_precision"] <= high
    assert "NaN" not in (made.report_dir / "metrics.json").read_text()
    assert "average precision" in (made.report_dir / "index.html").read_text()
    again = shutil.copytree(made.workdir, tmp_path / "again")
    (line,) = compare.compare([made.workdir, again], ["TCLSTA"])[-2].rows
    precision = values["results"]["TCLSTA"]["mean_average_precision"]
    assert line[1] == line[2] and line[1].startswith(f"{100 * precision:.1f} [")


def test_a_class_without_test_videos_and_one_of_a_single_video_have_no_holes(finished, tmp_path):
    records = relabelled(finished.data_dir, tmp_path / "records", [(0,), (0,), (2,), (0,), (0,), (0,)])
    made = dataclasses.replace(copy_of(finished, tmp_path / "run"), data_dir=records)
    report.evaluate_and_report(made)
    assert "NaN" not in (made.report_dir / "metrics.json").read_text()
    assert not re.search(r">\s*NaN", (made.report_dir / "index.html").read_text(), re.IGNORECASE)
    assert "nan" not in (made.report_dir / "tables.txt").read_text().split()
