"""Loads TensorFlow without the lines that it prints before it reads TF_CPP_MIN_LOG_LEVEL.

From TensorFlow 2.19 on, the static parts of its libraries report on the build ("oneDNN custom operations are on")
before that setting counts. A command that ends with one line about an error would end with seven.
"""

import contextlib
import importlib.abc
import importlib.machinery
import os
import sys
import tempfile
import types
from collections.abc import Iterator, Sequence

from tfrecords_tools import interruption, remote_path


def install() -> None:
    """Keeps the error output of loading TensorFlow back, unless its log level has been lowered or it is loaded."""
    wanted = os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "3" and "tensorflow" not in sys.modules
    if wanted and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_quietly(module: types.ModuleType) -> None:
                with _kept_back():
                    load(module)

            spec.loader.exec_module = load_quietly  # type: ignore[method-assign]
        return spec


@contextlib.contextmanager
def _kept_back() -> Iterator[None]:
    """Keeps back what is said to the error output, by C++ too; it is written after all where an exception passes."""
    sys.stderr.flush()
    with tempfile.TemporaryFile(prefix=remote_path.TEMPORARY_PREFIX) as kept:
        output = os.dup(2)
        os.dup2(kept.fileno(), 2)
        interruption.error_output = output
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(output, kept.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(output, 2)
            interruption.error_output = 2
            os.close(output)
