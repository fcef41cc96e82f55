"""Records and the working folder on an S3 server: the same numbers as on local disk."""

import numpy as np
import pytest

from tclsta_tf.data import pipeline
from tclsta_tf.prediction import classifier
from tclsta_tf.recipes import extract, identity, parts, report, results, run, train_stream
from tclsta_tf.training import checkpoints
from tfrecords_tools import storage


@pytest.fixture
def remote(bucket, finished, upload) -> run.Run:
    """The run of `finished` with its records copied to a bucket, and nothing trained."""
    root = storage.path(bucket)
    upload(finished.data_dir, root / "records")
    return run.Run(finished.config, root / "records", root / "run", finished.flags)


def test_records_are_read_from_s3(remote, finished):
    for role in ("train", "validation"):
        here, there = (
            list(pipeline.video_batches(of.subset(role), "motion", 4, 40, 2).as_numpy_iterator())
            for of in (finished, remote)
        )
        assert len(here) == len(there) > 0
        for one, other in zip(here, there, strict=True):
            for name, values in one.items():
                np.testing.assert_array_equal(values, other[name], err_msg=name)


@pytest.mark.slow
def test_a_stream_trained_on_s3_equals_the_local_one_and_goes_on(remote, finished, monkeypatch):
    train_stream.train_stream(remote, "static")
    model = parts.load(remote, "static")
    for ours, theirs in zip(model.weights, parts.load(finished, "static").weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7, err_msg=ours.path)
    folder = remote.part_dir("static")
    assert storage.entries(folder, "checkpoints/ckpt-4.index") and storage.entries(folder, "logs/events.out.tfevents.*")
    assert (folder / "flags.cfg").read_text() == finished.flags

    saved = remote.model_file("static").stat()
    train_stream.train_stream(remote, "static")
    assert remote.model_file("static").stat() == saved  # finished: nothing is done
    extract.extract(remote, "static", ("validation",))
    ours, theirs = remote.feature_file("static", "validation"), finished.feature_file("static", "validation")
    assert ours.stat().st_size == theirs.stat().st_size

    # As after a kill between the last checkpoint and the model: the last checkpoint is found.
    restored, restore = [], checkpoints.Checkpoints.restore
    monkeypatch.setattr(checkpoints.Checkpoints, "restore", lambda self: restored.append(restore(self)) or restored[-1])
    again = run.Run(remote.config, remote.data_dir, remote.workdir.parent / "again", remote.flags)
    names = ["config.json", *(f"checkpoints/{file.name}" for file in storage.entries(folder, "checkpoints/c*"))]
    for name in names:
        (again.part_dir("static") / name).write_bytes((folder / name).read_bytes())
    train_stream.train_stream(again, "static")
    assert restored == [4]
    for ours, theirs in zip(parts.load(again, "static").weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)


@pytest.mark.slow
def test_a_run_on_s3_is_evaluated_there(remote, finished, upload):
    for folder in ("static", "motion", "collaborative", "features", "ablation"):
        upload(finished.workdir / folder, remote.workdir / folder)
    for _ in range(2):  # the second one replaces the first
        report.evaluate_and_report(remote)
        ours, theirs = (results.read_metrics(of.report_dir) for of in (remote, finished))
        assert ours["results"] == theirs["results"]
    assert ours["test_part_reads"] == 2
    files = {file.name for file in storage.entries(remote.report_dir)}
    assert {"index.html", "tables.txt", "scores.npz", "confusion_matrix.png"} <= files
    assert len(storage.entries(remote.report_dir, "logs/events*")) == 1
    assert results.read_scores(remote.report_dir).videos.ids.tolist()


def test_another_run_in_the_folder_is_refused(remote, finished):
    identity.claim(remote, "static")
    other = run.Run(finished.config, finished.data_dir, remote.workdir, "")
    identity.verify(other, "static")
    (remote.part_dir("static") / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="s3://.*/static was made with"):
        identity.verify(other, "static")


def test_an_exported_model_on_s3_classifies_videos_on_s3(bucket, finished, tiny_videos, upload):
    root = storage.path(bucket)
    upload(finished.workdir / "export" / "1", root / "export" / "1")
    with pytest.raises(ValueError, match=f"did you mean {root / 'export' / '1'}"):
        classifier.Classifier(str(root / "export"))
    clip = sorted((tiny_videos.videos_dir / "jump").iterdir())[0]
    (root / clip.name).write_bytes(clip.read_bytes())
    expected = classifier.Classifier(finished.workdir / "export" / "1").classify(clip)
    model = classifier.Classifier(str(root / "export" / "1"))
    found = model.classify(str(root / clip.name))
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert found.path == root / clip.name
    with pytest.raises(ValueError, match=f"{root / 'none.avi'}: the file cannot be read"):
        model.classify(root / "none.avi")
