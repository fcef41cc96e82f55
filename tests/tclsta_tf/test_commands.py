"""The commands as a user meets them: bad input gives one line, a status that is not 0, and no traceback."""

import contextlib
import csv
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = "--flagfile=configs/ci.cfg"


def assert_one_line(done, *parts, status=1):
    assert done.returncode == status, done.stderr
    lines = done.stderr.splitlines()
    if lines[0].endswith("(loading TensorFlow takes some seconds)"):  # before what only shows then
        del lines[0]
    assert len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    for part in parts:
        assert part in lines[0]


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, tiny_records, run_command):
    """A run made by the command itself, exported to `export/1`."""
    folder = tmp_path_factory.mktemp("command") / "run"
    line = [TINY, f"--data_dir={tiny_records}", f"--workdir={folder}", "--variants=none"]
    done = run_command("tclsta_tf.experiment", *line)
    assert done.returncode == 0, done.stderr
    assert "TCLSTA" in done.stdout and f"model:  {folder}/export/1" in done.stdout
    return folder


@pytest.mark.slow
def test_the_rivals_of_benchmarks_are_trained_and_measured(workdir, tmp_path, run_command):
    copy = shutil.copytree(workdir, tmp_path / "run")
    done = run_command("benchmarks.baselines", f"--workdir={copy}", "--frames=3")
    assert done.returncode == 0, done.stderr
    accuracies = dict(re.findall(r"^\| ([^|]*?) +\| +(\d\.\d{3}) \|", done.stdout, re.MULTILINE))
    assert len(accuracies) == 5 and "TCLSTA" in accuracies, done.stdout
    assert all(0 <= float(value) <= 1 for value in accuracies.values())
    assert " benchmarks.baselines, " in (copy / "test_part_reads.txt").read_text().splitlines()[-1]


def test_saved_flags_replay_the_run(workdir, tiny_records, tmp_path, run_command):
    arguments = [f"--flagfile={workdir}/static/flags.cfg", f"--workdir={tmp_path}", "--part=static"]
    done = run_command("tclsta_tf.train", *arguments, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"static is trained: {tmp_path}/static/model.keras\n"
    assert "quiet" not in (tmp_path / "static" / "flags.cfg").read_text()  # how much is said is nothing of the run
    assert (tmp_path / "static" / "config.json").read_text() == (workdir / "static" / "config.json").read_text()


def test_predict_answers_what_it_can_and_reports_the_rest(workdir, tiny_videos, tmp_path, run_command):
    good = next((tiny_videos.videos_dir / "jump").glob("*.avi"))
    text = tmp_path / "text.avi"
    text.write_text("not a video")
    done = run_command("tclsta_tf.predict", f"--model={workdir}/export/1", "--json", text, good, tmp_path / "none.avi")
    assert done.returncode == 1
    assert done.stdout.count("\n") == 1 and '"label"' in done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 3 and "text.avi: it is not a video" in lines[0] and "does not exist" in lines[1], lines
    assert lines[2] == "2 of 3 videos could not be read"


@pytest.mark.slow
def test_predict_draws_the_attention(workdir, tiny_videos, tmp_path, run_command):
    import cv2

    video = next((tiny_videos.videos_dir / "wave").glob("*1.avi"))
    for name in ("answer.png", "answer.mp4"):
        done = run_command("tclsta_tf.predict", f"--model={workdir}/export/1", f"--overlay={tmp_path / name}", video)
        assert done.returncode == 0, done.stderr
    assert cv2.imread(str(tmp_path / "answer.png")).std() > 10
    frames, capture = [], cv2.VideoCapture(str(tmp_path / "answer.mp4"))
    while (read := capture.read())[0]:
        frames.append(read[1])
    original = cv2.VideoCapture(str(video))
    count = 0
    while original.read()[0]:
        count += 1
    assert len(frames) == count and frames[0].shape[1] == 640 and np.std(frames[0]) > 10


@pytest.fixture
def predict(finished):
    """The command in this process, which has TensorFlow loaded already: status, output, error output."""
    from absl import flags

    from tclsta_tf import predict as entry
    from tfrecords_tools import cli

    def run(*arguments, stdin=b"", model=finished.workdir / "export" / "1"):
        line = ["predict", f"--model={model}", *map(str, arguments)]
        out, errors = io.StringIO(), io.StringIO()
        pipe = io.TextIOWrapper(io.BytesIO(stdin))
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
        ):
            patch.setattr(sys, "stdin", pipe)
            patch.setattr(sys, "argv", line)
            flags.FLAGS.unparse_flags()
            with pytest.raises(SystemExit) as end:
                cli.run(entry.main)
        flags.FLAGS.unparse_flags()
        for name in flags.FLAGS.flags_by_module_dict()["tclsta_tf.predict"]:
            name.unparse()
        return end.value.code, out.getvalue(), errors.getvalue()

    return run


def test_predict_takes_folders_patterns_and_names_once(predict, tiny_videos):
    folder = tiny_videos.videos_dir
    files = sorted((folder / "jump").glob("*.avi"))
    status, out, errors = predict("--json", "--top=1", folder / "jump", f"{folder}/ju*/*1.avi", files[0])
    assert status == 0 and not errors
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["path"] for answer in answers] == list(map(str, files))
    assert all(len(answer["top"]) == 1 and len(answer["scores"]) == 3 for answer in answers)
    assert "timeline" not in answers[0]


def test_predict_reports_what_names_no_video(predict, tiny_videos, tmp_path):
    good = next((tiny_videos.videos_dir / "jump").glob("*.avi"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.avi").write_bytes(good.read_bytes()[:5000])
    (tmp_path / "zero.avi").touch()
    status, out, errors = predict("--csv", tmp_path / "empty", f"{tmp_path}/*.mp4", good, tmp_path)
    assert status == 1 and out.count("\n") == 2 and out.startswith("path,start,end,label,score,jump,ride_bike,wave\n")
    lines = errors.splitlines()
    assert "empty: the folder holds no video file" in lines[0] and "*.mp4: no video file matches" in lines[1]
    assert "cut.avi: the file is truncated" in lines[2] and "zero.avi: the file is empty" in lines[3]
    assert lines[4] == "4 of 5 videos could not be read" and len(lines) == 5


def test_predict_takes_a_pipe(predict, tiny_videos):
    good = next((tiny_videos.videos_dir / "jump").glob("*3.avi"), next((tiny_videos.videos_dir / "jump").glob("*.avi")))
    _, named, _ = predict("--json", good)
    status, piped, errors = predict("--json", "-", stdin=good.read_bytes())
    assert status == 0 and not errors
    assert json.loads(piped)["scores"] == json.loads(named)["scores"] and json.loads(piped)["path"] == "-"
    for garbage, message in ((b"not a video", "error: -: it is not a video"), (b"", "error: -: the file is empty")):
        status, out, errors = predict("-", stdin=garbage)
        assert status == 1 and not out and errors.startswith(message) and errors.count("\n") == 2


def test_predict_writes_a_time_line_to_a_file(predict, tmp_path, write_video, moving_texture):
    write_video(tmp_path / "a.avi", moving_texture(45, (1, 0), seed=0))
    target = tmp_path / "answers.csv"
    status, out, _ = predict("--csv", "--timeline", "--window=2", f"--output={target}", tmp_path / "a.avi")
    assert status == 0 and not out
    rows = list(csv.reader(target.read_text().splitlines()))
    assert [row[1:3] for row in rows[1:]] == [[f"{i}.000", f"{min(i + 1, 4.5):.3f}"] for i in range(5)]
    status, out, _ = predict("--json", "--timeline", "--window=2", "--step=2", tmp_path / "a.avi")
    answer = json.loads(out)
    assert [step["start"] for step in answer["timeline"]] == [0, 2, 4] and answer["seconds_of_video"] == 4.5
    assert answer["num_frames"] == 45 and answer["frame_rate"] == 10
    _, out, errors = predict("--progress", "--timeline", "--window=2", tmp_path / "a.avi")
    assert "1/1" in errors and "0:04.0 -   0:04.5" in out


def test_predict_draws_each_video_into_a_folder(predict, tmp_path, write_video, moving_texture):
    for name in ("x/a.avi", "y/a.avi", "b.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_video(tmp_path / name, moving_texture(12, (1, 0), seed=0))
    target = tmp_path / "pictures"
    status, _, errors = predict(f"--overlay={target}", "--window=0.5", "--step=0.5", tmp_path)
    assert status == 0, errors
    assert sorted(path.name for path in target.iterdir()) == ["b.mp4", "x_a.mp4", "y_a.mp4"]
    status, _, errors = predict(f"--overlay={tmp_path / 'one.mp4'}", tmp_path / "x", tmp_path / "y")
    assert status == 2 and "--overlay takes a folder for 2 videos" in errors


def test_predict_watches_a_camera(predict, tmp_path, write_video, moving_texture):
    write_video(tmp_path / "a.avi", moving_texture(45, (1, 0), seed=0))
    status, out, errors = predict("--json", f"--camera={tmp_path / 'a.avi'}", "--window=2", "--seconds=3")
    assert status == 0 and not errors
    *steps, whole = map(json.loads, out.splitlines())
    assert [step["end"] for step in steps] == [1, 2, 3] and whole["whole_video"] == "mean of windows"
    status, out, errors = predict("--camera=77")
    assert status == 1 and not out
    assert errors == "error: camera 77: it is not there (/dev/video77 does not exist)\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "--csv", "a.avi"], "--json and --csv exclude each other"),
        (["--window=0", "a.avi"], "--window must be greater than 0, not 0.0"),
        (["--step=-1", "a.avi"], "--step must be greater than 0, not -1.0"),
        (["--camera=0", "a.avi"], "--camera takes no videos beside it"),
        (["--overlay=a.mov", "a.avi"], "--overlay must end in .png, .mp4 or .avi, or be a folder, not a.mov"),
        ([], "no video given"),
    ],
)
def test_predict_refuses_what_makes_no_sense(predict, arguments, message):
    status, _, errors = predict(*arguments)
    assert status == 2 and message in errors and errors.count("\n") == 1


@pytest.mark.slow
def test_an_experiment_over_splits_is_measured_again_and_compared(workdir, tiny_records, tmp_path, run_command):
    done = run_command(
        "tclsta_tf.experiment", TINY, f"--data_dir={tiny_records}", f"--workdir={tmp_path}", "--splits=2", "--seeds=3"
    )
    assert done.returncode == 0, done.stderr
    assert f"== {tmp_path}/seed-3/split-2" in done.stdout and "±" not in done.stdout  # a single run
    member = tmp_path / "seed-3" / "split-2"
    assert (member / "static" / "flags.cfg").read_text().endswith("--split=2\n--seed=3\n")
    single = json.loads((member / "report" / "metrics.json").read_text())
    assert (single["split"], single["seed"]) == ("2", 3)
    metrics = tmp_path / "report" / "metrics.json"
    before = json.loads(metrics.read_text())
    metrics.unlink()
    done = run_command("tclsta_tf.evaluate", f"--workdir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert json.loads(metrics.read_text())["results"] == before["results"]
    done = run_command("tclsta_tf.experiment", f"--workdir={tmp_path}")  # goes on by the folder alone
    assert done.returncode == 0 and f"== {tmp_path}/seed-3/split-2" in done.stdout, done.stderr
    assert not (tmp_path / "static").exists()
    done = run_command("tclsta_tf.compare", tmp_path, member, "--rows=TCLSTA", "--format=csv")
    assert done.returncode == 0, done.stderr
    assert "split-2,TCLSTA,+0.0,-45.9 to +45.9,undecided,0,0,1" in done.stdout
    assert_one_line(run_command("tclsta_tf.compare", tmp_path, workdir), "were tested on different videos")


@pytest.mark.parametrize(
    ("arguments", "parts", "status"),
    [
        (["tclsta_tf.train", "--nonsense=3"], ["Unknown command line flag 'nonsense'"], 2),
        (["tclsta_tf.train", "--part=static", "leftover"], ["unexpected argument 'leftover'"], 2),
        (
            ["tclsta_tf.train", "--part=static", "--data_dir=/nowhere", "--workdir={tmp}"],
            ["/nowhere", "does not exist"],
            1,
        ),
        (["tclsta_tf.train", "--part=static", "--workdir={tmp}"], ["--data_dir is missing"], 2),
        (["tclsta_tf.train", "--part=both"], ["--part=both", "static|motion|collaborative"], 2),
        (["tclsta_tf.train", "--flagfile=/nowhere.cfg"], ["/nowhere.cfg"], 2),
        (
            ["tclsta_tf.train", "--part=static", "--data_dir={records}", "--workdir={tmp}", "--static_steps=0"],
            ["--static_steps must be at least 1"],
            1,
        ),
        (
            [
                "tclsta_tf.train",
                "--part=static",
                "--data_dir={records}",
                "--workdir={tmp}",
                TINY,
                "--crop_size=200",
            ],
            ["--crop_size", "64x48"],
            1,
        ),
        (
            ["tclsta_tf.train", "--part=static", "--data_dir={records}", "--workdir={tmp}", "--leave_out_group=1"],
            ["--leave_out_group needs", "--dataset=ucf50", "Use --split"],
            1,
        ),
        (["tclsta_tf.predict", "--model={tmp}", "clip.avi"], ["is not an exported model"], 1),
        (["tclsta_tf.predict", "--model={tmp}"], ["no video given"], 2),
        (["tclsta_tf.evaluate", "--workdir={tmp}", "--data_dir={records}"], ["train --part=static"], 1),
        (
            ["tclsta_tf.evaluate", "--workdir={tmp}", "--data_dir={records}", "--seeds=a"],
            ["--seeds must be numbers"],
            2,
        ),
        (["tclsta_tf.experiment", "--workdir={tmp}", "--data_dir={records}", "--splits=1,3"], ["--splits must be"], 1),
        (["tclsta_tf.experiment", "--workdir={tmp}", "--awl_floor=0.1,0.7"], ["--awl_floor must be in [0, 0.5]"], 1),
        (["tclsta_tf.experiment", "--workdir={tmp}", "--late_weights=1-2"], ["--late_weights must be ratios"], 1),
        (["tclsta_tf.compare", "{tmp}"], ["name two working folders or more"], 2),
        (
            ["tclsta_tf.compare", "{tmp}", "{records}"],
            ["metrics.json does not exist: run `python -m tclsta_tf.evalu"],
            1,
        ),
        (["tclsta_tf.export", "--workdir={tmp}", "--output_dir={tmp}/e"], ["train --part=static"], 1),
        (["tclsta_tf.experiment", "--workdir={tmp}", "--data_dir={records}", "--variants=all"], ["--variants"], 1),
    ],
)
def test_bad_input_gives_one_line(arguments, parts, status, tmp_path, tiny_records, run_command):
    filled = [argument.format(tmp=tmp_path, records=tiny_records) for argument in arguments]
    assert_one_line(run_command(*filled), *parts, status=status)


def test_a_workdir_of_another_configuration_is_refused(workdir, tiny_records, run_command):
    done = run_command("tclsta_tf.train", "--part=static", f"--workdir={workdir}", "--cam_units=9")
    assert_one_line(done, "was made with --cam_units=16, this run says --cam_units=9")


@pytest.mark.parametrize(
    "module",
    [
        "tfrecords_tools.convert",
        "tfrecords_tools.flow.show",
        "tfrecords_tools.import_frames",
        "tfrecords_tools.inspect",
        "tfrecords_tools.make_demo",
        "tfrecords_tools.verify",
        "tclsta_tf.train",
        "tclsta_tf.extract_features",
        "tclsta_tf.evaluate",
        "tclsta_tf.experiment",
        "tclsta_tf.export",
        "tclsta_tf.import_weights",
        "tclsta_tf.predict",
        "tclsta_tf.fuse",
        "tclsta_tf.compare",
        "tclsta_tf.serve",
    ],
)
def test_help_tells_what_a_command_does_without_loading_tensorflow(module):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPROFILEIMPORTTIME": "1"}
    line = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    loaded = {text.rpartition("|")[2].strip() for text in done.stderr.splitlines()}
    assert "absl" in loaded and not loaded & {"tensorflow", "keras", "jax", "sklearn", "matplotlib", "distributed"}
    assert str(ROOT) not in done.stdout and "--[no]quiet" in done.stdout
    examples = re.findall(rf"python -m {re.escape(module)} .*(?:\\\n.*)*", done.stdout)
    assert examples
    for name in re.findall(r"--(\w+)", " ".join(examples)):
        assert name == "flagfile" or re.search(rf"^  --(\[no\])?{name}: ", done.stdout, re.MULTILINE), name


@pytest.mark.slow
def test_sigterm_saves_and_has_an_exit_status_of_its_own(tiny_records, tmp_path):
    flags = [TINY, f"--data_dir={tiny_records}", f"--workdir={tmp_path}", "--part=static", "--static_steps=100000",
             "--static_checkpoint_every=1000", "--static_validate_every=10"]  # fmt: skip
    line = [sys.executable, "-m", "tclsta_tf.train", *flags]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    running = subprocess.Popen(
        line, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("static/checkpoints/best/*.index")) and time.monotonic() < deadline:
        assert running.poll() is None
        time.sleep(0.2)
    running.send_signal(signal.SIGTERM)
    _, errors = running.communicate(timeout=100)
    assert running.returncode == 143, errors
    assert "error: asked to end; static is saved at step" in errors.splitlines()[-1]
    assert list(tmp_path.glob("static/checkpoints/ckpt-*.index"))
