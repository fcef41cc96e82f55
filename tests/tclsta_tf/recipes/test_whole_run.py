"""The path from records to an exported model: what it writes, that it can be repeated, that its ends agree."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.data import features, pipeline, score_files
from tclsta_tf.fusion import adaptive_weights
from tclsta_tf.prediction import classifier
from tclsta_tf.recipes import (
    evaluate,
    export,
    extract,
    fusion,
    identity,
    parts,
    report,
    results,
    run,
    speed,
    steps,
    train_collaborative,
    train_stream,
)

ROWS = ("frame", "flow", "two-stream", "frame+STA", "flow+STA", "two-stream+STA", "two-stream+STA+CLN",
        "two-stream+STA+AWL", "two-stream+STA+CLN+AWL", "TCLSTA", "fusion/late", "fusion/late-1:1.5",
        "fusion/late-grid", "fusion/early", "fusion/mkl", "fusion/awl", "fusion/awl-regularised")  # fmt: skip


def test_metrics_hold_every_row_and_every_key_of_the_contract(finished):
    values = json.loads((finished.report_dir / "metrics.json").read_text())
    assert set(values["results"]) == set(ROWS)
    for row in values["results"].values():
        assert set(row) == {
            "overall_accuracy", "mean_class_accuracy", "top5_accuracy", "mean_average_precision", "num_videos",
        }  # fmt: skip
        assert row["num_videos"] == values["num_test_videos"] == 6
        assert all(0 <= value <= 1 for key, value in row.items() if key != "num_videos")
    assert values["dataset"] == "hmdb51" and values["split"] == "1" and values["num_classes"] == 3
    assert list(values["fusion_weights"]) == list(finished.labels)
    assert all(abs(sum(pair) - 1) < 1e-9 for pair in values["fusion_weights"].values())
    assert set(values["speed"]["seconds"]) >= {"train static (sta)", "features motion (sta)", "train collaborative"}


def test_the_report_is_one_page_without_anything_outside(finished):
    page = (finished.report_dir / "index.html").read_text()
    assert "TCLSTA" in page and page.count("<img") == page.count('src="data:image/') >= 6
    assert "http://" not in page and "https://" not in page


def test_each_part_saves_flags_labels_and_events(finished):
    for part in config.PARTS:
        folder = finished.part_dir(part)
        assert (folder / "labels.txt").read_text().split() == list(finished.labels)
        assert (folder / "flags.cfg").read_text() == "--split=1\n"
        (events,) = (folder / "logs").glob("events.out.tfevents.*")
        tags = {
            value.tag for event in tf.compat.v1.train.summary_iterator(str(events)) for value in event.summary.value
        }
        assert {f"{part}/loss", f"{part}/accuracy", f"{part}/validation_accuracy", f"{part}/learning_rate"} <= tags


def test_a_repeated_run_finds_everything_done(finished):
    before = {
        path: path.stat().st_mtime_ns for path in finished.workdir.rglob("*") if path.suffix in (".keras", ".tfrecord")
    }
    assert len(before) == 5 + 8
    steps.run_steps(finished, steps.training_steps(finished, ["none"]))
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_feature_files_hold_what_the_stream_says(finished):
    model = parts.load(finished, "motion")
    with run.open_test_part():
        batch = next(iter(pipeline.video_batches(finished.subset("test"), "motion", 4, 40, 2)))
        stored = features.read(finished.feature_file("motion", "test"))
        ids = [video.id for video in finished.subset("test").videos]
    outputs = model(batch["clips"], training=False)
    np.testing.assert_allclose(stored["scores"][:2], outputs["scores"], atol=1e-5)
    np.testing.assert_allclose(stored["spatial_attention"][:2], outputs["spatial_attention"], atol=1e-4)
    np.testing.assert_array_equal(stored["positions"][:2], batch["positions"])
    assert stored["ids"].tolist() == ids


def test_roles_are_disjoint_and_groups_stay_whole(finished):
    with run.open_test_part():
        videos = {role: finished.subset(role).videos for role in run.ROLES}
    assert len(videos["train"]) == 12 and len(videos["validation"]) == 6 and len(videos["test"]) == 6
    groups = {role: {video.group for video in found} for role, found in videos.items()}
    assert not groups["train"] & groups["validation"] and not groups["train"] & groups["test"]


def test_fusion_weights_come_from_the_validation_part_alone(finished):
    read = {stream: features.read(finished.feature_file(stream, "validation")) for stream in config.STREAMS}
    scores, labels = [read[stream]["scores"] for stream in config.STREAMS], read["static"]["labels"]
    learned = fusion.learn_fusion(finished)
    for method in adaptive_weights.METHODS:
        chosen = learned.settings[f"streams/{method}"]
        expected = adaptive_weights.fit_adaptive_weights(
            *scores, labels, method, chosen.trade_off, chosen.floor, chosen.strength
        )
        np.testing.assert_allclose(learned.streams[method], expected, atol=1e-12)
        assert chosen.trade_off in finished.config.fusion.awl_lambda
    assert json.loads(finished.fusion_file.read_text())["fitted_on"] == "validation"
    kept = score_files.load(f"{finished.workdir / 'fusion_scores.npz'}:motion")
    np.testing.assert_allclose(kept.scores, scores[1], atol=1e-7)
    assert kept.labels.tolist() == labels.tolist() and kept.ids.tolist() == read["static"]["ids"].tolist()


def test_prediction_of_a_file_equals_the_evaluation(finished, tiny_videos):
    found = results.read_scores(finished.report_dir)
    paths = {video.id: video.path for shard in finished.manifest.shards for video in shard.videos}
    model = classifier.Classifier(finished.workdir / "export" / "1")
    for video, scores in zip(found.videos.ids, found.rows["TCLSTA"], strict=True):
        prediction = model.classify(tiny_videos.videos_dir / paths[video])
        np.testing.assert_allclose(prediction.scores, scores, atol=1e-5)
        assert prediction.labels == finished.labels


def test_the_exported_model_needs_tensorflow_only(finished, tmp_path):
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (2, 4, 48, 64, 3), np.uint8)
    flow = generator.integers(100, 156, (2, 4, 48, 64, 20), np.uint8)
    np.savez(tmp_path / "inputs.npz", frames=frames, flow=flow)
    program = (
        "import sys, numpy as np, tensorflow as tf\n"
        "inputs = np.load('inputs.npz')\n"
        "model = tf.saved_model.load(sys.argv[1])\n"
        "names = {'serving_default', 'jpeg_frames', 'precomputed', 'features'}\n"
        "assert set(model.signatures) == names, model.signatures\n"
        "clips = {name: tf.constant(inputs[name]) for name in ('frames', 'flow')}\n"
        "out = model.signatures['precomputed'](**clips)\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('tclsta_tf', 'tfrecords_tools')]\n"
        "np.savez('outputs.npz', **{name: np.array(value.numpy().tolist()) for name, value in out.items()})\n"
    )
    folder = finished.workdir / "export" / "1"
    subprocess.run([sys.executable, "-c", program, str(folder)], cwd=tmp_path, check=True, timeout=300)
    found = np.load(tmp_path / "outputs.npz")
    model = export.assemble(finished)
    crop = np.s_[:, :, 4:44, 12:52]
    expected = model({"frames": frames[crop], "flow": flow[crop]}, training=False)
    of_features = {name for name in expected if name.endswith("features")}
    assert set(found.files) == {*expected, "labels"} - of_features and len(of_features) == 4
    for name in set(expected) - of_features:
        value = expected[name]
        # Attention goes up to the number of cells, and as an exponential it is rounded in proportion.
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5, err_msg=name)
    assert found["labels"].astype(str).tolist() == [list(finished.labels)] * 2


def test_an_exported_version_is_not_overwritten(finished):
    with pytest.raises(ValueError, match="holds version 1 already"):
        export.export(finished, finished.workdir / "export")


def test_a_folder_that_is_no_model_is_refused_with_a_hint(finished, tmp_path):
    with pytest.raises(ValueError, match="is not an exported model: did you mean .*export/1"):
        classifier.Classifier(finished.workdir / "export")
    with pytest.raises(ValueError, match="is not an exported model: make one"):
        classifier.Classifier(tmp_path)


@pytest.mark.parametrize(
    ("part", "group", "change", "message"),
    [
        (
            "static",
            "static",
            {"batch_size": 2},
            r"was made with --static_batch_size=4, this run says --static_batch_size=2",
        ),
        ("static", "stream", {"cam_units": 16}, r"was made with --cam_units=8, this run says --cam_units=16"),
        ("static", "data", {"split": "2"}, r"was made with --split=1, this run says --split=2"),
        ("motion", "motion_stream", {"dropout": 0.7}, r"was made with --motion_dropout=None, .* --motion_dropout=0.7"),
        (
            "collaborative",
            "network",
            {"collaborative_input": "alpha"},
            r"was made with --collaborative_input=beta, this run says --collaborative_input=alpha",
        ),
    ],
)
def test_a_folder_of_another_configuration_is_refused_and_kept(finished, part, group, change, message):
    values = finished.config.to_json()
    settings = config.RunConfig.from_json({**values, group: {**values[group], **change}})
    other = dataclasses.replace(finished, config=settings)
    before = finished.model_file(part).read_bytes()
    with pytest.raises(ValueError, match=message):
        if part == "collaborative":
            train_collaborative.train_collaborative(other)
        else:
            train_stream.train_stream(other, part)
    assert finished.model_file(part).read_bytes() == before


@pytest.mark.parametrize("file", ["model.keras", "checkpoints/ckpt-2.index"])
def test_weights_without_the_settings_they_were_made_with_are_refused(finished, tmp_path, file):
    (tmp_path / "static" / file).parent.mkdir(parents=True)
    (tmp_path / "static" / file).touch()
    with pytest.raises(ValueError, match=r"static does not say .* config\.json is missing\. Delete the folder"):
        identity.claim(dataclasses.replace(finished, workdir=tmp_path), "static")


def test_ten_crops_are_averaged(finished, tmp_path):
    """A stream that was trained once is tested both ways, and both sets of features are kept."""
    shutil.copytree(finished.part_dir("motion"), tmp_path / "motion")
    data = dataclasses.replace(finished.config.data, test_crops=10)
    ten = dataclasses.replace(finished, config=dataclasses.replace(finished.config, data=data), workdir=tmp_path)
    with run.open_test_part():
        extract.extract(ten, "motion", ("test",))
        found = features.read(ten.feature_file("motion", "test"))
        centre = features.read(finished.feature_file("motion", "test"))
        batches = list(pipeline.video_batches(finished.subset("test"), "motion", 4, 40, 1, crops=10))
        assert ten.feature_file("motion", "test").name == "motion-test-10-crops.tfrecord"
    np.testing.assert_allclose(found["spatial_attention"], centre["spatial_attention"], atol=1e-5)
    assert np.abs(found["scores"] - centre["scores"]).max() > 1e-4
    model = parts.load(finished, "motion")
    for row, batch in enumerate(batches):
        outputs = [model(clip[np.newaxis], training=False) for clip in batch["clips"]]
        for name in ("scores", "temporal_attention"):
            expected = np.mean([output[name][0] for output in outputs], axis=0)
            np.testing.assert_allclose(found[name][row], expected, atol=1e-5)


def test_records_of_other_classes_are_refused(finished, tmp_path, tiny_videos):
    from tfrecords_tools import config as record_config
    from tfrecords_tools import conversion, datasets

    listing = datasets.list_videos(
        record_config.ListingSettings(
            "hmdb51", str(tiny_videos.videos_dir), str(tiny_videos.splits_dir), classes=tiny_videos.classes[:2]
        )
    )
    conversion.convert(listing, tmp_path, record_config.RecordSettings(resize="64x48", flow="dis"), workers=1)
    with pytest.raises(ValueError, match="was trained on other records"):
        extract.extract(dataclasses.replace(finished, data_dir=tmp_path), "static", ("train",))


def test_parts_that_are_missing_are_named_with_the_command_that_makes_them(tmp_path, tiny_records, tiny_config):
    empty = run.Run(tiny_config, tiny_records, tmp_path)
    with pytest.raises(ValueError, match="train --part=static to its end first"):
        extract.extract(empty, "static", ("train",))
    with pytest.raises(ValueError, match="run `python -m tclsta_tf.extract_features` first"):
        train_collaborative.train_collaborative(empty)
    for read in (report.evaluate_and_report, lambda run: export.export(run, tmp_path / "export")):
        with pytest.raises(ValueError, match="train --part=static to its end first"):
            read(empty)


READERS = {
    "evaluate": evaluate.evaluate,
    "extract": lambda made: extract.extract(made, "static", ("train",)),
    "export": lambda made: export.export(made, made.workdir / "other"),
}


@pytest.mark.parametrize("reader", READERS)
def test_reading_commands_refuse_another_configuration_and_overwrite_nothing(finished, reader):
    stream = dataclasses.replace(finished.config.stream, cam_units=9)
    other = dataclasses.replace(finished, config=dataclasses.replace(finished.config, stream=stream))
    before = {path: path.read_bytes() for path in (finished.fusion_file, finished.report_dir / "metrics.json")}
    with pytest.raises(ValueError, match="was made with --cam_units=8, this run says --cam_units=9"):
        READERS[reader](other)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.slow
def test_an_equal_export_is_kept_and_another_one_gets_the_next_number(finished, tmp_path):
    first = export.export(finished, tmp_path, keep_equal=True)
    assert export.export(finished, tmp_path, keep_equal=True) == first == tmp_path / "1"
    weights = finished.fusion_file.read_bytes()
    changed = json.loads(weights)
    changed["heads"][0] = [0.5, 0.5] if changed["heads"][0] != [0.5, 0.5] else [0.4, 0.6]
    try:
        finished.fusion_file.write_text(json.dumps(changed))
        assert export.export(finished, tmp_path, keep_equal=True) == tmp_path / "2"
    finally:
        finished.fusion_file.write_bytes(weights)


def test_tensorboard_has_curves_pictures_settings_and_graph(finished, tmp_path):
    from tensorboard.backend.event_processing import event_accumulator

    for part in config.PARTS:
        (file,) = (finished.part_dir(part) / "logs").glob("events*")
        events = event_accumulator.EventAccumulator(
            str(file), size_guidance=event_accumulator.STORE_EVERYTHING_SIZE_GUIDANCE
        )
        events.Reload()
        tags = {tag for kind in ("tensors", "scalars", "images") for tag in events.Tags()[kind]}
        curves = (
            "loss accuracy learning_rate clips_per_second data_wait_share gradient_norm validation_accuracy".split()
        )
        assert {f"{part}/{name}" for name in curves} <= tags
        assert f"{part}/confusion" in tags and "configuration" in tags
        assert {f"{part}/validation_accuracy_of/{label}" for label in finished.labels} & tags
        if part in config.STREAMS:
            (card,) = events.Tensors("configuration")[0].tensor_proto.string_val
            size = rb"0\.\d\d M weights, 0\.\d\d M of them trained, 0\.0\d G multiply-adds per frame"
            assert re.match(size + rb"\n\n    {", card)
            assert {f"{part}/loss_{name}" for name in ("connection", "spatial", "temporal")} <= tags
            assert f"{part}/attention" in tags and events.Tags()["graph"]
        assert "_hparams_/session_start_info" in file.read_bytes().decode("latin-1")


def test_speeds_of_all_parts_are_measured_once(finished, monkeypatch):
    monkeypatch.setattr(speed, "_SECONDS", 0.05)
    found = speed.measure_speed(finished)
    assert list(found) == ["decode", "flow", "static", "motion", "fusion", "all"]
    assert all(value > 0 for value in found.values())
    parts_of = [found[name] for name in ("decode", "flow", "static", "motion", "fusion")]
    assert found["all"] == pytest.approx(1 / sum(1 / value for value in parts_of), rel=0.01)
    monkeypatch.setattr(speed.rates, "rate", None)
    assert speed.measure_speed(finished) == found
    (finished.workdir / "speed.json").unlink()


def test_the_report_has_examples_curves_and_what_each_part_adds(finished):
    page = (finished.report_dir / "index.html").read_text()
    assert page.count("data:image/jpeg") == 6  # all test videos, right and wrong
    for title in ("Successes and failures", "What each part adds", "Loss of the motion stream", "Rounds", "Attention"):
        assert title in page, title
    assert "paper %" not in page  # three classes are not HMDB51
    table = (finished.report_dir / "results.csv").read_text().splitlines()
    assert len(table) == len(ROWS) + 1 and table[0].startswith("variant,overall %")
    (events,) = (finished.report_dir / "logs").glob("events*")
    tags = {value.tag for event in tf.compat.v1.train.summary_iterator(str(events)) for value in event.summary.value}
    assert {"report/Confusion matrix", "report/Fusion weights", "report/Accuracy of the static stream"} <= tags
    assert "report/TCLSTA/overall_accuracy" in tags
