"""The token that a server may ask for."""

import hmac
import os
from pathlib import Path

from tclsta_tf.serving import refusals

VARIABLE = "TCLSTA_TOKEN"

OPEN_PATHS = frozenset({"/", "/healthz", "/v2/health/live", "/v2/health/ready"})
"""What needs no token: probes, and the page, a fixed file in which a token can be typed."""

OPEN_METHODS = frozenset({"ServerLive", "ServerReady"})
"""The same for gRPC."""


def read_token(file: str | None) -> str | None:
    """Reads the token from a file, or where none is named from the environment variable `TCLSTA_TOKEN`.

    It is no flag because everyone on a machine sees its command lines.

    Args:
        file: that holds nothing but the token; None for the variable.

    Returns:
        The token, None where there is none.

    Raises:
        ValueError: the token is empty or no line of plain characters.
        OSError: the file cannot be read.
    """
    if file is not None:
        token = Path(file).read_text(encoding="utf-8", errors="replace").strip()
    elif VARIABLE in os.environ:
        token = os.environ[VARIABLE].strip()
    else:
        return None
    if len(token) < 8 or not token.isascii() or not token.isprintable() or " " in token:
        source = file if file is not None else f"the environment variable {VARIABLE}"
        raise ValueError(f"{source} must hold a token of at least 8 printable ASCII characters without spaces")
    return token


def check(token: str | None, authorization: str | None) -> None:
    """Compares what a client sent with the token, in a time that does not tell how much of it is right.

    Args:
        token: None where none is asked for.
        authorization: the request's header `Authorization`.

    Raises:
        refusals.Refusal: with 401.
    """
    if token is None:
        return
    scheme, _, given = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        said = "a wrong one was sent" if given else "none was sent"
        raise refusals.Refusal(401, f"this needs the header `Authorization: Bearer TOKEN`; {said}")
