"""Which records a run may be given."""

import dataclasses
import pathlib

import keras
import pytest

from tclsta_tf import config as run_config
from tclsta_tf.recipes import protocol, run, train_stream
from tfrecords_tools import config, manifest


def make_records(folder, dataset, roles):
    """Empty shards, one for each partition, under a manifest with the given partition -> split -> role."""
    shards = []
    for index, partition in enumerate(roles):
        path = folder / f"{partition}-00000-of-00001.tfrecord"
        path.write_bytes(b"")
        video = manifest.VideoEntry(f"video{index}", f"video{index}.avi", (0,), partition, 5, 4)
        shards.append(manifest.Shard(path, partition, "", 0, (video,)))
    splits = tuple(next(iter(roles.values())))
    record = config.RecordSettings(resize="64x48")
    manifest.Manifest.build(folder, dataset, ("wave",), splits, roles, shards, record, {}).save()
    return folder


@pytest.fixture
def left_out(tiny_config, tmp_path):
    def make(records, group):
        settings = dataclasses.replace(tiny_config, data=dataclasses.replace(tiny_config.data, split=group))
        return run.Run(settings, records, tmp_path / "work", leaves_out_group=True)

    return make


def test_a_left_out_group_is_the_test_part(left_out, tmp_path):
    groups = ("1", "2", "11")
    roles = {f"g{own:0>2}": {split: "test" if split == own else "train" for split in groups} for own in groups}
    records = make_records(tmp_path, "ucf50", roles)
    with run.open_test_part():
        assert [video.group for video in left_out(records, "2").subset(run.TEST).videos] == ["g02"]
    with pytest.raises(ValueError, match="^--leave_out_group must be one of 1, 2, 11. Received: --leave_out_group=3$"):
        _ = left_out(records, "3").manifest


def test_every_group_is_left_out_once(tiny_config, tmp_path):
    groups = ("1", "2", "11")
    roles = {f"g{own:0>2}": {split: "test" if split == own else "train" for split in groups} for own in groups}
    whole = run.Run(tiny_config, make_records(tmp_path, "ucf50", roles), tmp_path / "work", "--split=1\n")
    found = protocol.make_members(whole, by_group=True)
    assert list(found.folders.values()) == ["group-1", "group-2", "group-11"] and found.all_splits == list(groups)
    for (group, _), member in found.runs.items():
        assert member.flags.endswith(f"--split={group}\n--leave_out_group={group}\n--seed=0\n")
        with run.open_test_part():
            assert [video.group for video in member.subset(run.TEST).videos] == [f"g{group:0>2}"]
    protocol.save(whole, found)
    assert protocol.load(whole).folders == found.folders
    some = protocol.make_members(whole, ["2"], [4, 5], by_group=True)
    assert list(some.folders.values()) == ["seed-4/group-2", "seed-5/group-2"]


def test_a_member_knows_the_folder_of_its_experiment(tiny_config, tmp_path, monkeypatch):
    whole = run.Run(tiny_config, make_records(tmp_path, "hmdb51", {"a": {"1": "train"}, "b": {"1": "test"}}), tmp_path)
    single = dataclasses.replace(whole, workdir=tmp_path / "seed-7")
    assert single.cache_dir == tmp_path / "seed-7" / "frozen"
    of_seeds = protocol.make_members(whole, seeds=[7]).runs["1", 7]
    of_both = protocol.make_members(whole, ["1"], [7]).runs["1", 7]
    protocol.save(whole, protocol.make_members(whole, ["1"], [7]))
    for member in (of_seeds, of_both):
        alone = dataclasses.replace(member, root=None)
        assert alone.cache_dir == alone.refit().cache_dir == member.cache_dir == tmp_path / "frozen"
        member.workdir.mkdir(exist_ok=True)
        monkeypatch.chdir(member.workdir)
        assert dataclasses.replace(alone, workdir=pathlib.Path()).cache_dir == member.cache_dir


@pytest.mark.parametrize("group", ["1", "7"])
def test_records_without_a_partition_for_each_group_are_refused(left_out, tmp_path, group):
    roles = {"train_test": {"1": "train", "2": "test"}, "test_train": {"1": "test", "2": "train"}}
    records = make_records(tmp_path, "hmdb51", roles)
    with pytest.raises(ValueError, match=r"^--leave_out_group needs.* has hmdb51 with the splits 1, 2\. .*Use --split"):
        _ = left_out(records, group).manifest


def test_the_motion_stream_may_crop_in_its_own_way(tiny_config, tiny_records, tmp_path):
    own = dataclasses.replace(tiny_config, motion_stream=run_config.MotionConfig(crop="corners"))
    made, common = (run.Run(settings, tiny_records, tmp_path) for settings in (own, tiny_config))
    assert [made.clip_settings(stream, 3, 0).crop for stream in run_config.STREAMS] == ["random", "corners"]
    assert [common.clip_settings(stream, 3, 0).crop for stream in run_config.STREAMS] == ["random", "random"]
    with pytest.raises(ValueError, match="`crop` must be random or corners. Received: crop='middle'"):
        run_config.MotionConfig(crop="middle")


def test_the_momentum_of_the_normalisation_reaches_the_network(tiny_config, tiny_records, tmp_path):
    for given, expected in ((0.5, 0.5), (-1.0, 0.9)):
        stream = dataclasses.replace(tiny_config.stream, batchnorm_momentum=given)
        made = run.Run(dataclasses.replace(tiny_config, stream=stream), tiny_records, tmp_path)
        layers = train_stream.build_stream(made, "static").backbone.layers
        momenta = {layer.momentum for layer in layers if isinstance(layer, keras.layers.BatchNormalization)}
        assert momenta == {expected}
