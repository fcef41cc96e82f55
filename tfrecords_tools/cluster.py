"""Runs independent tasks on several processes or machines, by Dask."""

import contextlib
import importlib.util
import logging
import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, TypeVar

import cv2

from tfrecords_tools import interruption

Task = TypeVar("Task")
Result = TypeVar("Result")

ALLOWED_DEATHS = 3
"""Workers that may die at one task before the task is held responsible and the run ends."""

_CONNECT_TIMEOUT = 30  # seconds


def available_cores() -> int:
    """Counts the processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    *,
    scheduler: str = "",
    announce: Callable[[str], None] = lambda line: None,
) -> Generator[Result, None, None]:
    """Applies a function to every task.

    A task whose worker dies is done again by another one.

    Args:
        function: Importable by name, like its tasks picklable, safe to run again.
        tasks: The tasks.
        workers: Processes on this machine; 1 runs everything in this one, 0 is one process per core. A cluster that
            runs already has its own.
        scheduler: Address of such a cluster's scheduler, "tcp://host:port"; "" for processes on this machine.
        announce: Is told the address of the dashboard, which needs bokeh where the scheduler runs.

    Yields:
        Results, in the order in which they are ready. Closing the generator cancels the tasks that have not started,
        and on this machine ends those that have.

    Raises:
        ChildProcessError: A task killed its workers again and again.
        OSError: The scheduler does not answer.
    """
    workers = min(workers if workers else available_cores(), len(tasks))
    if not scheduler and workers <= 1:
        yield from map(function, tasks)
        return
    import distributed  # Here, because it takes a second that --help and errors need not wait for.

    with _client(workers, scheduler) as client:
        if scheduler or importlib.util.find_spec("bokeh"):  # without it Dask has an address and nothing to show there
            announce(f"dashboard: {client.dashboard_link}")
        futures = [client.submit(_call, function, task, pure=False) for task in tasks]
        try:
            for future in distributed.as_completed(futures, loop=client.loop):
                try:
                    yield future.result()
                except distributed.KilledWorker as error:
                    raise ChildProcessError(
                        f"{ALLOWED_DEATHS + 1} workers were killed at one task, perhaps for lack of memory (fewer "
                        "--workers need less). What is finished is kept: run the same command again"
                    ) from error
        except (GeneratorExit, KeyboardInterrupt):
            if not scheduler:
                _kill_workers(client.cluster)
            raise
        finally:
            client.cancel(futures, force=True)


@contextlib.contextmanager
def _client(workers: int, scheduler: str) -> Iterator[Any]:
    """Gives a Dask client of the cluster at an address, or of one that is made for it."""
    import dask
    import distributed

    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
        # Errors of tasks come home as exceptions; of what the processes tell each other, users need nothing.
        "distributed.logging.distributed": "critical",
        "distributed.worker.memory.terminate": False,
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        logger = logging.getLogger("distributed")
        stack.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.CRITICAL)
        if scheduler:
            address: Any = scheduler
        else:
            with interruption.kept_from_children():  # this process alone reports Ctrl-C, and ends the workers
                address = stack.enter_context(
                    distributed.LocalCluster(
                        n_workers=workers,
                        threads_per_worker=1,
                        memory_limit=None,
                        dashboard_address="127.0.0.1:0",
                        host="127.0.0.1",
                        silence_logs=logging.CRITICAL,
                    )
                )
        try:
            client = stack.enter_context(distributed.Client(address, timeout=_CONNECT_TIMEOUT, set_as_default=False))
        except (OSError, ValueError) as error:
            raise OSError(
                f"`scheduler` {scheduler} does not answer ({error}). Start it with `dask scheduler`, and give the "
                "address that it prints, like tcp://host:8786"
            ) from error
        yield client


def _kill_workers(made: Any) -> None:
    """Ends the processes of a cluster at once; asked to end, they would take seconds for what nobody wants any more."""
    for nanny in made.workers.values():
        nanny.close_gracefully()  # starts no other process in place of the one that ends
        if nanny.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(nanny.pid, signal.SIGKILL)


def _call(function: Callable[[Task], Result], task: Task) -> Result:
    # The processes share the cores; OpenCV's threads would only get into each other's way.
    cv2.setNumThreads(1)
    return function(task)
