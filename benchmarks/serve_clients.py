"""Latency and throughput of the server against the number of clients, with and without batching.

python -m benchmarks.serve_clients --model=run/export/1
python -m benchmarks.serve_clients --model=run/export/1 --signature=serving_default --seconds=60 --clients=50

Server and clients share the machine. Every answer is compared with the one that a single client got before.
"""

import http.client
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import numpy as np
from absl import app, flags

_MODEL = flags.DEFINE_string("model", None, "Folder of an exported model.", required=True)
_SIGNATURE = flags.DEFINE_enum("signature", "precomputed", ["precomputed", "serving_default"], "What is asked.")
_CLIENTS = flags.DEFINE_list("clients", ["1", "2", "4", "8", "16", "50"], "Numbers of concurrent clients.")
_SECONDS = flags.DEFINE_float("seconds", 10.0, "Seconds of each measurement.")
_BATCHES = flags.DEFINE_list("batches", ["1", "8"], "Values of --max_batch; 1 is without batching.")
_LENGTH = flags.DEFINE_integer("length", 30, "Frames of a clip of serving_default.")


def main(_) -> None:
    """Measures a server with each kind of batching."""
    card = json.loads((pathlib.Path(_MODEL.value) / "assets" / "model.json").read_text())
    questions = [_question(card, seed) for seed in range(8)]
    print(f"signature `{_SIGNATURE.value}`, {len(questions[0][0]) / 1e6:.2f} MB a question, {os.cpu_count()} cores")
    print("| batching | clients | answers/s | p50 ms | p95 ms | p99 ms | 429, 503 | other | wrong |")
    print("|---|---|---|---|---|---|---|---|---|")
    for batch in _BATCHES.value:
        _measure_all(int(batch), questions)


def _measure_all(batch: int, questions: list[tuple[bytes, dict[str, str]]]) -> None:
    line = [sys.executable, "-m", "tclsta_tf.serve", f"--model={_MODEL.value}", "--port=0", f"--max_batch={batch}"]
    server = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline().rsplit(":", 1)[-1])
        expected = []
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        for question in questions:
            status, scores = _ask(connection, question)
            if status != 200:
                raise RuntimeError(f"a question got status {status}")
            expected.append(scores)
        for clients in map(int, _CLIENTS.value):
            _measure(batch, port, clients, questions, expected)
    finally:
        server.terminate()
        server.wait()


def _measure(batch: int, port: int, clients: int, questions: list, expected: list[np.ndarray]) -> None:
    outcomes: list[tuple[str, float]] = []
    end = time.monotonic() + _SECONDS.value

    def work(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while time.monotonic() < end:
            which = number % len(questions)
            began = time.monotonic()
            status, scores = _ask(connection, questions[which])
            kind = "right" if status == 200 else "busy" if status in (429, 503) else "other"
            if status == 200 and not np.allclose(scores, expected[which], rtol=1e-4, atol=1e-6):
                kind = "wrong"
            outcomes.append((kind, time.monotonic() - began))
            if kind == "busy":
                time.sleep(0.1)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began
    kinds = [kind for kind, _ in outcomes]
    times = [1000 * spent for kind, spent in outcomes if kind == "right"]
    p50, p95, p99 = np.percentile(times, [50, 95, 99])
    counts = " | ".join(str(kinds.count(kind)) for kind in ("busy", "other", "wrong"))
    name = f"up to {batch}" if batch > 1 else "none"
    print(
        f"| {name} | {clients} | {len(times) / seconds:.1f} | {p50:.0f} | {p95:.0f} | {p99:.0f} | {counts} |",
        flush=True,
    )


def _ask(connection: http.client.HTTPConnection, question: tuple[bytes, dict[str, str]]) -> tuple[int, np.ndarray]:
    body, headers = question
    connection.request("POST", "/v2/models/tclsta/infer", body, headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    scores = answer["outputs"][0]["data"] if response.status == 200 else []
    return response.status, np.array(scores)


def _question(card: dict, seed: int) -> tuple[bytes, dict[str, str]]:
    """A request with binary tensors."""
    random = np.random.default_rng(seed)
    if _SIGNATURE.value == "precomputed":
        shape = (1, card["num_frames"], card["crop_size"], card["crop_size"])
        arrays = {"frames": random.integers(0, 256, (*shape, 3), np.uint8)}
        if "motion" in card.get("streams", ["motion"]):
            arrays["flow"] = random.integers(0, 256, (*shape, 20), np.uint8)
    else:
        arrays = {"frames": random.integers(0, 256, (1, _LENGTH.value, *card["frame_size"], 3), np.uint8)}
    inputs = [
        {"name": n, "shape": a.shape, "datatype": "UINT8", "parameters": {"binary_data_size": a.nbytes}}
        for n, a in arrays.items()
    ]
    request = {"inputs": inputs, "outputs": [{"name": "scores"}], "parameters": {"signature_name": _SIGNATURE.value}}
    head = json.dumps(request).encode()
    body = head + b"".join(array.tobytes() for array in arrays.values())
    return body, {"Inference-Header-Content-Length": str(len(head))}


if __name__ == "__main__":
    app.run(main)
