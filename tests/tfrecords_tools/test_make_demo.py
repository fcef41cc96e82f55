import hashlib
import json
import os
import pathlib
import subprocess
import sys

import cv2
import pytest
from absl import flags

from tfrecords_tools import make_demo
from tfrecords_tools.demo import output, plan
from tfrecords_tools.demo import settings as settings_lib

ROOT = pathlib.Path(make_demo.__file__).parents[1]
SMALL = settings_lib.DemoSettings(
    train_videos_per_class=2, test_videos_per_class=1, videos_per_film=1, num_frames=6, size="48x40"
)


def digests(folder: pathlib.Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def replace(**changes) -> settings_lib.DemoSettings:
    return settings_lib.DemoSettings(**{**settings_lib.dataclasses.asdict(SMALL), **changes})


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("demo") / "made"
    assert make_demo.make(folder, SMALL, workers=1) == 3 * len(plan.CLASSES)
    return folder


def parsed_flags(*arguments: str) -> flags.FlagValues:
    values = flags.FlagValues()
    make_demo.define_flags(values)
    values(["make_demo", *arguments])
    return values


def test_bytes_do_not_depend_on_workers(made, tmp_path):
    make_demo.make(tmp_path / "again", SMALL, workers=2)
    assert digests(tmp_path / "again") == digests(made)


def test_another_seed_gives_other_videos_and_truth(made, tmp_path):
    make_demo.make(tmp_path / "other", replace(seed=1), workers=1)
    first, second = digests(made), digests(tmp_path / "other")
    assert first.keys() == second.keys()
    assert all(first[name] != second[name] for name in first if not name.startswith("splits"))


def test_layout_holds_exactly_the_listed_files(made):
    listed = {video["path"] for video in json.loads((made / "demo.json").read_text())["videos"]}
    lists = {f"splits/{c.name}_test_split{k}.txt" for c in plan.CLASSES for k in (1, 2, 3)}
    assert set(digests(made)) == listed | lists | {"demo.json"}


def test_split_lists_cover_all_videos_and_keep_films_apart(made):
    tests_of_split = []
    for split in (1, 2, 3):
        groups: dict[str, set[str]] = {"1": set(), "2": set()}
        for demo_class in plan.CLASSES:
            lines = (made / "splits" / f"{demo_class.name}_test_split{split}.txt").read_text().splitlines()
            tags = dict(line.split(" ") for line in lines)
            assert sorted(tags) == sorted(path.name for path in (made / "videos" / demo_class.name).iterdir())
            assert sorted(tags.values()) == ["1", "1", "2"]
            for name, tag in tags.items():
                groups[tag].add(name.split(f"_{demo_class.name}_")[0])
        assert not groups["1"] & groups["2"]
        tests_of_split.append(groups["2"])
    assert len(set.union(*tests_of_split)) == 3  # each film is tested once


def test_videos_decode_to_the_stated_frames(made):
    for video in json.loads((made / "demo.json").read_text())["videos"]:
        capture = cv2.VideoCapture(str(made / video["path"]))
        assert capture.get(cv2.CAP_PROP_FPS) == SMALL.frame_rate
        shapes = []
        while (frame := capture.read()[1]) is not None:
            shapes.append(frame.shape)
        assert shapes == [(SMALL.height, SMALL.width, 3)] * SMALL.num_frames


def test_truth_names_class_look_and_motion(made):
    truth = json.loads((made / "demo.json").read_text())
    assert truth["settings"] == SMALL.to_json()
    for video in truth["videos"]:
        assert video["path"].split("/")[1] == video["class"]
        assert video["appearance"] in truth["classes"][video["class"]]["looks"]
        assert video["motion"] in truth["classes"][video["class"]]["motions"]
        assert video["group"] == pathlib.Path(video["path"]).name.split(f"_{video['class']}_")[0]
        start, stop = video["visible"]
        assert 0 <= start < stop <= SMALL.num_frames and len(video["boxes"]) == stop - start


def test_started_again_it_makes_only_what_is_missing(made, tmp_path):
    folder = tmp_path / "resumed"
    make_demo.make(folder, SMALL, workers=1)
    lost = sorted(folder.glob("videos/*/*.avi"))[:2]
    for path in lost:
        path.unlink()
    (lost[0].parent / f".partial-{lost[0].name}").write_bytes(b"left by a killed run")
    kept = sorted(folder.glob("videos/*/*.avi"))[-1]
    before = kept.stat().st_mtime_ns
    assert make_demo.make(folder, SMALL, workers=1) == 2
    assert kept.stat().st_mtime_ns == before
    assert digests(folder) == digests(made)


def test_a_folder_of_other_parameters_is_refused_and_left_alone(tmp_path):
    make_demo.make(tmp_path / "demo", SMALL, workers=1)
    before = digests(tmp_path / "demo")
    with pytest.raises(ValueError, match=r"other parameters \(noise=2.0, asked for: 3.0\)"):
        make_demo.make(tmp_path / "demo", replace(noise=3.0), workers=1)
    assert digests(tmp_path / "demo") == before


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ValueError, match="`output_dir` must be new, empty or made by this command"):
        make_demo.make(tmp_path, SMALL)
    with pytest.raises(ValueError, match="`output_dir` must be a folder"):
        make_demo.make(tmp_path / "thesis.tex", SMALL)
    (tmp_path / "thesis.tex").unlink()
    (tmp_path / "demo.json").write_text('["not ours"]')
    with pytest.raises(ValueError, match=r"demo\.json was not written by this command"):
        make_demo.make(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["demo.json"]


def test_a_video_that_cannot_be_read_back_is_an_error(tmp_path, monkeypatch):
    video = plan.plan_videos(SMALL)[0]
    output.prepare(tmp_path, SMALL, [video])
    monkeypatch.setattr(output, "encode", lambda path, frames, settings: path.write_bytes(b"disk full"))
    with pytest.raises(OSError, match=r"film01_checker_swaying_u_cm_np1_fr_med_0\.avi: only 0 of 6 frames"):
        output.write_video(tmp_path, SMALL, video)
    assert not any(path.is_file() for path in (tmp_path / "videos").rglob("*"))


def test_flags_carry_the_defaults_of_the_settings():
    assert make_demo.settings_from_flags(parsed_flags()) == settings_lib.DemoSettings()


def test_flags_reach_the_settings():
    settings = make_demo.settings_from_flags(
        parsed_flags("--seed=7", "--size=64x48", "--speed=1,2.5", "--visible_fraction=1", "--shake=0.5")
    )
    expected = settings_lib.DemoSettings(seed=7, size="64x48", speed=(1.0, 2.5), visible_fraction=(1.0, 1.0), shake=0.5)
    assert settings == expected


def test_every_flag_has_a_help_text():
    values = parsed_flags()
    assert all(values[field.name].help for field in settings_lib.dataclasses.fields(settings_lib.DemoSettings))
    assert "in one piece" in values["visible_fraction"].help


def test_bad_flags_are_named():
    with pytest.raises(ValueError, match="`speed` must be LOW,HIGH or one number. Received: speed=fast"):
        make_demo.settings_from_flags(parsed_flags("--speed=fast"))
    with pytest.raises(ValueError, match="`speed` must be a pair of numbers"):
        make_demo.settings_from_flags(parsed_flags("--speed=1,2,3"))
    with pytest.raises(ValueError, match="`workers` must be 1 or above. Received: workers=0"):
        make_demo.make(pathlib.Path("unused"), SMALL, workers=0)


def run_command(*arguments: str, cwd: pathlib.Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "tfrecords_tools.make_demo", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_reports_bad_input_in_one_line(tmp_path):
    result = run_command("--output_dir=demo", "--size=112", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("error: `size` must be WIDTHxHEIGHT") and result.stderr.count("\n") == 1
    assert (
        run_command(cwd=tmp_path).stderr
        == "error: `output_dir` must name the folder to write; give --output_dir=FOLDER\n"
    )
    assert run_command("--output_dir=demo", "extra", cwd=tmp_path).returncode == 2
    assert not list(tmp_path.iterdir())


def test_neither_the_command_nor_what_its_processes_import_loads_tensorflow():
    code = "import sys, tfrecords_tools.make_demo; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
