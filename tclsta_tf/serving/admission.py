"""How much a server takes in at a time. What is beyond is refused at once, so that a crowd does not become a queue."""

import contextlib
from collections.abc import Iterator

from tclsta_tf.serving import metrics as metrics_lib
from tclsta_tf.serving import refusals

QUESTION, UPLOAD = "question", "upload"


class Admission:
    """Counts requests in work and the bytes of their bodies; all of it in one event loop, so without locks.

    Args:
        places: kind of request -> most of them in work or waiting.
        max_bytes: most bytes of bodies in memory.
        metrics: show both.
    """

    def __init__(self, places: dict[str, int], max_bytes: int, metrics: metrics_lib.Metrics) -> None:
        self._places = places
        self._taken = dict.fromkeys(places, 0)
        self._max_bytes = max_bytes
        self._bytes = 0
        self._metrics = metrics
        for kind in places:
            metrics.waiting.labels(kind).set(0)

    @contextlib.contextmanager
    def place(self, kind: str) -> Iterator[None]:
        """Holds a place while its block runs; raises `refusals.Refusal` with 429 where there is none."""
        self.take(kind)
        try:
            yield
        finally:
            self.give_back(kind)

    def take(self, kind: str) -> None:
        """Takes a place, to be given back by `give_back`; raises `refusals.Refusal` with 429 where there is none."""
        if self._taken[kind] >= self._places[kind]:
            line = f"{self._places[kind]} requests of this kind are in work or wait already; try again later"
            raise refusals.Refusal(429, line, retry_after=1 if kind == QUESTION else 5)
        self._count(kind, 1)

    def give_back(self, kind: str) -> None:
        """Gives a place back."""
        self._count(kind, -1)

    @contextlib.contextmanager
    def memory(self) -> Iterator["Memory"]:
        """Gives an account for one body; what it holds is given back when the block ends."""
        account = Memory(self)
        try:
            yield account
        finally:
            self.add(-account.held)

    def add(self, count: int) -> None:
        """Counts bytes; raises `refusals.Refusal` with 429 where they are too many."""
        if count > 0 and self._bytes + count > self._max_bytes:
            raise refusals.Refusal(429, "the bodies of other requests fill the memory; try again later", retry_after=1)
        self._bytes += count
        self._metrics.body_bytes.set(self._bytes)

    def _count(self, kind: str, change: int) -> None:
        self._taken[kind] += change
        self._metrics.waiting.labels(kind).set(self._taken[kind])


class Memory:
    """What one body holds of the memory for all bodies."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.held = 0

    def hold(self, count: int) -> None:
        """Holds bytes more; raises `refusals.Refusal` with 429 where there is no room."""
        self._admission.add(count)
        self.held += count
