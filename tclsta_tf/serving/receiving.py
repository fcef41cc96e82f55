"""Reads a request's body within limits of size and of time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from tclsta_tf.serving import admission, refusals

Request = Any  # starlette.requests.Request, whose annotations a server without it need not have


async def read(request: Request, max_bytes: int, timeout_s: float, memory: admission.Memory) -> bytes:
    """Reads a body into memory.

    Args:
        request: whose body it is.
        max_bytes: of the body; a body without Content-Length is cut off as soon as it is longer.
        timeout_s: until it must be here, however slowly it comes, seconds.
        memory: to count it in.

    Raises:
        refusals.Refusal: with 408, 413, 415 or 429.
    """
    pieces = []
    async for piece in stream(request, max_bytes, timeout_s):
        memory.hold(len(piece))
        pieces.append(piece)
    return b"".join(pieces)


async def stream(request: Request, max_bytes: int, timeout_s: float) -> AsyncIterator[bytes]:
    """Gives a body piece by piece; see `read`."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise refusals.Refusal(415, f"`Content-Encoding` must be identity. Received: {encoding[:40]}")
    announced = request.headers.get("content-length")
    # Refused before a byte of it is read.
    if announced is not None and announced.isdecimal() and int(announced[:20]) > max_bytes:
        raise _too_large(max_bytes, announced[:20])
    end = asyncio.get_running_loop().time() + timeout_s
    length = 0
    pieces = request.stream()
    try:
        while True:
            async with asyncio.timeout_at(end):
                try:
                    piece = await anext(pieces)
                except StopAsyncIteration:
                    return
            length += len(piece)
            if length > max_bytes:
                raise _too_large(max_bytes, f"more than {max_bytes}")
            if piece:
                yield piece
    except TimeoutError as error:
        raise refusals.Refusal(408, f"the body took longer than {timeout_s:g} s to arrive") from error


def _too_large(most: int, received: str) -> refusals.Refusal:
    return refusals.Refusal(413, f"the body must have at most {most} bytes. Received: {received}")
