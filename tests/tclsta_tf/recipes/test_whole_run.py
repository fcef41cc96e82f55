"""The path from records to an exported model: what it writes, that it can be repeated, that its ends agree."""

import dataclasses
import functools
import json
import os
import re
import shutil
import subprocess
import sys

import keras
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
