"""A server in a process of its own, as a user starts it, and what its clients need."""

import contextlib
import importlib.util
import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time
import types

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
TOKEN = "a-token-of-the-tests"


class Running:
    """A server process; `url` and `grpc` are its addresses."""

    def __init__(self, model, *arguments, token=None, name="tclsta"):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow"}
        environment.pop("TCLSTA_TOKEN", None)
        if token:
            environment["TCLSTA_TOKEN"] = token
        line = [sys.executable, "-m", "tclsta_tf.serve", f"--model={model}", "--port=0", f"--name={name}", *arguments]
        self.process = subprocess.Popen(
            line, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.errors = []
        lines = queue.Queue()
        threading.Thread(target=lambda: [lines.put(text) for text in self.process.stdout], daemon=True).start()
        threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True).start()
        self.url = self._address(lines)
        wants_grpc = any(argument.startswith("--grpc_port") for argument in arguments)
        self.grpc = self._address(lines).removeprefix("grpc://") if wants_grpc else None
        self.model = f"{self.url}/v1/models/{name}"
        self.v2 = f"{self.url}/v2/models/{name}"

    def _address(self, lines):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):
                return lines.get(timeout=0.2).split()[-1]
            assert self.process.poll() is None, "".join(self.errors)
        raise AssertionError("the server did not start")

    def rss(self):
        """Memory of the process, bytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode


@pytest.fixture(scope="session")
def exported(finished):
    """Folder of the tiny exported model."""
    if importlib.util.find_spec("kserve") is None:
        pytest.skip("kserve is not installed (make install-serve)")
    return finished.workdir / "export" / "1"


@pytest.fixture(scope="session")
def card(exported):
    return json.loads((exported / "assets" / "model.json").read_text())


@pytest.fixture(scope="session")
def serve(exported):
    """A function that starts servers, which end with the tests."""
    running = []

    def start(*arguments, **settings):
        running.append(Running(exported, *arguments, **settings))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture(scope="session")
def server(serve):
    """A server for all tests that do not stop or change it."""
    free = _free_port()
    return serve(
        f"--grpc_port={free}", "--max_body_mb=8", "--max_frames=300", "--header_timeout_s=2", "--receive_timeout_s=3",
        "--max_pixels=1000000", "--max_seconds=60",
    )  # fmt: skip


def _free_port():
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="session")
def http():
    httpx = pytest.importorskip("httpx", reason="httpx comes with kserve (make install-serve)")
    with httpx.Client(timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def direct(exported):
    """The SavedModel in this process: `direct(signature, **arrays)` gives arrays."""
    import tensorflow as tf

    model = tf.saved_model.load(str(exported))

    def call(signature, **arrays):
        outputs = model.signatures[signature](**{name: tf.constant(value) for name, value in arrays.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    call.model = model
    return call


@pytest.fixture(scope="session")
def clips(card):
    """A function that makes inputs of `precomputed` for some clips."""

    def make(count, seed=0, side=40):
        random = np.random.default_rng(seed)
        shape = (count, card["num_frames"], side, side)
        return {
            "frames": random.integers(0, 256, (*shape, 3), np.uint8),
            "flow": random.integers(0, 256, (*shape, 20), np.uint8),
        }

    return make


@pytest.fixture(scope="session")
def video(tiny_videos):
    """A video file of the tiny set."""
    return sorted((tiny_videos.videos_dir / "jump").glob("*.avi"))[0]


@pytest.fixture
def assert_refused():
    def check(response, status, *parts):
        assert response.status_code == status, response.text[:300]
        assert response.headers["content-type"] == "application/json"
        answer = response.json()
        assert set(answer) == {"error"} and "\n" not in answer["error"] and answer["error"].isprintable()
        assert "Traceback" not in answer["error"]
        for part in parts:
            assert part in answer["error"], answer["error"]

    return check


@pytest.fixture
def fake_signature():
    """A signature that doubles `x`, int32 [any, 2], and remembers its calls."""
    from tclsta_tf.serving import served_signatures

    calls = []

    def call(arrays):
        calls.append(len(arrays["x"]))
        if (arrays["x"] == 13).any():
            raise type("InvalidArgumentError", (Exception,), {})("13 brings bad luck\nin two lines")
        return {"y": arrays["x"] * 2}

    tensor = served_signatures.Tensor
    signature = served_signatures.Signature(
        "serving_default",
        {"x": tensor("x", "int32", (None, 2))},
        {"y": tensor("y", "int32", (None, 2))},
        call,
    )
    return types.SimpleNamespace(signature=signature, calls=calls)
