import functools
import json

import cv2
import numpy as np
import pytest

from tfrecords_tools import inspection, manifest


def test_a_description_holds_the_counts(tiny_records):
    lines = inspection.describe(tiny_records).splitlines()
    assert lines[0].endswith(": hmdb51, 3 classes, 27 videos in 8 shards")
    assert "resize=64x48, flow=dis, positions=0" in lines[1]
    made = manifest.Manifest.load(tiny_records)
    for name, part in made.partitions.items():
        (line,) = (line for line in lines if line.startswith(f"{name} "))
        assert line.split()[1:4] == [str(part.videos), str(part.frames), str(part.fields)]
    assert "test in 1; unused in 2" in next(line for line in lines if line.startswith("1test_2unused"))
    for label in made.labels:
        assert f"{label:<32}{9:>8}" in lines
    keys = {line.split()[0]: line for line in lines if line.startswith("  ") and "/" in line}
    assert "float 10" in keys["image/frame_rate"] and "int64 48" in keys["image/height"]
    assert "list of " in keys["FORWARD_FLOW/image/encoded"] and "text '" in keys["example/id"]
    frames = [video.frames for shard in made.shards for video in shard.videos]
    assert f"stored frames a video: {min(frames)} to {max(frames)}, median {np.median(frames):g}" in lines
    bars = lines[lines.index(next(line for line in lines if line.startswith("stored frames"))) + 1 :]
    assert sum(int(bar.split()[3]) for bar in bars[: bars.index("")]) == 27


def test_a_contact_sheet_shows_frames_and_flow(tiny_records):
    picture = inspection.draw_contact_sheet(tiny_records, count=3)
    row = 2 * 180 + 6  # Frames of 64 x 48 enlarged to 240 x 180, their flow, and a gap.
    assert picture.shape == (3 * row + 96, 960, 3) and picture.dtype == np.uint8
    assert picture[40:180].std() > 20 and (picture[row - 6 : row] == 255).all()
    assert len(np.unique(picture[200:340, :240].reshape(-1, 3), axis=0)) > 1  # Colours of flow.


def test_a_folder_without_videos(tiny_records, tmp_path):
    values = json.loads((tiny_records / "manifest.json").read_text())
    values["shards"] = {}
    (tmp_path / "manifest.json").write_text(json.dumps(values))
    assert "0 videos in 0 shards" in inspection.describe(tmp_path)
    with pytest.raises(ValueError, match="holds no videos"):
        inspection.draw_contact_sheet(tmp_path)


def test_the_command(run_command, tiny_records, tmp_path):
    run = functools.partial(run_command, "tfrecords_tools.inspect", cwd=tmp_path)

    done = run(tiny_records, "--videos=2")
    assert (done.returncode, done.stderr) == (0, "") and "keys of the first record" in done.stdout
    assert cv2.imread(str(tmp_path / "contact_sheet.png")).shape[1] == 960
    done = run("nowhere")
    assert done.returncode == 1 and done.stderr.startswith("error: nowhere/manifest.json does not exist")
    assert run().returncode == 2 and run(tiny_records, "--output=sheet.txt").returncode == 2
