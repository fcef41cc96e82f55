"""The server as its clients meet it: routes, equal answers, bad input, slow clients, its end."""

import base64
import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

NUMBERS = ("scores", "static_scores", "motion_scores", "fusion_weights", "static_temporal_attention")


def as_lists(arrays, index=None):
    return {name: (value if index is None else value[index]).tolist() for name, value in arrays.items()}


def jpegs(frames):
    return [cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes() for frame in frames]


def raw_frames(card, count=1, length=6, seed=0):
    height, width = card["frame_size"]
    small = np.random.default_rng(seed).integers(0, 256, (count, length, 6, 8, 3), np.uint8)
    grown = [[cv2.resize(frame, (width, height)) for frame in clip] for clip in small]
    return np.stack([np.stack(clip) for clip in grown])


def test_probes_and_metadata_tell_the_truth(server, http, direct):
    assert http.get(f"{server.url}/healthz").json() == {"status": "alive"}
    assert http.get(f"{server.url}/v2/health/live").json() == {"live": True}
    assert http.get(f"{server.url}/v2/health/ready").json() == {"ready": True}
    assert http.get(server.model).json() == {"name": "tclsta", "ready": True}
    assert http.get(f"{server.url}/v1/models").json() == {"models": ["tclsta"]}
    for name, function in direct.model.signatures.items():
        found = http.get(server.v2, params={"signature_name": name}).json()
        shapes = {tensor["name"]: tensor["shape"] for tensor in found["inputs"]}
        expected = function.structured_input_signature[1]
        assert shapes == {key: [-1 if side is None else side for side in spec.shape] for key, spec in expected.items()}
        assert {tensor["name"] for tensor in found["outputs"]} == set(function.structured_outputs)


@pytest.mark.parametrize("form", ["rows", "columns"])
def test_v1_answers_as_the_model_does(server, http, direct, clips, form):
    arrays = clips(2)
    body = {"signature_name": "precomputed"}
    if form == "rows":
        body["instances"] = [as_lists(arrays, index) for index in range(2)]
    else:
        body["inputs"] = as_lists(arrays)
    response = http.post(f"{server.model}:predict", json=body)
    assert response.status_code == 200, response.text
    expected = direct("precomputed", **arrays)
    answer = response.json()
    if form == "rows":
        answer = {name: [row[name] for row in answer["predictions"]] for name in answer["predictions"][0]}
    else:
        answer = answer["outputs"]
    assert set(answer) == set(expected)
    for name in NUMBERS:
        np.testing.assert_allclose(answer[name], expected[name], rtol=1e-5, atol=1e-6)
    assert answer["labels"] == [[label.decode() for label in row] for row in expected["labels"]]


def test_v1_takes_raw_frames_and_jpegs(server, http, direct, card):
    frames = raw_frames(card)
    expected = direct("serving_default", frames=frames)["scores"]
    body = {"instances": frames.tolist()}  # the only input needs no name
    answer = http.post(f"{server.model}:predict", json=body).json()["predictions"]
    np.testing.assert_allclose(answer[0]["scores"], expected[0], rtol=1e-5, atol=1e-6)
    encoded = jpegs(frames[0])
    row = {
        "jpeg_frames": [{"b64": base64.b64encode(data).decode()} for data in encoded] + [""],
        "mask": [True] * len(encoded) + [False],
    }
    response = http.post(f"{server.model}:predict", json={"signature_name": "jpeg_frames", "instances": [row]})
    assert response.status_code == 200, response.text
    given = np.array([[*encoded, b""]], object)
    expected = direct("jpeg_frames", jpeg_frames=given.tolist(), mask=np.array([row["mask"]]))["scores"]
    np.testing.assert_allclose(response.json()["predictions"][0]["scores"], expected[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("binary", [False, True])
def test_v2_answers_as_the_model_does(server, http, direct, clips, binary):
    arrays = clips(2, seed=1)
    expected = direct("precomputed", **arrays)
    inputs, pieces = [], []
    for name, value in arrays.items():
        entry = {"name": name, "shape": list(value.shape), "datatype": "UINT8"}
        if binary:
            pieces.append(value.tobytes())
            entry["parameters"] = {"binary_data_size": len(pieces[-1])}
        else:
            entry["data"] = value.ravel().tolist()
        inputs.append(entry)
    request = {"id": "7", "inputs": inputs, "parameters": {"signature_name": "precomputed"}}
    request["outputs"] = [{"name": "scores", "parameters": {"binary_data": binary}}, {"name": "labels"}]
    head = json.dumps(request).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))} if binary else {}
    response = http.post(f"{server.v2}/infer", content=b"".join([head, *pieces]), headers=headers)
    assert response.status_code == 200, response.text
    length = int(response.headers.get("inference-header-content-length", len(response.content)))
    answer = json.loads(response.content[:length])
    assert answer["id"] == "7" and answer["model_name"] == "tclsta" and answer["model_version"] == "1"
    scores, labels = answer["outputs"]
    assert scores["shape"] == [2, 3] and labels["data"] == [label.decode() for label in expected["labels"].ravel()]
    values = np.frombuffer(response.content[length:], "<f4") if binary else np.array(scores["data"])
    np.testing.assert_allclose(values.reshape(2, 3), expected["scores"], rtol=1e-5, atol=1e-6)


def test_concurrent_clients_get_what_they_would_get_alone(server, http, direct, clips):
    questions = [clips(1, seed=seed) for seed in range(12)]

    def ask(arrays):
        body = {"signature_name": "precomputed", "inputs": as_lists(arrays)}
        return http.post(f"{server.model}:predict", json=body).json()["outputs"]["scores"]

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        together = list(pool.map(ask, questions))
    for arrays, scores in zip(questions, together, strict=True):
        np.testing.assert_allclose(scores, direct("precomputed", **arrays)["scores"], rtol=1e-4, atol=1e-6)
    text = http.get(f"{server.url}/metrics").text
    counts = [line for line in text.splitlines() if line.startswith('tclsta_batch_clips_bucket{le="1.0"')]
    assert counts and "tclsta_requests_total" in text


BAD_JSON = [
    (b"", "body"),
    (b"{", "JSON"),
    (b"[]", "JSON object"),
    (b"[" * 100_000, "JSON"),
    (b'{"instances": [NaN]}', "JSON"),
    (b'{"instances": [1e999]}', "JSON"),
    (b'{"instances": []}', "instances"),
    (b'{"instances": [[1]], "more": 1}', "more"),
    (b'{"instances": [[1]], "inputs": [[1]]}', "either"),
    (b'{"signature_name": "none", "instances": [[1]]}', "signature_name"),
    (b'{"signature_name": ["a"], "instances": [[1]]}', "signature_name"),
    (b'{"instances": [[[[[1.5]]]]]}', "integers"),
    (b'{"instances": [[[[[256]]]]]}', "[0, 255]"),
    (b'{"instances": [[[[[-1]]]]]}', "[0, 255]"),
    (b'{"instances": [[[[[18446744073709551616]]]]]}', "integers"),
    (b'{"instances": [[[[["1"]]]]]}', "integers"),
    (b'{"instances": [[[[[true]]]]]}', "integers"),
    (b'{"instances": [[[[[null]]]]]}', "integers"),
    (b'{"instances": [[[[[1, 2, 3]]], [[[1, 2]]]]]}', "even length"),
    (b'{"instances": [[[[[1, 2, 3]]]]]}', "of shape [any, any, 48, 64, 3]"),
    (b'{"instances": [{"frames": 1, "flow": 2}]}', "integers"),
    (b'{"signature_name": "precomputed", "instances": [{"frames": [1]}]}', "flow, frames"),
    (b'{"signature_name": "jpeg_frames", "instances": [{"jpeg_frames": ["x"], "mask": [true]}]}', "a JPEG"),
    (b'{"signature_name": "jpeg_frames", "instances": [{"jpeg_frames": [{"b64": "="}], "mask": [true]}]}', "base64"),
    (b'{"signature_name": "jpeg_frames", "instances": [{"jpeg_frames": [""], "mask": [false]}]}', "mask"),
]


@pytest.mark.parametrize(("body", "part"), BAD_JSON)
def test_bad_json_gets_one_line(server, http, assert_refused, body, part):
    assert_refused(http.post(f"{server.model}:predict", content=body), 400, part)


BAD_INFER = [
    ({}, "inputs"),
    ({"inputs": [{"name": "frames"}]}, "shape"),
    ({"inputs": [{"name": "other", "shape": [1], "datatype": "UINT8", "data": []}]}, "one of frames"),
    ({"inputs": [{"name": "frames", "shape": [1], "datatype": "FP32", "data": [1]}]}, "must be UINT8"),
    ({"inputs": [{"name": "frames", "shape": [-1], "datatype": "UINT8", "data": [1]}]}, "sizes"),
    ({"inputs": [{"name": "frames", "shape": [2**62], "datatype": "UINT8", "data": [1]}]}, "sizes"),
    ({"inputs": [{"name": "frames", "shape": [2**20, 2**20], "datatype": "UINT8", "data": [1]}]}, "values"),
    ({"inputs": [{"name": "frames", "shape": [2], "datatype": "UINT8", "data": [1]}]}, "2 values"),
    ({"inputs": [{"name": "frames", "shape": [2], "datatype": "UINT8", "data": [1, 2]}]}, "of shape"),
    ({"inputs": [], "parameters": {"signature_name": "no"}}, "signature_name"),
    ({"inputs": [{"name": "frames", "shape": [1], "datatype": "UINT8", "parameters": {"binary_data_size": 9}}]}, "9"),
]


@pytest.mark.parametrize(("body", "part"), BAD_INFER)
def test_bad_inference_gets_one_line(server, http, assert_refused, body, part):
    assert_refused(http.post(f"{server.v2}/infer", json=body), 400, part)


def test_a_wrong_length_of_the_json_gets_one_line(server, http, assert_refused):
    for length in ("-1", "99", "x", "9" * 30, "\u00b2".encode("latin-1")):
        headers = {"Inference-Header-Content-Length": length}
        assert_refused(http.post(f"{server.v2}/infer", content=b"{}", headers=headers), 400)


def sized_jpeg(height, width):
    data = bytearray(cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes())
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


def with_many_scans(card):
    height, width = card["frame_size"]
    data = cv2.imencode(".jpg", np.zeros((height, width, 3), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    first = data.index(b"\xff\xda")
    return data[:first] + data[first:-2] * 200 + data[-2:]


def test_jpegs_that_would_be_bombs_are_not_decoded(server, http, card, assert_refused):
    height, width = card["frame_size"]
    good = cv2.imencode(".jpg", np.zeros((height, width, 3), np.uint8))[1].tobytes()
    cases = [
        (sized_jpeg(65535, 65535), f"{height}x{width} pixels"),  # the format's largest; 100,000 has no room in it
        (sized_jpeg(0, 0), "damaged"),
        (good + bytes(1_000_000), "bytes for its size"),
        (with_many_scans(card), "scans"),
        (good[:40], "damaged"),
        (b"\xff\xd8\xff\xe0\x00\x00", "damaged"),
        (b"GIF89a", "not a JPEG"),
    ]
    for data, part in cases:
        row = {"jpeg_frames": [{"b64": base64.b64encode(data).decode()}], "mask": [True]}
        response = http.post(f"{server.model}:predict", json={"signature_name": "jpeg_frames", "instances": [row]})
        assert_refused(response, 400, part)


def test_a_jpeg_that_breaks_off_is_refused_and_its_neighbours_are_answered(server, http, card, assert_refused):
    frame = raw_frames(card, length=1)[0][0]
    good = jpegs([frame])[0]
    bad = good[: len(good) // 2]  # its header is fine

    def ask(data):
        row = {"jpeg_frames": [{"b64": base64.b64encode(data).decode()}], "mask": [True]}
        return http.post(f"{server.model}:predict", json={"signature_name": "jpeg_frames", "instances": [row]})

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, [good, good, bad, good, bad, good]))
    assert [answer.status_code for answer in answers] in ([200, 200, 400, 200, 400, 200], [200] * 6), answers


def test_too_large_a_body_is_refused_however_it_is_announced(server, http, assert_refused):
    assert_refused(http.post(f"{server.model}:predict", content=bytes(9 * 2**20)), 413, "8388608 bytes")
    pieces = (bytes(2**20) for _ in range(9))  # no Content-Length
    assert_refused(http.post(f"{server.model}:predict", content=pieces), 413, "more than")
    packed = http.post(f"{server.model}:predict", content=b"x", headers={"Content-Encoding": "gzip"})
    assert_refused(packed, 415, "identity")


def test_unknown_addresses_methods_and_models(server, http, assert_refused):
    assert_refused(http.get(f"{server.url}/v1/models/other"), 404, "'other'")
    assert_refused(http.post(f"{server.url}/v1/models/other:predict", json={"instances": [1]}), 404)
    assert_refused(http.get(f"{server.url}/nowhere"), 404)
    assert_refused(http.put(server.model), 405)
    assert_refused(http.get(server.v2, params={"signature_name": "no"}), 400)


def talk(server, *pieces, pause=0.0, patience=15.0):
    """Sends bytes over a bare connection and gives the answer, with the seconds until the server closed it."""
    host, port = server.url.removeprefix("http://").split(":")
    began = time.monotonic()
    received = b""
    with socket.create_connection((host, int(port)), timeout=patience) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause)
            while data := connection.recv(65536):
                received += data
        except (ConnectionError, TimeoutError):
            pass
    return received, time.monotonic() - began


@pytest.mark.slow
def test_slow_clients_are_cut_off(server, http):
    assert talk(server)[1] < 6  # a connection without a word
    assert talk(server, *[b"G", b"E", b"T"] * 3, pause=0.7)[1] < 10  # a header a byte at a time
    head = b"POST /v1/models/tclsta:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    received, seconds = talk(server, head, *[b"{"] * 8, pause=0.7)
    assert b"408" in received.split(b"\r\n")[0] and seconds < 12, received
    assert http.get(f"{server.url}/healthz").status_code == 200


def test_nonsense_on_the_wire_is_refused(server):
    received, _ = talk(server, b"\x16\x03\x01\x02\x00 this is no HTTP\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 400")
    received, _ = talk(server, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000 + b"\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 4") or received == b""


@pytest.mark.slow
def test_memory_returns_after_bad_input(server, http):
    bodies = [
        b"[" * 4_000_000,
        b'{"instances": [' + b"1," * 2_000_000 + b"1]}",
        bytes(8 * 2**20),
        b'{"a": "' + b"x" * 7_000_000 + b'"}',
    ]

    def round_of_bad_input():
        for body in bodies:
            assert 400 <= http.post(f"{server.model}:predict", content=body).status_code < 500

    for _ in range(3):
        round_of_bad_input()
    before = server.rss()
    for _ in range(10):
        round_of_bad_input()
    assert server.rss() < before + 150 * 2**20
    assert "tclsta_body_bytes 0.0" in http.get(f"{server.url}/metrics").text


def test_the_description_is_served(server, http):
    described = http.get(f"{server.url}/openapi.json").json()
    assert "/v1/models/{model_name}:predict" in described["paths"]
    assert "422" not in json.dumps(
        [list(method["responses"]) for path in described["paths"].values() for method in path.values()]
    )


@pytest.mark.slow
def test_killed_and_started_again_no_answer_is_wrong(serve, http, direct, clips):
    import httpx

    first = serve()
    port = first.url.rpartition(":")[2]
    questions = [clips(1, seed=seed) for seed in range(4)]
    expected = [direct("precomputed", **arrays)["scores"] for arrays in questions]
    outcomes = []

    def client(index):
        body = {"signature_name": "precomputed", "inputs": as_lists(questions[index])}
        with httpx.Client(timeout=20) as own:
            while not stop.is_set():
                try:
                    response = own.post(f"{first.model}:predict", json=body)
                except httpx.TransportError as error:
                    outcomes.append(type(error).__name__)
                    time.sleep(0.2)
                    continue
                if response.status_code != 200:
                    outcomes.append(response.status_code)
                    continue
                np.testing.assert_allclose(response.json()["outputs"]["scores"], expected[index], rtol=1e-4, atol=1e-6)
                outcomes.append("right")

    import threading

    stop = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(client, index) for index in range(4)]
        try:
            time.sleep(1.5)
            first.process.send_signal(signal.SIGKILL)
            first.process.wait()
            before = outcomes.count("right")
            second = serve(f"--port={port}")
            time.sleep(1.5)
        finally:
            stop.set()
        for done in clients:
            done.result()
    assert before and outcomes.count("right") > before and len(outcomes) > outcomes.count("right")
    assert second.stop() == 0  # SIGTERM ends it in peace
    assert not {status for status in outcomes if isinstance(status, int)} - {429, 503}


def command(*arguments, token):
    line = [sys.executable, "-m", "tclsta_tf.serve", *arguments]
    environment = os.environ | ({"TCLSTA_TOKEN": token} if token else {})
    return subprocess.run(line, capture_output=True, text=True, timeout=120, env=environment)


def test_the_command_refuses_what_it_cannot_do(exported, server, tmp_path):
    for arguments, part, status in [
        ((f"--model={tmp_path}",), "is not an exported model", 1),
        ((), "--model is missing", 2),
        ((f"--model={exported}", "--max_batch=0"), "`max_batch` must be above 0", 1),
        ((f"--model={exported}", "--name=a/b"), "`name` must be made of letters", 1),
        ((f"--model={exported}",), "TCLSTA_TOKEN must hold a token of at least 8", 1),
    ]:
        done = command(*arguments, token="short" if "TOKEN" in part else None)
        assert done.returncode == status and part in done.stderr and done.stderr.count("\n") == 1, done.stderr
