"""The rivals of benchmarks/baselines.py are trained and measured beside a finished run."""

import re
import shutil

import pytest

pytestmark = pytest.mark.slow


def test_every_rival_has_a_line_and_the_reading_is_noted(finished, tmp_path, run_command):
    workdir = shutil.copytree(finished.workdir, tmp_path / "run")
    done = run_command("benchmarks.baselines", f"--workdir={workdir}", "--frames=3")
    assert done.returncode == 0, done.stderr
    accuracies = dict(re.findall(r"^\| ([^|]*?) +\| +(\d\.\d{3}) \|", done.stdout, re.MULTILINE))
    assert len(accuracies) == 5 and "TCLSTA" in accuracies, done.stdout
    assert all(0 <= float(value) <= 1 for value in accuracies.values())
    assert "benchmarks.baselines" in (workdir / "test_part_reads.txt").read_text().splitlines()[-1]
