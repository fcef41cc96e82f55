"""How commands begin and end: flags, --quiet, one line about an error, with what was perhaps meant."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from absl import app, flags

from tfrecords_tools import cli, notes

ROOT = Path(__file__).resolve().parents[2]

flags.DEFINE_enum("tint_of_test", "red", ["red", "green"], "Colour.")
flags.DEFINE_string("cli_given_folder", None, "Folder.")


@pytest.fixture
def run(monkeypatch, capsys):
    """A command in this process: status, output, error output."""

    def call(main, *arguments, **options):
        flags.FLAGS.unparse_flags()
        monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.run(main, **options)
        flags.FLAGS.unparse_flags()
        for name in ("quiet", "tint_of_test", "cli_given_folder"):
            flags.FLAGS[name].unparse()
        return end.value.code, *capsys.readouterr()

    yield call
    notes.set_quiet(False)


def raising(error):
    def main(argv):
        raise error

    return main


def test_quiet_leaves_the_result_and_errors(run):
    def main(argv):
        notes.say("a note")
        notes.say("a step", sys.stdout)
        notes.rewrite("1/2")
        with notes.bar(shown=True, total=2) as bar:
            bar.update()
        sys.stdout.write("the result\n")
        raise ValueError("an error")

    status, out, errors = run(main)
    assert status == 1 and out == "a step\nthe result\n"
    assert errors.startswith("a note\n1/2\n") and "| 1/2" in errors and errors.endswith("error: an error\n")
    assert run(main, "--quiet") == (1, "the result\n", "error: an error\n")


def test_loading_says_what_begins_where_tensorflow_has_to_be_loaded(run, monkeypatch):
    def main(argv):
        with cli.loading("training"):
            pass

    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    assert run(main) == (0, "", "training (loading TensorFlow takes some seconds)\n")
    assert run(main, "--quiet") == (0, "", "")
    monkeypatch.setitem(sys.modules, "tensorflow", os)
    assert run(main) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tint_of_tset=red"], "Unknown command line flag 'tint_of_tset'. Did you mean --tint_of_test?"),
        (["--cli-given-folder=a"], "Unknown command line flag 'cli-given-folder'. Did you mean --cli_given_folder?"),
        (["--zzzzzzzz"], "Unknown command line flag 'zzzzzzzz'. See --help"),
        (["--tint_of_test=grene"], "value should be one of <red|green>. Did you mean green?"),
        (["--flagfile=configs/dmeo.cfg"], "the flagfile configs/dmeo.cfg cannot be opened (No such file or directory)"),
        (["--flagfile=configs/dmeo.cfg"], ". Did you mean configs/demo.cfg?"),
    ],
)
def test_flags_that_were_perhaps_meant(run, monkeypatch, arguments, message):
    monkeypatch.chdir(ROOT)
    status, out, errors = run(print, *arguments)
    assert status == 2 and not out
    assert errors.startswith("error: ") and message in errors and errors.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("--variants must name none, sa, ta, sta. Received: 'st'", "Did you mean sta?"),
        ("`name` must be one of vgg16, alexnet. Received: name=vgg (no such network)", "Did you mean vgg16?"),
        ("`methods` must be among late, late-1:1.5, mkl. Received: 'mlk'", "Did you mean mkl?"),
        ("no such folder: record", "Did you mean records?"),
        ("{tmp}/record/manifest.json does not exist", "Did you mean records?"),  # by where it lies
        ("records is empty", ""),
        ("unrecorded", ""),
        ("Did you mean this?", "Did you mean this?"),
    ],
)
def test_values_and_folders_that_were_perhaps_meant(run, monkeypatch, tmp_path, error, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "records").mkdir()
    error = error.format(tmp=tmp_path)
    for arguments in (["record"], ["--cli_given_folder=record"]):
        _, _, errors = run(raising(ValueError(error)), *arguments)
        end = "" if not message or message in error else f"{'' if error.endswith('.') else '.'} {message}"
        assert errors == f"error: {error}{end}\n"


@pytest.mark.parametrize(
    ("error", "status"), [(app.UsageError("x"), 2), (flags.Error("x"), 2), (ValueError("x"), 1), (OSError("x"), 1)]
)
def test_statuses(run, error, status):
    assert run(raising(error)) == (status, "", "error: x\n")


@pytest.mark.parametrize(("goes_on", "end"), [(True, "; run the same command again to go on"), (False, "")])
def test_an_interrupted_command_says_whether_it_goes_on(run, goes_on, end):
    assert run(raising(KeyboardInterrupt()), goes_on=goes_on) == (130, "", f"error: interrupted{end}\n")


def test_what_a_command_needs_stands_first_in_its_help(run):
    for asks in ("--help", "-h"):
        status, out, errors = run(print, "--nonsense", asks, needs=("quiet",))
        assert status == 0 and not errors
        needed, further = out.partition("needed:\n")[2].split("\nfurther flags:\n")
        assert needed.startswith("  --[no]quiet: ") and "--flagfile=FILE" in further
    assert run(lambda argv: sys.stdout.write(argv[1]) - 2, "--", "-h") == (0, "-h", "")


def test_a_reader_that_has_seen_enough_is_no_error():
    line = [sys.executable, "-m", "tfrecords_tools.convert", "--help"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 141
    process.stderr.close()


@pytest.mark.slow
def test_ctrl_c_while_tensorflow_loads_is_one_line(tmp_path):
    (tmp_path / "tensorflow").mkdir()
    module = "import os, time\nos.write(2, b'noise')\nopen('loads', 'w')\ntime.sleep(30)\n"
    (tmp_path / "tensorflow" / "__init__.py").write_text(module)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    line = [sys.executable, "-m", "tfrecords_tools.inspect", "records"]
    process = subprocess.Popen(line, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "loads").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert errors == "reading the records in records (loading TensorFlow takes some seconds)\nerror: interrupted\n"
