"""The exported model in a real Triton, on loopback, over HTTP and gRPC."""

import os
import pathlib
import signal
import socket
import subprocess
import time

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
PYTHON = os.environ.get("TCLSTA_TRITON_PYTHON") or str(ROOT / ".venv-triton" / "bin" / "python")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.triton,
    pytest.mark.skipif(not pathlib.Path(PYTHON).exists(), reason="no Triton here (make install-triton)"),
]


@pytest.fixture(scope="module")
def triton(exported, http, tmp_path_factory):
    """Ports of HTTP and gRPC of a Triton that serves the tiny model."""
    with socket.socket() as a, socket.socket() as b, socket.socket() as c:
        for free in (a, b, c):
            free.bind(("127.0.0.1", 0))
        ports = [free.getsockname()[1] for free in (a, b, c)]
    script = ROOT / "configs" / "serving" / "triton" / "pytriton_server.py"
    names = ("http_port", "grpc_port", "metrics_port")
    arguments = [f"--{name}={port}" for name, port in zip(names, ports, strict=True)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    log = tmp_path_factory.mktemp("triton") / "log.txt"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [PYTHON, str(script), str(exported), "--name=tiny", *arguments],
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 180
        while True:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
            try:
                ready = [http.get(f"http://127.0.0.1:{ports[0]}/v2/models/{name}/ready") for name in MODELS]
                if all(response.status_code == 200 for response in ready):
                    break
            except Exception:  # it does not listen yet
                pass
            time.sleep(1)
        yield ports[:2]
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


MODELS = ("tiny", "tiny_precomputed", "tiny_jpeg_frames", "tiny_features")


def test_http_answers_as_the_model_does(triton, http, direct, clips):
    arrays = clips(2, seed=3)
    inputs = [
        {"name": name, "shape": list(value.shape), "datatype": "UINT8", "data": value.ravel().tolist()}
        for name, value in arrays.items()
    ]
    response = http.post(f"http://127.0.0.1:{triton[0]}/v2/models/tiny_precomputed/infer", json={"inputs": inputs})
    assert response.status_code == 200, response.text[:500]
    outputs = {output["name"]: output for output in response.json()["outputs"]}
    expected = direct("precomputed", **arrays)
    assert set(outputs) == set(expected)
    for name in ("scores", "fusion_weights", "static_temporal_attention"):
        values = np.array(outputs[name]["data"]).reshape(outputs[name]["shape"])
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-5)
    assert outputs["labels"]["data"] == [label.decode() for label in expected["labels"].ravel()]


def test_grpc_takes_raw_frames(triton, direct, card):
    grpc = pytest.importorskip("grpc")
    from tclsta_tf.serving import engine

    frames = np.random.default_rng(0).integers(0, 256, (1, 5, *card["frame_size"], 3), np.uint8)
    question = engine.messages.ModelInferRequest(model_name="tiny")
    question.inputs.add(name="frames", datatype="UINT8", shape=frames.shape)
    question.raw_input_contents.append(frames.tobytes())
    with grpc.insecure_channel(f"127.0.0.1:{triton[1]}") as channel:
        answer = engine.services.GRPCInferenceServiceStub(channel).ModelInfer(question, timeout=120)
    index = [output.name for output in answer.outputs].index("scores")
    scores = np.frombuffer(answer.raw_output_contents[index], "<f4")
    np.testing.assert_allclose(scores, direct("serving_default", frames=frames)["scores"][0], rtol=1e-4, atol=1e-5)
