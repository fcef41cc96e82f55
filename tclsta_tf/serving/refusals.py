"""Why a request gets no answer: one line, a status of HTTP, and its counterpart in gRPC."""

import http


class Refusal(Exception):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        line: says in one line what is wrong: field, expected, received.
        retry_after: seconds after which trying again makes sense; None where it makes none.
    """

    def __init__(self, status: int, line: str, retry_after: int | None = None) -> None:
        self.line = " ".join(line.split())[:_LONGEST]
        super().__init__(self.line)
        self.status = http.HTTPStatus(status)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return headers | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})

    @property
    def grpc_code(self) -> str:
        """Name of the `grpc.StatusCode`."""
        return GRPC_CODES.get(int(self.status), "INVALID_ARGUMENT")


_LONGEST = 500  # characters of a line

GRPC_CODES = {
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def bad(field: str, expected: str, received: object) -> Refusal:
    """A refusal with status 400.

    Args:
        field: of the request, as a client would find it.
        expected: what it should have been.
        received: what it was; shown as text, cut where it is long.
    """
    shown = str(received)
    return Refusal(400, f"`{field}` must be {expected}. Received: {shown[:80]}{'...' if len(shown) > 80 else ''}")
