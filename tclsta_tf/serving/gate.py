"""What every request of HTTP passes on its way in and out: token, headers for browsers, numbers, a last net."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

import orjson

from tclsta_tf.serving import metrics as metrics_lib
from tclsta_tf.serving import refusals, security

Scope: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Any, Send], Awaitable[None]]

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Gate:
    """Wraps an ASGI application.

    Args:
        app: that answers.
        token: that is asked for; None for none.
        metrics: count answers.
    """

    def __init__(self, app: App, token: str | None, metrics: metrics_lib.Metrics) -> None:
        self._app = app
        self._token = token
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 500

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        try:
            if scope["path"] not in security.OPEN_PATHS:
                headers = dict(scope["headers"])
                security.check(self._token, headers.get(b"authorization", b"").decode("latin-1"))
            await self._app(scope, receive, watched)
        except refusals.Refusal as refusal:
            await respond(watched, refusal)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.observe_request(route, status, time.monotonic() - began)


async def respond(send: Send, refusal: refusals.Refusal) -> None:
    """Sends a refusal as JSON."""
    headers = {"Content-Type": "application/json", **refusal.headers}
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": int(refusal.status), "headers": encoded})
    await send({"type": "http.response.body", "body": orjson.dumps({"error": refusal.line})})
