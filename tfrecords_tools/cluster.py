"""Runs independent tasks on several processes."""

import concurrent.futures
import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

import cv2

Task = TypeVar("Task")
Result = TypeVar("Result")


def available_cores() -> int:
    """Counts the processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(function: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Generator[Result, None, None]:
    """Applies a function to every task.

    Args:
        function: Importable by name, like its tasks picklable, safe to run again.
        tasks: The tasks.
        workers: Processes; 1 runs everything in this one. 0 is one process per core.

    Yields:
        Results, in the order in which they are ready. Closing the generator cancels the tasks that have not started.

    Raises:
        ChildProcessError: A worker was killed.
    """
    workers = min(workers if workers else available_cores(), len(tasks))
    if workers <= 1:
        yield from map(function, tasks)
        return
    # Spawned, not forked: TensorFlow does not survive a fork once it has started its threads.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as pool:
        futures = [pool.submit(function, task) for task in tasks]
        try:
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        except concurrent.futures.BrokenExecutor as error:
            raise ChildProcessError(
                "a worker process was killed, perhaps for lack of memory (fewer --workers need less). What is finished "
                "is kept: run the same command again"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _start_worker() -> None:
    # The processes share the cores; OpenCV's threads would only get into each other's way.
    cv2.setNumThreads(1)
    # Ctrl-C reaches every process of a terminal: workers end at once, and the parent alone reports it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
