"""Many clients at once: every answer is right, or a documented refusal, and none waits without end."""

import concurrent.futures
import os
import time

import numpy as np
import pytest

CLIENTS = 50
SECONDS = float(os.environ.get("TCLSTA_LOAD_SECONDS", "8"))  # 60 before a release; benchmarks/serve_clients.py too
PATIENCE = 20.0  # seconds: queue, batches and two busy cores


@pytest.mark.slow
def test_fifty_clients_get_right_answers_or_documented_refusals(serve, direct, clips):
    import httpx

    server = serve("--max_queue=40", "--timeout_s=30")
    questions = [clips(1, seed=seed) for seed in range(5)]
    expected = [direct("precomputed", **arrays)["scores"][0] for arrays in questions]
    bodies, headers = zip(*[binary_question(arrays) for arrays in questions], strict=True)
    end = time.monotonic() + SECONDS

    def client(number):
        outcomes = []
        with httpx.Client(timeout=60) as http:
            while time.monotonic() < end:
                which = number % len(bodies)
                began = time.monotonic()
                response = http.post(f"{server.v2}/infer", content=bodies[which], headers=headers[which])
                outcomes.append((response.status_code, time.monotonic() - began))
                if response.status_code == 200:
                    scores = response.json()["outputs"][0]["data"]
                    np.testing.assert_allclose(scores, expected[which], rtol=1e-4, atol=1e-6)
                else:
                    assert set(response.json()) == {"error"} and int(response.headers["retry-after"]) > 0
                    time.sleep(0.2)
        return outcomes

    with concurrent.futures.ThreadPoolExecutor(CLIENTS + 1) as pool:
        clients = [pool.submit(client, number) for number in range(CLIENTS)]
        probes = []
        with httpx.Client(timeout=20) as http:
            while time.monotonic() < end:
                began = time.monotonic()
                assert http.get(f"{server.url}/v2/health/ready").status_code == 200
                probes.append(time.monotonic() - began)
                time.sleep(0.2)
        outcomes = [outcome for done in clients for outcome in done.result()]
    statuses = [status for status, _ in outcomes]
    assert set(statuses) <= {200, 429, 503} and statuses.count(200) > CLIENTS, statuses
    assert np.percentile([seconds for _, seconds in outcomes], 99) < PATIENCE
    assert np.median(probes) < 2.0  # the model never holds up the event loop
    with httpx.Client(timeout=20) as http:
        text = http.get(f"{server.url}/metrics").text
    assert 'tclsta_requests_in_work{kind="question"} 0.0' in text and "tclsta_body_bytes 0.0" in text
    singles = next(
        line
        for line in text.splitlines()
        if line.startswith('tclsta_batch_clips_bucket{le="1.0",signature="precomputed"}')
    )
    calls = next(
        line for line in text.splitlines() if line.startswith('tclsta_batch_clips_count{signature="precomputed"}')
    )
    assert float(singles.split()[-1]) < float(calls.split()[-1])  # batches did form


def binary_question(arrays):
    import json

    inputs = [
        {
            "name": name,
            "shape": list(value.shape),
            "datatype": "UINT8",
            "parameters": {"binary_data_size": value.nbytes},
        }
        for name, value in arrays.items()
    ]
    request = {"inputs": inputs, "outputs": [{"name": "scores"}], "parameters": {"signature_name": "precomputed"}}
    head = json.dumps(request).encode()
    body = head + b"".join(value.tobytes() for value in arrays.values())
    return body, {"Inference-Header-Content-Length": str(len(head))}
