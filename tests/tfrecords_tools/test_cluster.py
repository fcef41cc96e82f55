import os
import time

import pytest

from tfrecords_tools import cluster


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_task_is_done_once(workers):
    assert sorted(cluster.run(abs, [-3, 1, -2, 5], workers)) == [1, 2, 3, 5]


def test_no_tasks():
    assert list(cluster.run(abs, [], 2)) == []


def test_closing_cancels_what_has_not_started():
    results = cluster.run(time.sleep, [0.0] + [0.5] * 30, 2)
    next(results)
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 4.0  # All of them would take 7.5 s.


def test_an_error_of_a_task_comes_through():
    with pytest.raises(TypeError, match="bad operand"):
        list(cluster.run(abs, [1, "a"], 2))


def test_a_killed_worker_is_reported():
    with pytest.raises(ChildProcessError, match="worker process was killed.*run the same command again"):
        list(cluster.run(os._exit, [1, 1], 2))
