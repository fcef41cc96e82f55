"""Puts the parts of a server together and runs it until it is asked to end."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import uvicorn

from tclsta_tf.serving import (
    admission,
    batching,
    checks,
    connections,
    engine,
    gate,
    grpc_server,
    http_app,
    served_signatures,
    settings,
    upload,
)
from tclsta_tf.serving import metrics as metrics_lib

_GRACE = 10  # seconds in which requests in work are answered after the server was asked to end


class Server:
    """A model on its addresses.

    Args:
        signatures: of the model, by name.
        classify: answers a video file.
        card: what the model's `assets/model.json` says.
        version: of the model.
        serving: where to listen, and how much to take in.
        limits: of videos and clips.
        token: that is asked for; None for none.
    """

    def __init__(
        self,
        signatures: dict[str, served_signatures.Signature],
        classify: upload.Classify,
        card: Mapping[str, Any],
        version: str,
        serving: settings.ServerSettings,
        limits: settings.Limits,
        token: str | None,
    ) -> None:
        self.metrics = metrics_lib.Metrics()
        self._serving = serving
        self._token = token
        self._version = version
        self._batcher = batching.Batcher(
            serving.max_batch,
            serving.batch_wait_ms / 1000 if serving.max_batch > 1 else 0.0,
            serving.timeout_s,
            serving.model_threads,
            self.metrics.observe_call,
        )
        self._checker = checks.Checker(card, limits, serving.max_batch)
        self._model = engine.ServedModel(serving.name, signatures, self._checker, self._batcher)
        self._engine = engine.Engine(self._model)
        places = {admission.QUESTION: serving.max_queue, admission.UPLOAD: serving.max_uploads}
        self._places = admission.Admission(places, 4 * serving.max_body, self.metrics)
        crop_size = int(card["crop_size"])
        self._uploads = upload.Uploads(
            classify, crop_size, upload.least_frames(card), serving, limits, self._places, self.metrics
        )
        self._card = card

    def warm(self) -> None:
        """Asks for everything once, which compiles what is compiled, and declares the model ready."""
        began = time.monotonic()
        for signature in self._model.signatures.values():
            signature.call(_sample(signature, self._card))
        self._uploads.warm()
        self.metrics.load_seconds.set(time.monotonic() - began)
        self._set_ready(True)

    def app(self) -> gate.App:
        """The application of HTTP, for tests without a network too."""
        parts = http_app.Parts(self._engine, self._uploads, self._places, self.metrics, self._serving, self._version)
        return http_app.build(parts, self._token)

    def run(self, announce: Callable[[str], None]) -> None:
        """Serves until SIGINT or SIGTERM.

        Args:
            announce: is told the addresses, one a line, once they answer.

        Raises:
            OSError: an address is taken or not of this machine.
        """
        asyncio.run(self._run(announce))

    async def _run(self, announce: Callable[[str], None]) -> None:
        serving = self._serving
        listening = _listen(serving.host, serving.port)
        config = uvicorn.Config(
            self.app(),
            http=connections.protocol(serving.header_timeout_s, serving.receive_timeout_s),
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=serving.max_connections,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_GRACE,
        )
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        http = _QuietServer(config)
        grpc = None
        host, port = listening.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        try:
            if serving.grpc_port:
                servicer = grpc_server.Servicer(self._engine, self._places, self._version)
                grpc, grpc_port = await grpc_server.start(
                    servicer,
                    grpc_server.Gate(self._token, self.metrics),
                    f"{shown}:{serving.grpc_port}",
                    serving.max_body,
                    2 * serving.max_queue,
                )
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._stop, http)
            announce(f"http://{shown}:{port}")
            if grpc is not None:
                announce(f"grpc://{shown}:{grpc_port}")
            await http.serve(sockets=[listening])
        finally:
            self._set_ready(False)
            if grpc is not None:
                await grpc.stop(grace=_GRACE)
            await self._batcher.close()
            self._uploads.close()
            listening.close()

    def _stop(self, http: uvicorn.Server) -> None:
        self._set_ready(False)
        http.should_exit = True

    def _set_ready(self, ready: bool) -> None:
        self._model.ready = ready
        self.metrics.ready.set(int(ready))


class _QuietServer(uvicorn.Server):
    """Leaves signals to its owner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise OSError(f"cannot listen at {host}:{port}: {error.strerror or error}") from error
    listening.listen(512)
    listening.setblocking(False)
    return listening


def _sample(signature: served_signatures.Signature, card: Mapping[str, Any]) -> served_signatures.Arrays:
    """A question of one clip of black frames."""
    height, width = card.get("frame_size") or (card["crop_size"], card["crop_size"])
    sides = [1, int(card["num_frames"]), height, width]
    arrays = {}
    for name, tensor in signature.inputs.items():
        shape = [
            side if side is not None else (sides[axis] if axis < len(sides) else 1)
            for axis, side in enumerate((1, *tensor.shape[1:]))
        ]
        if tensor.dtype == "string":
            picture = cv2.imencode(".jpg", np.zeros((height, width, 3), np.uint8))[1].tobytes()
            arrays[name] = np.full(shape, picture, object)
        else:
            arrays[name] = np.ones(shape, bool) if tensor.dtype == "bool" else np.zeros(shape, tensor.numpy_dtype)
    return arrays


def warn(line: str) -> None:
    """Says something on the error output."""
    sys.stderr.write(f"warning: {line}\n")
