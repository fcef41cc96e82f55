"""Training on stored features of the frozen part: the same numbers as with the whole network, resumed, refused."""

import collections
import dataclasses
import os
import re
import shutil
import signal

import keras
import numpy as np
import pytest

from tclsta_tf.data import features, frozen_features, pipeline
from tclsta_tf.models import backbones
from tclsta_tf.recipes import extract, frozen, parts, protocol, run, train_stream
from tclsta_tf.training import preemption
from tfrecords_tools import config, conversion, datasets, random_access


@pytest.fixture
def make_run(tmp_path, tiny_config, tiny_records):
    """A function that makes a run with other settings of the stream, in the folder `name`."""

    def make(name="run", precision="float32", data=None, **changes):
        stream = {"freeze_until": "stage3", "cache_frozen": 2, "batchnorm": "frozen"} | changes
        settings = dataclasses.replace(
            tiny_config,
            data=dataclasses.replace(tiny_config.data, **(data or {})),
            stream=dataclasses.replace(tiny_config.stream, **stream),
            device=dataclasses.replace(tiny_config.device, precision=precision),
        )
        return run.Run(settings, tiny_records, tmp_path / name)

    return make


def _weights(done):
    return {weight.path: weight.numpy() for weight in parts.load(done, "motion").weights}


def _start(made):
    parts.prepare(made.config.device)
    return {weight.path: weight.numpy() for weight in train_stream.build_stream(made, "motion").backbone.weights}


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_outputs_equal_those_of_the_whole_network(make_run, precision):
    made = make_run(precision=precision)
    parts.prepare(made.config.device)
    model = train_stream.build_stream(made, "motion")
    subset = made.subset("train")
    part = frozen.FrozenPart(made, "motion", model)
    cache = frozen.TrainingClips(made, "motion", part, frames=3)
    batch = next(iter(cache.batches(subset, seed=7, batch_size=4, first_step=2)))
    whole = made.training_part
    drawn = np.stack(
        list(pipeline.drawn_clips(whole, "motion", pipeline.ClipSettings(3, 40, 0), 2).as_numpy_iterator())
    )
    drawn = drawn.reshape(2, len(whole), *drawn.shape[1:])
    found = part.outputs(batch["features"], batch["labels"], training=True)
    names = pipeline.batch_ids(subset, 4, seed=7, step=2)
    ids = [video.id for video in whole.videos]
    for row, name in enumerate(names):
        assert batch["labels"][row] == whole.videos[ids.index(name)].labels[0]
        both = [model(clip[np.newaxis], training=True) for clip in drawn[:, ids.index(name)]]
        errors = [np.abs(outputs["scores"][0] - found["scores"][row]).max() for outputs in both]
        assert min(errors) < (2e-3 if precision == "float32" else 2e-2)
        assert np.abs(both[0]["scores"][0] - both[1]["scores"][0]).max() > 0  # two clips, not one twice


@pytest.mark.slow
def test_runs_of_other_seeds_and_validation_parts_share_the_features(make_run, tmp_path, capfd):
    weights = tmp_path / "start.weights.h5"  # otherwise the frozen part itself is drawn by the seed
    backbones.build_backbone("small", 20).save_weights(weights)
    for seed in (0, 1):
        made = make_run(str(seed), cache_dir=str(tmp_path / "cache"), backbone_weights=str(weights))
        device = dataclasses.replace(made.config.device, seed=seed)
        made = dataclasses.replace(made, config=dataclasses.replace(made.config, device=device))
        train_stream.train_stream(made, "motion")
    assert capfd.readouterr().err.count("computing the features of") == 1
    trained = [_weights(dataclasses.replace(made, workdir=tmp_path / seed)) for seed in ("0", "1")]
    assert any((trained[0][path] != trained[1][path]).any() for path in trained[0])


def test_a_member_of_an_experiment_shares_them_where_it_is_opened_by_its_own_folder_too(make_run, capfd):
    whole = make_run()
    members = protocol.make_members(whole, seeds=[0, 1])
    protocol.save(whole, members)
    member = members.runs["1", 0]
    train_stream.train_stream(member, "motion")
    alone = run.Run(member.config, member.data_dir, member.workdir)
    train_stream.train_stream(alone.variant("none"), "motion")
    assert capfd.readouterr().err.count("computing the features of") == 1
    assert [folder.parent for folder in whole.workdir.rglob("frozen")] == [whole.workdir]


def test_every_clip_of_a_video_is_shown(make_run):
    made = make_run(cache_frozen=3)
    parts.prepare(made.config.device)
    subset = made.subset("train")
    part = frozen.FrozenPart(made, "static", train_stream.build_stream(made, "static"))
    cache = frozen.TrainingClips(made, "static", part, frames=3)
    seen = collections.defaultdict(set)
    for step, batch in enumerate(cache.batches(subset, seed=1, batch_size=len(subset), first_step=0).take(12)):
        names = pipeline.batch_ids(subset, len(subset), 1, step)
        assert sorted(names) == sorted(video.id for video in subset.videos)
        for name, clip in zip(names, batch["features"].numpy(), strict=True):
            seen[name].add(clip.tobytes())
    assert {len(clips) for clips in seen.values()} == {3}


def test_a_run_that_is_stopped_goes_on_to_the_same_weights(make_run, monkeypatch):
    whole = make_run("whole")
    train_stream.train_stream(whole, "motion")
    trained = _weights(whole)
    changed = {path for path, value in _start(whole).items() if not np.array_equal(trained[path], value)}
    assert changed and {backbones.stage_of("small", path.split("/")[0]) for path in changed} == {"stage4"}

    broken = make_run("broken")
    append = frozen_features.FrozenFeatures.append
    with monkeypatch.context() as patch:
        patch.setattr(
            frozen_features.FrozenFeatures,
            "append",
            lambda self, clips: append(self, (clip for clip, _ in zip(clips, range(5), strict=False))),
        )
        patch.setattr(frozen_features.FrozenFeatures, "training_batches", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train_stream.train_stream(broken, "motion")
    (file,) = broken.workdir.rglob("features.bin")
    with open(file, "ab") as end:
        end.write(b"begun")
    train_stream.train_stream(broken, "motion")
    (other,) = whole.workdir.rglob("features.bin")
    assert file.read_bytes() == other.read_bytes()
    for path, value in _weights(broken).items():
        np.testing.assert_array_equal(value, trained[path])


@pytest.mark.slow
def test_tested_clips_are_stored_too_and_shared_by_variants(make_run, capfd, monkeypatch):
    made = make_run()
    for of in (made, made.variant("none")):
        train_stream.train_stream(of, "motion")
        capfd.readouterr()
        with monkeypatch.context() as patch:
            if of is not made:  # what is stored is not decoded again
                patch.setattr(random_access.Reader, "read", None)
            extract.extract(of, "motion", ("validation",))
        assert capfd.readouterr().err.count("computing the features of 18 clips once") == (1 if of is made else 0)
        stored = features.read(of.feature_file("motion", "validation"))
        batch = next(iter(pipeline.video_batches(made.subset("validation"), "motion", 4, 40, 6)))
        outputs = parts.load(of, "motion")(batch["clips"], training=False)
        for name in ("scores", "spatial_attention", "temporal_attention"):
            np.testing.assert_allclose(stored[name], outputs[name], atol=3e-3, err_msg=name)
        for name in ("labels", "positions"):
            np.testing.assert_array_equal(stored[name], batch[name])


@pytest.mark.slow
def test_runs_share_a_folder_where_the_features_are_the_same(make_run, tmp_path, capfd):
    for name, changes in (("one", {}), ("two", {"lstm_units": 4}), ("three", {"freeze_until": "stage2"})):
        train_stream.train_stream(make_run(name, cache_dir=str(tmp_path / "cache"), **changes), "motion")
    printed = capfd.readouterr().err
    assert printed.count("computing the features of 36 clips once") == 2
    sizes = re.findall(r"motion: ([\d.]+) M weights, ([\d.]+) M of them trained, [\d.]+ G multiply-adds", printed)
    assert len(sizes) == 3 and all(float(trained) < float(every) for every, trained in sizes)
    assert float(sizes[0][1]) < float(sizes[2][1])  # less is frozen
    assert len(list((tmp_path / "cache").iterdir())) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freeze_until": ""}, "--cache_frozen needs --freeze_until"),
        ({"batchnorm": "batch"}, "--cache_frozen needs --batchnorm=frozen.*Received: --batchnorm=batch"),
        ({"batchnorm": "partial"}, "--cache_frozen needs --batchnorm=frozen.*Received: --batchnorm=partial"),
        ({"freeze_until": "conv4"}, "--freeze_until: .*stage4"),
        ({"cache_dir": "ram://folder/x"}, "`cache_dir` must be a path on this machine"),
    ],
)
def test_flags_that_do_not_go_together_fail_before_anything_is_written(make_run, changes, message):
    made = make_run(**changes)
    with pytest.raises(ValueError, match=message):
        train_stream.train_stream(made, "motion")
    assert not made.workdir.exists()


def test_several_machines_are_refused(make_run):
    made = make_run()
    device = dataclasses.replace(made.config.device, distribution="multi_worker")
    with pytest.raises(ValueError, match="--cache_frozen works on one machine"):
        frozen.parts(dataclasses.replace(made, config=dataclasses.replace(made.config, device=device)), "static")


def test_a_disk_without_room_is_told_before_the_work(tmp_path, monkeypatch):
    usage = collections.namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(1000))
    store = frozen_features.FrozenFeatures(tmp_path / "features", {}, 2, 3, (1, 10, 10, 1))
    with pytest.raises(ValueError, match=r"6 clips need 0.00 GB more in .*, and 0.00 GB are free. Lower --cache"):
        store.prepare()


def test_values_that_16_bits_cannot_hold_are_refused(tmp_path):
    store = frozen_features.FrozenFeatures(tmp_path / "features", {}, 2, 1, (1, 1, 1, 2))
    store.prepare()
    with pytest.raises(ValueError, match="up to 65504. Received: features up to 70000"):
        store.append([np.full([1, 1, 1, 2], 60000.0), np.full([1, 1, 1, 2], 70000.0)])
    assert (store.done, store.total) == (1, 2)


def test_frozen_variables_are_told_by_their_part():
    model = backbones.build_backbone("resnet50v2")
    of = {
        part: {
            v.path
            for v in model.weights
            if frozen.is_frozen(v, "resnet50v2", backbones.stages_until("resnet50v2", part))
        }
        for part in ("conv4", "conv5")
    }
    assert "post_bn/gamma" not in of["conv4"] and of["conv5"] == {v.path for v in model.weights}
    assert not frozen.is_frozen(keras.Variable(0.0, name="static"), "resnet50v2", ("conv1",))


def test_a_frozen_backbone_as_a_whole(make_run):
    made = make_run(freeze_until="stage4", data={"mirror": False})
    train_stream.train_stream(made, "motion")
    trained = _weights(made)
    for path, value in _start(made).items():
        np.testing.assert_array_equal(value, trained[path])


@pytest.fixture(scope="module")
def square_records(tmp_path_factory, tiny_videos):
    """Records of which a crop of 48 pixels is the whole frame."""
    folder = tmp_path_factory.mktemp("square")
    listing = datasets.list_videos(
        config.ListingSettings("hmdb51", str(tiny_videos.videos_dir), str(tiny_videos.splits_dir))
    )
    conversion.convert(listing, folder, config.RecordSettings(resize="48x48", flow="dis"), workers=1)
    return folder


@pytest.mark.slow
def test_where_nothing_is_random_training_is_that_of_the_whole_network(make_run, square_records, monkeypatch):
    # The frozen part's features have 16 bits anyway, so that storing them changes nothing. Folding its normalisation
    # rounds them otherwise; that it changes no more is the business of the tests of folding.
    monkeypatch.setattr(frozen.inference, "fold_batch_normalization", lambda part: part)
    trained, starts = {}, {}
    for name, draws in (("whole", 0), ("cached", 1)):
        made = make_run(name, "mixed_float16", {"crop_size": 48, "mirror": False}, cache_frozen=draws)
        made = dataclasses.replace(made, data_dir=square_records)
        starts[name] = _start(made)
        train_stream.train_stream(made, "motion")
        trained[name] = _weights(made)
    assert any((trained["whole"][path] != value).any() for path, value in starts["whole"].items())
    for path, value in trained["whole"].items():
        np.testing.assert_allclose(trained["cached"][path], value, rtol=1e-5, atol=1e-6, err_msg=path)


@pytest.mark.slow
def test_two_devices_train_like_one(make_run, tmp_path):
    trained = {}
    for distribution in ("none", "mirrored"):
        made = make_run(distribution, cache_dir=str(tmp_path / "cache"))
        settings = dataclasses.replace(made.config.motion[0], optimizer="sgd")
        device = dataclasses.replace(made.config.device, distribution=distribution)
        made = dataclasses.replace(made, config=dataclasses.replace(made.config, motion=(settings,), device=device))
        train_stream.train_stream(made, "motion")
        trained[distribution] = _weights(made)
    for path, value in trained["none"].items():
        np.testing.assert_allclose(trained["mirrored"][path], value, rtol=1e-4, atol=1e-5, err_msg=path)


def test_sigterm_ends_the_computing_of_features(make_run, monkeypatch):
    made = make_run()
    parts.prepare(made.config.device)
    part = frozen.FrozenPart(made, "static", train_stream.build_stream(made, "static"))
    cache = frozen.TrainingClips(made, "static", part, frames=3)
    show = frozen.summaries.Progress.show

    def ask_to_end(progress, done, values):
        show(progress, done, values)
        if done == 8:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(frozen.summaries.Progress, "show", ask_to_end)
        with pytest.raises(preemption.Preempted, match="asked to end; 8 of 36 clips' features of static are kept"):
            cache.batches(made.subset("train"), seed=1, batch_size=4, first_step=0)
    assert next(iter(cache.batches(made.subset("train"), seed=1, batch_size=4, first_step=0)))["features"].shape[0] == 4


def test_a_negative_number_of_clips_is_refused(make_run):
    with pytest.raises(ValueError, match="`cache_frozen` must be 0 or more. Received: cache_frozen=-1"):
        make_run(cache_frozen=-1)
