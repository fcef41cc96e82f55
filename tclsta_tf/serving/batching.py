"""Puts concurrent questions into one call of the model and its answers back to those who asked.

A call costs about the same for one clip as for a few on a GPU, and the fixed part of it once instead of often on a CPU.
Only questions of the same signature and the same shapes share a call.
"""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import time
from collections.abc import Callable, Hashable
from typing import TypeAlias

import numpy as np

from tclsta_tf.serving import refusals, served_signatures

Observer: TypeAlias = Callable[[str, int, float], None]
"""Is told signature, clips and seconds of every call."""


@dataclasses.dataclass
class _Item:
    arrays: served_signatures.Arrays
    count: int
    arrived: float
    answer: "asyncio.Future[served_signatures.Arrays]"


@dataclasses.dataclass
class _Group:
    """Waiting questions of one kind; `changed` wakes the task that looks after them."""

    items: list[_Item] = dataclasses.field(default_factory=list)
    changed: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None


class Batcher:
    """Calls signatures in threads, never in the event loop.

    Args:
        max_batch: most clips in a call, >= 1.
        wait_s: longest time that a question waits for others, seconds, >= 0.
        timeout_s: longest time until the answer, seconds.
        threads: calls at the same time, >= 1.
        observe: is told of every call; from a thread.
    """

    def __init__(
        self, max_batch: int, wait_s: float, timeout_s: float, threads: int, observe: Observer = lambda *_: None
    ) -> None:
        self._max_batch = max_batch
        self._wait_s = wait_s
        self._timeout_s = timeout_s
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, "model")
        self._free = asyncio.Semaphore(threads)
        self._groups: dict[Hashable, _Group] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._observe = observe

    async def ask(
        self, signature: served_signatures.Signature, arrays: served_signatures.Arrays, count: int
    ) -> served_signatures.Arrays:
        """Answers a question that has been checked.

        Args:
            signature: that is asked.
            arrays: its inputs.
            count: number of clips, the first axis of every array.

        Raises:
            refusals.Refusal: the model refuses it (400), or takes too long (504).
        """
        shapes = tuple((name, array.shape[1:]) for name, array in sorted(arrays.items()))
        key = (signature.name, shapes)
        group = self._groups.setdefault(key, _Group())
        item = _Item(arrays, count, time.monotonic(), asyncio.get_running_loop().create_future())
        group.items.append(item)
        group.changed.set()
        if group.task is None:
            group.task = asyncio.create_task(self._look_after(key, group, signature))
        try:
            async with asyncio.timeout(self._timeout_s):
                return await item.answer
        except TimeoutError as error:
            raise refusals.Refusal(504, f"no answer within {self._timeout_s:g} s; it was given up") from error

    async def close(self) -> None:
        """Ends the threads; questions that wait are refused."""
        for group in list(self._groups.values()):
            for item in group.items:
                if not item.answer.done():
                    item.answer.set_exception(refusals.Refusal(503, "the server is stopping"))
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _look_after(self, key: Hashable, group: _Group, signature: served_signatures.Signature) -> None:
        while group.items:
            await self._gather(group)
            # While all threads were busy more may have come: the batch is made up last.
            await self._free.acquire()
            batch = self._take(group)
            work = asyncio.create_task(self._answer_and_free(signature, batch))
            self._running.add(work)
            work.add_done_callback(self._running.discard)
        # Shapes come from clients: a group without questions must not stay.
        del self._groups[key]

    async def _answer_and_free(self, signature: served_signatures.Signature, batch: list[_Item]) -> None:
        try:
            if batch:
                await self._answer(signature, batch)
        finally:
            self._free.release()

    async def _gather(self, group: _Group) -> None:
        """Waits until the batch is full or its first question has waited long enough."""
        end = group.items[0].arrived + self._wait_s
        while sum(item.count for item in group.items) < self._max_batch:
            group.changed.clear()
            left = end - time.monotonic()
            if left <= 0:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(group.changed.wait(), left)

    def _take(self, group: _Group) -> list[_Item]:
        batch: list[_Item] = []
        room = self._max_batch
        while group.items and (not batch or group.items[0].count <= room):
            item = group.items.pop(0)
            if item.answer.done():  # its client has gone or its time is up
                continue
            batch.append(item)
            room -= item.count
        return batch

    async def _answer(self, signature: served_signatures.Signature, batch: list[_Item]) -> None:
        outcome = await self._call(signature, batch)
        if isinstance(outcome, Exception) and len(batch) > 1:
            # One of them is at fault: each is asked alone, so that the others are answered.
            for item in batch:
                await self._answer(signature, [item])
            return
        start = 0
        for item in batch:
            if not item.answer.done():
                if isinstance(outcome, Exception):
                    item.answer.set_exception(outcome)
                else:
                    stop = start + item.count
                    item.answer.set_result({name: array[start:stop] for name, array in outcome.items()})
            start += item.count

    async def _call(
        self, signature: served_signatures.Signature, batch: list[_Item]
    ) -> served_signatures.Arrays | Exception:
        def work() -> served_signatures.Arrays:
            began = time.monotonic()
            arrays = {name: _join([item.arrays[name] for item in batch]) for name in batch[0].arrays}
            answer = signature.call(arrays)
            self._observe(signature.name, sum(item.count for item in batch), time.monotonic() - began)
            return answer

        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except Exception as error:
            return _translate(error)


def _join(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _translate(error: Exception) -> Exception:
    """What the model says about its input is the client's business, anything else is a defect and stays one."""
    if type(error).__name__ in ("InvalidArgumentError", "OutOfRangeError"):  # of TensorFlow, not imported for this
        lines = str(getattr(error, "message", error)).strip().splitlines() or ["it gave no reason"]
        said = next((line for line in lines if line.strip() and "Graph execution error" not in line), lines[0])
        return refusals.Refusal(400, f"the model refuses the inputs: {said[:200]}")
    if type(error).__name__ == "ResourceExhaustedError":
        return refusals.Refusal(503, "not enough memory for this request now", retry_after=5)
    return error
