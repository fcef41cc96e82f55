"""What a server is told when it starts."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a video or a clip may measure at most.

    Attributes:
        max_frames: frames of a video file, or of a clip in a request.
        max_pixels: pixels of one frame, height times width.
        max_seconds: length of a video file in seconds, by its header and by its frames.
    """

    max_frames: int = 3000
    max_pixels: int = 4096 * 2304
    max_seconds: float = 300.0

    def __post_init__(self) -> None:
        _check_positive(self)


@dataclasses.dataclass(frozen=True)
class ServerSettings:
    """Where a server listens and what it takes upon itself.

    Attributes:
        name: of the model in addresses, letters, digits, `-`, `_` and `.`.
        host: address to listen at; 127.0.0.1 is reached from this machine only.
        port: of HTTP.
        grpc_port: of gRPC; 0 for none.
        max_batch: most clips in one call of the model; 1 switches batching off.
        batch_wait_ms: longest time a clip waits for others to share its call, milliseconds.
        max_queue: most requests that are in work or wait, uploads not counted; further ones get 429.
        max_uploads: most uploads that are in work or wait; further ones get 429.
        max_body_mb: largest body of a request, MiB. All bodies together may hold four times as much.
        header_timeout_s: longest time a request's header may take to arrive, seconds.
        receive_timeout_s: longest time a request's body may take to arrive, seconds.
        timeout_s: longest time an answer may take once the request is here, seconds.
        model_threads: calls of the model at the same time. Each uses all cores, so more than 2 bring little.
        max_connections: most open connections.
    """

    name: str = "tclsta"
    host: str = "127.0.0.1"
    port: int = 8501
    grpc_port: int = 0
    max_batch: int = 8
    batch_wait_ms: float = 5.0
    max_queue: int = 64
    max_uploads: int = 4
    max_body_mb: float = 64.0
    header_timeout_s: float = 10.0
    receive_timeout_s: float = 60.0
    timeout_s: float = 60.0
    model_threads: int = 1
    max_connections: int = 512

    def __post_init__(self) -> None:
        _check_positive(self, may_be_zero=("port", "grpc_port", "batch_wait_ms"))
        allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
        if not self.name or set(self.name) - set(allowed) or self.name[0] in "-.":
            raise ValueError(f"`name` must be made of letters, digits, '-', '_' and '.'. Received: name={self.name!r}")
        if self.port and self.port == self.grpc_port:
            raise ValueError(f"`grpc_port` must be another one than `port`. Received: grpc_port={self.grpc_port}")

    @property
    def max_body(self) -> int:
        """Largest body, bytes."""
        return int(self.max_body_mb * 2**20)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches the server."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


def _check_positive(settings: object, may_be_zero: tuple[str, ...] = ()) -> None:
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]
        value = getattr(settings, field.name)
        if isinstance(value, str):
            continue
        if not math.isfinite(value) or value < 0 or (value == 0 and field.name not in may_be_zero):
            bound = "0 or more" if field.name in may_be_zero else "above 0"
            raise ValueError(f"`{field.name}` must be {bound}. Received: {field.name}={value}")
