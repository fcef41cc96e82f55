"""The commands of README.md's "Your own videos, step by step", as they stand there, on a tiny set of videos."""

import importlib.util
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

import pytest

_spec = importlib.util.spec_from_file_location("documents", pathlib.Path(__file__).with_name("documents.py"))
documents = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(documents)

ROOT = documents.ROOT

# What is added behind the flags of the README, so that it takes seconds; the last value of a flag counts.
ADDED = {
    "tfrecords_tools.convert": "--flow=dis --workers=1",
    "tclsta_tf.experiment": "--flagfile=configs/ci.cfg",
    "tclsta_tf.predict": "",
}
LEFT_OUT = {
    "make": "installs",
    ".": "activates what it installs",
    "tclsta_tf.serve": "does not end",
    "tensorboard": "does not end",
}

pytestmark = pytest.mark.slow


def section():
    return documents.section((ROOT / "README.md").read_text(), "Your own videos, step by step")


def steps():
    """The words of the commands of the section's first block, without those that are left out."""
    script = next(text for *_, language, text in documents.FENCE.findall(section()) if language == "bash")
    found = []
    for words in documents.commands(script):
        name = words[2] if words[:2] == ["python", "-m"] else words[0]
        assert name in ADDED or name in LEFT_OUT, f"{shlex.join(words)} is neither run nor left out"
        if name in ADDED and not any(word.startswith("--camera") for word in words):  # there is none
            found.append([*words, *ADDED[name].split()])
    return found


@pytest.fixture(scope="module")
def run(run_command, folder):
    """A function that runs a command in the reader's folder and gives what it prints."""

    def in_folder(words):
        _, _, module, *arguments = words
        done = run_command(module, *arguments, cwd=folder, timeout=600)
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return in_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_videos):
    """A folder as the README's reader has it: its own videos, and the recipes of the repository."""
    here = tmp_path_factory.mktemp("readme")
    shutil.copytree(tiny_videos.videos_dir, here / "videos")
    shutil.copytree(ROOT / "configs", here / "configs")
    clips = sorted((here / "videos" / "jump").glob("*.avi"))
    for clip, target in zip(clips, ("clip.avi", "folder/a.avi", "more/x/y/b.mp4", "long.mp4"), strict=False):
        (here / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, here / target)  # OpenCV reads what is in a file, whatever its suffix says
    return here


def test_the_steps_of_the_readme_lead_to_a_model_and_its_answers(folder, run):
    convert, experiment, *predictions = steps()
    run(convert)
    assert json.loads((folder / "records" / "manifest.json").read_text())["labels"] == ["jump", "ride_bike", "wave"]
    printed = run(experiment)
    assert "TCLSTA" in printed and "report: run/report/index.html" in printed and "model:  run/export/1" in printed
    printed = [run(words) for words in predictions]
    assert len(printed) == 3
    assert all(name in printed[0] for name in ("clip.avi", "folder/a.avi", "more/x/y/b.mp4"))
    assert (folder / "answer.mp4").stat().st_size > 0
    assert (folder / "answers.csv").read_text().startswith("path,start,end,label,score,jump,ride_bike,wave\nlong.mp4,")
    (program,) = (text for *_, language, text in documents.FENCE.findall(section()) if language == "python")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow"}
    line = [sys.executable, "-c", program]
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "jump" in done.stdout, done.stderr
