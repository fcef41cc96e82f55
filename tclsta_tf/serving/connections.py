"""Connections that do not wait for ever: uvicorn has no limit on the time in which a header must arrive."""

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http import h11_impl


def protocol(header_timeout_s: float, write_timeout_s: float) -> type[asyncio.Protocol]:
    """Makes the class of connections.

    Args:
        header_timeout_s: longest time without a request: until a first header is complete, between two requests, and
            for the rest of a body whose request has been answered already; seconds.
        write_timeout_s: longest time in which a client may not take anything of its answer, seconds.
    """

    class Protocol(h11_impl.H11Protocol):
        _closing: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            end = transport.get_extra_info("socket")
            if end is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * write_timeout_s))
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_clock()
            super().connection_lost(exc)

        def _watch(self) -> None:
            """Lets the clock run exactly while no request is in work; bytes that trickle in do not set it back."""
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_clock()
            elif self._closing is None and not self.transport.is_closing():
                self._closing = self.loop.call_later(header_timeout_s, self._close)

        def _close(self) -> None:
            self._closing = None
            if not self.transport.is_closing():
                self.transport.close()

        def _stop_clock(self) -> None:
            if self._closing is not None:
                self._closing.cancel()
                self._closing = None

    return Protocol
