import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tfrecords_tools import interruption


def test_children_never_see_it():
    program = "import time; print('ready', flush=True); time.sleep(30)"
    with interruption.kept_from_children():
        child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert child.poll() is None
    status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
    assert int(status.partition("SigBlk:")[2].split()[0], 16) & 1 << (signal.SIGINT - 1)
    child.kill()
    child.communicate()
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {signal.SIGINT}


def test_it_waits_until_the_children_are_known():
    reached = False
    with pytest.raises(KeyboardInterrupt), interruption.kept_from_children():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        reached = True
    assert reached and signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.slow
def test_it_comes_again_where_python_has_ignored_it():
    class Finalised:
        def __del__(self):
            raise KeyboardInterrupt

    before = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), interruption.never_lost():
        Finalised()
        time.sleep(10)
    assert sys.unraisablehook is before


def test_a_program_that_uses_the_package_keeps_its_own_answer():
    interruption.end_at_once()
    interruption.raise_interrupt()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("argv", "line", "expected"),
    [
        (["-m"], ["python", "-m", "tfrecords_tools.verify", "x"], True),
        (["-m"], ["python", "-X", "dev", "-m", "tclsta_tf.train"], True),
        (["-m"], ["python", "-m", "program.main", "tclsta_tf.train"], False),
        (["verify.py"], ["python", "-m", "tfrecords_tools.verify"], False),
        (["-c"], ["python", "-c", "import tfrecords_tools"], False),
    ],
)
def test_commands_are_told_from_programs(monkeypatch, argv, line, expected):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", line)
    assert interruption.starts_command(("tfrecords_tools", "tclsta_tf")) == expected
