"""Two processes over TF_CONFIG equal one, also after one of them was killed and both were started again."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

SCRIPT = pathlib.Path(__file__).with_name("multi_worker.py")
ROOT = pathlib.Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.slow


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _start(workers: int, folder: pathlib.Path, name: str, die_at: int = -1) -> list[subprocess.Popen]:
    """Starts all workers; the last one kills itself at step `die_at`."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in _free_ports(workers)]}
    started = []
    for index in range(workers):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
        if workers > 1:
            task = {"type": "worker", "index": index}
            environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
        command = [sys.executable, str(SCRIPT), str(folder), str(folder.parent / f"{name}-{index}.npz")]
        if index == workers - 1 and die_at >= 0:
            command.append(str(die_at))
        started.append(
            subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        )
    return started


def _finish(processes: list[subprocess.Popen]) -> list[int]:
    outputs = [process.communicate(timeout=200)[0].decode()[-2000:] for process in processes]
    statuses = [process.returncode for process in processes]
    assert all(statuses) or not any(statuses), outputs
    return statuses


def _assert_equal(folder: pathlib.Path, first: str, second: str) -> None:
    one, other = (np.load(folder / f"{name}.npz") for name in (first, second))
    assert one.files == other.files
    for key in one.files:
        np.testing.assert_allclose(other[key], one[key], atol=1e-6, err_msg=key)


def test_two_workers_equal_one_also_when_one_is_killed(tmp_path):
    assert _finish(_start(1, tmp_path / "alone", "alone")) == [0]
    assert _finish(_start(2, tmp_path / "pair", "pair")) == [0, 0]
    _assert_equal(tmp_path, "alone-0", "pair-0")
    _assert_equal(tmp_path, "alone-0", "pair-1")

    folder = tmp_path / "killed"
    processes = _start(2, folder, "killed", die_at=6)
    assert processes[1].wait(timeout=200) == -9
    # The other one may wait for the one that is gone; whoever runs the cluster ends it.
    try:
        processes[0].wait(timeout=10)
    except subprocess.TimeoutExpired:
        processes[0].kill()
    assert _finish(processes)[0]
    assert (folder / "ckpt-4.index").exists() and not (folder / "ckpt-12.index").exists()
    assert _finish(_start(2, folder, "killed")) == [0, 0]
    _assert_equal(tmp_path, "alone-0", "killed-0")
    _assert_equal(tmp_path, "alone-0", "killed-1")


def test_a_missing_cluster_is_named(monkeypatch):
    from tclsta_tf.training import distribution

    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="multi_worker needs the environment variable TF_CONFIG"):
        distribution.make_strategy("multi_worker")
