import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tfrecords_tools import cluster


def _die_once(mark: str) -> str:
    """Kills its process at the first call, and says so at the next one."""
    path = Path(mark)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return f"done after {path.name}"


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_task_is_done_once(workers):
    assert sorted(cluster.run(abs, [-3, 1, -2, 5], workers)) == [1, 2, 3, 5]


def test_no_tasks():
    assert list(cluster.run(abs, [], 2)) == []


def test_the_dashboard_is_announced():
    lines = []
    assert sorted(cluster.run(abs, [-3, 1], 2, announce=lines.append)) == [1, 3]
    assert len(lines) == 1 and lines[0].startswith("dashboard: http://127.0.0.1:")


def test_no_dashboard_is_announced_without_bokeh(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "bokeh" else found(name, *rest)
    )
    lines = []
    assert sorted(cluster.run(abs, [-3, 1], 2, announce=lines.append)) == [1, 3]
    assert not lines


def test_closing_cancels_what_has_not_started():
    results = cluster.run(time.sleep, [0.0] + [0.5] * 30, 2)
    next(results)
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 4.0  # All of them would take 7.5 s.


def test_an_error_of_a_task_comes_through():
    with pytest.raises(TypeError, match="bad operand"):
        list(cluster.run(abs, [1, "a"], 2))


@pytest.mark.slow
def test_the_task_of_a_killed_worker_is_done_again(tmp_path):
    marks = [str(tmp_path / name) for name in ("a", "b")]
    assert sorted(cluster.run(_die_once, marks, 2)) == ["done after a", "done after b"]


@pytest.mark.slow
def test_a_task_that_kills_every_worker_is_reported():
    with pytest.raises(ChildProcessError, match="4 workers were killed at one task.*run the same command again"):
        list(cluster.run(os._exit, [1, 1], 2))


def test_a_scheduler_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT_TIMEOUT", 1)
    with pytest.raises(OSError, match="`scheduler` tcp://127.0.0.1:9 does not answer"):
        list(cluster.run(abs, [1], 0, scheduler="tcp://127.0.0.1:9"))


@pytest.fixture
def remote(tmp_path):
    """A scheduler and two workers, started on their own: the address of one, the processes of the others."""
    file = tmp_path / "scheduler.json"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    processes = []

    def start(*arguments):
        command = [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]]
        processes.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )

    start("scheduler", "--host=127.0.0.1", "--port=0", "--dashboard-address=127.0.0.1:0", f"--scheduler-file={file}")
    for _ in range(2):
        start("worker", f"--scheduler-file={file}", "--nthreads=1", "--no-nanny", "--no-dashboard")
    import distributed

    with distributed.Client(scheduler_file=str(file), timeout=60, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        address = client.scheduler.address
    yield address, processes[1:]
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_cluster_that_runs_elsewhere_loses_a_worker(remote):
    address, workers = remote
    results = cluster.run(time.sleep, [0.5] * 12, 0, scheduler=address)
    next(results)
    workers[0].kill()
    assert len(list(results)) == 11
    assert workers[1].poll() is None  # A cluster that was there before stays.
