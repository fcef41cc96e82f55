import functools
import shutil

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tfrecords_tools import codec, manifest, record_file, schema, verification, video
from tfrecords_tools.flow import methods, quantise


@pytest.fixture(scope="module")
def import_frames(run_command):
    return functools.partial(run_command, "tfrecords_tools.import_frames")


def _extract(file, frames_dir, u_dir, v_dir, names):
    """Extracts a video as OpenCV does it, with images of the same quality as in records."""
    frames = list(video.read_video(file))
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    planes = quantise.quantise(methods.make_flow("dis")(grey))
    for folder, name, images in (
        (frames_dir, names[0], [frame[..., ::-1] for frame in frames]),
        (u_dir, names[1], planes[..., 0]),
        (v_dir, names[2], planes[..., 1]),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(images, 1):
            cv2.imwrite(str(folder / (name % number)), image, [cv2.IMWRITE_JPEG_QUALITY, 95])


@pytest.fixture(scope="module")
def tsn(tiny_videos, tmp_path_factory):
    """`tiny_videos` as TSN's tool extracts them. Do not write into it."""
    root = tmp_path_factory.mktemp("tsn")
    for file in tiny_videos.videos_dir.glob("*/*.avi"):
        folder = root / file.parent.name / file.stem
        _extract(file, folder, folder, folder, ("img_%05d.jpg", "flow_x_%05d.jpg", "flow_y_%05d.jpg"))
    return root


def _records(folder):
    shards = manifest.Manifest.load(folder).shards
    return {shard.path.name: [schema.deserialise(data) for data in record_file.read(shard.path)] for shard in shards}


@pytest.mark.slow
def test_imported_records_equal_converted_ones(tiny_videos, tiny_records, tsn, tmp_path, import_frames):
    arguments = (
        "--layout=tsn", "--dataset=hmdb51", f"--frames_dir={tsn}", f"--splits_dir={tiny_videos.splits_dir}",
        f"--output_dir={tmp_path}", "--resize=64x48", "--flow=dis", "--frame_rate=10", "--videos_per_shard=4",
    )  # fmt: skip
    done = import_frames(*arguments, "--workers=2", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{tiny_videos.num_videos} videos of 3 classes" in done.stdout
    imported, converted = _records(tmp_path), _records(tiny_records)
    assert imported.keys() == converted.keys()
    for name, records in imported.items():
        for ours, theirs in zip(records, converted[name], strict=True):
            assert ours.data_path == theirs.data_path.removesuffix(".avi")
            for field in ("example_id", "media_id", "label_indices", "group", "frames", "frame_timestamps",
                          "flow_timestamps", "stack_starts", "frame_rate", "height", "width"):  # fmt: skip
                assert getattr(ours, field) == getattr(theirs, field), field
            # Compressed apart and then joined, or compressed together: the same blocks.
            np.testing.assert_array_equal(
                *(codec.decode_fields(tf.constant(record.flow, tf.string)).numpy() for record in (ours, theirs))
            )
    assert verification.verify(tmp_path).faults == ()
    again = import_frames(*arguments, "--workers=1")
    assert again.returncode == 0 and f"({len(imported)} finished before)" in again.stdout


def test_damaged_folders_are_quarantined_until_they_are_mended(tiny_videos, tsn, tmp_path, import_frames):
    frames_dir, output_dir = tmp_path / "frames", tmp_path / "records"
    shutil.copytree(tsn, frames_dir)
    broken = sorted((frames_dir / "jump").iterdir())[0]
    (broken / "img_00003.jpg").rename(tmp_path / "kept")
    arguments = (
        "--layout=tsn", "--dataset=hmdb51", f"--frames_dir={frames_dir}", f"--splits_dir={tiny_videos.splits_dir}",
        f"--output_dir={output_dir}", "--resize=64x48", "--flow=dis", "--workers=1",
    )  # fmt: skip
    done = import_frames(*arguments)
    assert done.returncode == 1 and "1 video(s) did not decode" in done.stderr
    assert f"'jump/{broken.name}': number 3 is missing, img_00004.jpg follows" in done.stdout
    (tmp_path / "kept").rename(broken / "img_00003.jpg")
    done = import_frames(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert sum(len(shard.videos) for shard in manifest.Manifest.load(output_dir).shards) == tiny_videos.num_videos
    done = import_frames(*arguments, "--frame_rate=30")
    assert done.returncode == 1 and "other settings: extraction was" in done.stderr


def test_folders_without_class_folders(tiny_videos, tmp_path, import_frames):
    """Feichtenhofer's layout of UCF101: classes come from the official lists' names."""
    root, lists = tmp_path / "extracted", tmp_path / "lists"
    files = sorted((tiny_videos.videos_dir / "wave").glob("*.avi"))[:3]
    names = ["v_HandStandPushups_g01_c01", "v_YoYo_g01_c01", "v_YoYo_g02_c01"]
    for file, name in zip(files, names, strict=True):
        folders = [root / folder / name for folder in ("jpegs_256", "tvl1_flow/u", "tvl1_flow/v")]
        _extract(file, *folders, ["frame%06d.jpg"] * 3)
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 HandstandPushups\n2 YoYo\n")
    (lists / "trainlist01.txt").write_text(
        "HandstandPushups/v_HandStandPushups_g01_c01.avi 1\nYoYo/v_YoYo_g01_c01.avi 2\n"
    )
    (lists / "testlist01.txt").write_text("YoYo/v_YoYo_g02_c01.avi\n")
    done = import_frames(
        "--layout=feichtenhofer", "--dataset=ucf101", f"--frames_dir={root / 'jpegs_256'}", f"--splits_dir={lists}",
        f"--flow_dir={root / 'tvl1_flow'}", f"--output_dir={tmp_path / 'R'}", "--resize=short_side=48", "--workers=1",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    made = manifest.Manifest.load(tmp_path / "R")
    assert {video.id: (video.labels, video.group) for shard in made.shards for video in shard.videos} == {
        "HandstandPushups/v_HandStandPushups_g01_c01": ((0,), "v_HandStandPushups_g01"),
        "YoYo/v_YoYo_g01_c01": ((1,), "v_YoYo_g01"),
        "YoYo/v_YoYo_g02_c01": ((1,), "v_YoYo_g02"),
    }
    assert len(made.shards_for("1", "test")) == 1
    assert verification.verify(tmp_path / "R").faults == ()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ((), 2, "--layout"),
        (("--layout=mine",), 2, "denseflow|feichtenhofer|tsn"),
        (("--layout=tsn", "--bound=-1"), 1, "`bound` must be greater than 0"),
        (("--layout=tsn",), 1, "`frames_dir` must be a folder. Received: frames_dir='nowhere'"),
    ],
)
def test_bad_usage_is_one_line(arguments, status, message, import_frames):
    done = import_frames("--dataset=folder", "--frames_dir=nowhere", "--output_dir=R", *arguments)
    assert done.returncode == status
    assert len(done.stderr.splitlines()) == 1 and message in done.stderr
