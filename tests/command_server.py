"""Runs commands of this project for the tests, each in a process of its own that has its libraries loaded already.

Loading TensorFlow takes seconds, and the tests start some two hundred commands. This program loads the libraries (no
code of this project but what keeps TensorFlow quiet), then forks for each command that it is told to run: from there
on a command is what `python -m` makes it, with working folder, environment, arguments, three streams and the
interpreter's end of its own. TensorFlow has started no threads and no devices when it has only been imported, so that a
fork is sound. What a test says about the start itself (time, noise of imports, signals) needs `python -m` proper.

One line of JSON on the standard input asks for a command, one line answers with its status.
"""

import json
import os
import runpy
import signal
import sys
import time

_READ_WRITE = os.O_RDWR | os.O_CREAT
_TIMED_OUT = "timed out"
_STARTED_WITH = frozenset(os.environ)


def serve() -> dict:
    """Returns in a process that is to run a command, with what it was told; ends when nobody asks any more."""
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            return asked
        sys.stdout.write(json.dumps(_wait(child, asked["timeout"])) + "\n")
        sys.stdout.flush()
    os._exit(0)


def _wait(child: int, timeout: float) -> int | str:
    deadline = time.monotonic() + timeout
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return _TIMED_OUT
        time.sleep(0.005)


def become(asked: dict) -> None:
    """Takes over working folder, environment, streams and arguments of the command."""
    os.chdir(asked["cwd"])
    set_by_imports = {name: value for name, value in os.environ.items() if name not in _STARTED_WITH}
    os.environ.clear()
    os.environ.update({**set_by_imports, **asked["environment"]})
    for number, file in enumerate(asked["streams"]):
        opened = os.open(file, _READ_WRITE)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = [asked["module"], *asked["arguments"]]
    sys.path[0] = asked["cwd"]


if __name__ == "__main__":
    import tfrecords_tools  # noqa: F401  # sets what TensorFlow reads when it is loaded

    # What commands load: the order of magnitude of each in seconds is 4, 2, 1 and less.
    import tensorflow  # isort: skip # noqa: F401
    import keras  # noqa: F401
    import scipy.optimize  # noqa: F401
    import sklearn  # noqa: F401

    request = serve()
    become(request)
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
