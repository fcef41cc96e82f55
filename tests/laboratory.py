"""A copy of the repository in which code is spoilt on purpose, to see whether the tests notice."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import conftest

TIMED_OUT = -1
CAUGHT, SURVIVED = 1, 0  # exit statuses of pytest


class Laboratory:
    """Runs test files on changed code; a context manager, at whose end the copy is gone.

    Attributes:
        root: the copy. What is changed there must be put back before the next change.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.root = folder = Path(self._folder.name)
        for name in ("tclsta_tf", "tfrecords_tools", "tests", "configs"):
            shutil.copytree(conftest.ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(conftest.ROOT / "pyproject.toml", folder)
        streams = folder / "streams"
        streams.mkdir()
        self._server = conftest.CommandServer(streams, folder)

    def run(self, tests: str, timeout: float = 600) -> int:
        """Runs a test file to its first failure; returns pytest's status, or TIMED_OUT."""
        # No bytecode: within one second a file and its changed form may have the same date and length.
        environment = {"PYTHONDONTWRITEBYTECODE": "1"}
        arguments = ("-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", tests)
        try:
            done = self._server.run("pytest", *arguments, cwd=self.root, environment=environment, timeout=timeout)
        except subprocess.TimeoutExpired:
            return TIMED_OUT
        return done.returncode

    def check(self, tests: str) -> None:
        """Raises SystemExit where the tests do not pass on the code as it is."""
        if status := self.run(tests):
            raise SystemExit(f"error: {tests} must pass on unchanged code. Received: status {status}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._server.close()
        self._folder.cleanup()


def tests_of(file: str) -> str:
    """The test file of a module."""
    path = Path(file)
    return f"tests/{path.parent}/test_{path.name}"
