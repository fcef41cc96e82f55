"""Loading TensorFlow says nothing, unless that is asked for or the loading fails."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("package", ["tfrecords_tools", "tclsta_tf"])
@pytest.mark.parametrize(
    ("level", "end", "expected"),
    [(None, "", "after\n"), ("0", "", "static\nafter\n"), (None, "raise ImportError('broken')", "static\nbroken\n")],
)
def test_static_output_is_kept_back(tmp_path, package, level, end, expected):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text(f"import os\nos.write(2, b'static\\n')\n{end}\n")
    program = (
        f"import sys\nimport {package}\ntry:\n    import tensorflow\n"
        "except ImportError as error:\n    sys.exit(str(error))\nprint('after', file=sys.stderr)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    if level is not None:
        environment["TF_CPP_MIN_LOG_LEVEL"] = level
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stderr == expected
