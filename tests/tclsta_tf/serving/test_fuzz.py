"""Random requests: no answer of 5xx, no crash."""

import base64
import struct

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from tclsta_tf.serving import checks, refusals, served_signatures, settings

pytest.importorskip("orjson", reason="orjson comes with kserve (make install-serve)")
from tclsta_tf.serving import open_inference, rest_v1  # noqa: E402

FUZZ = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])  # busy machines
Tensor = served_signatures.Tensor
SIGNATURES = {
    "serving_default": served_signatures.Signature(
        "serving_default",
        {"frames": Tensor("frames", "uint8", (None, None, 8, 8, 3))},
        {"scores": Tensor("scores", "float32", (None, 2))},
        lambda arrays: {},
    ),
    "jpeg_frames": served_signatures.Signature(
        "jpeg_frames",
        {"jpeg_frames": Tensor("jpeg_frames", "string", (None, None)), "mask": Tensor("mask", "bool", (None, None))},
        {"scores": Tensor("scores", "float32", (None, 2))},
        lambda arrays: {},
    ),
    "numbers": served_signatures.Signature(
        "numbers",
        {"x": Tensor("x", "float32", (None, 2)), "n": Tensor("n", "int64", (None,))},
        {"scores": Tensor("scores", "float32", (None, 2))},
        lambda arrays: {},
    ),
}
CHECKER = checks.Checker({"crop_size": 4, "frame_size": [8, 8]}, settings.Limits(max_frames=5, max_pixels=100), 4)

NAMES = st.sampled_from(["frames", "jpeg_frames", "mask", "x", "n", "inputs", "b64", "name", "shape", "datatype"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)
NAME = st.sampled_from([*SIGNATURES, "other"]) | JSON


def check(decode):
    """Decoding and checking end with a question or with a refusal of 4xx in one line, with nothing else."""
    try:
        question = decode()
        CHECKER.check(question.signature, question.arrays)
    except refusals.Refusal as refusal:
        assert 400 <= refusal.status < 500 and refusal.line and "\n" not in refusal.line


@FUZZ
@hypothesis.given(st.dictionaries(st.sampled_from(["signature_name", "instances", "inputs", "x"]), JSON | NAME))
def test_rows_and_columns(values):
    import orjson

    try:
        body = orjson.dumps(values)
    except TypeError:  # an integer beyond 64 bits, which JSON can hold
        body = __import__("json").dumps(values).encode()
    check(lambda: rest_v1.decode(body, SIGNATURES))


@FUZZ
@hypothesis.given(st.binary(max_size=200))
def test_bytes_that_are_no_json(body):
    check(lambda: rest_v1.decode(body, SIGNATURES))
    check(lambda: open_inference.decode(body, None, SIGNATURES))


@FUZZ
@hypothesis.given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "name": NAMES | JSON,
                "shape": st.lists(st.integers(-1, 9) | st.integers(), max_size=6) | JSON,
                "datatype": st.sampled_from(["UINT8", "BYTES", "BOOL", "FP32", "INT64"]) | JSON,
                "data": st.lists(st.integers(0, 255) | st.booleans() | st.text(max_size=3), max_size=8) | JSON,
                "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 60)}) | JSON,
            },
        ),
        max_size=3,
    ),
    NAME,
    st.binary(max_size=64),
)
def test_tensors_of_open_inference(inputs, signature, rest):
    text = __import__("json").dumps({"inputs": inputs, "parameters": {"signature_name": signature}}).encode()
    check(lambda: open_inference.decode(text + rest, str(len(text)), SIGNATURES))


@FUZZ
@hypothesis.given(st.binary(max_size=300), st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_binary_tensors(data, shape):
    for tensor in (Tensor("a", "string", (None,)), Tensor("b", "float32", (None, None))):
        try:
            array = open_inference.from_bytes(tensor, tuple(shape), data)
        except refusals.Refusal:
            continue
        assert list(array.shape) == shape and open_inference.to_bytes(array) == data or array.dtype == object


@FUZZ
@hypothesis.given(st.lists(st.binary(max_size=40), max_size=5))
def test_strings_survive(strings):
    array = np.empty(len(strings), object)
    array[:] = strings
    tensor = Tensor("a", "string", (None,))
    back = open_inference.from_bytes(tensor, (len(strings),), open_inference.to_bytes(array))
    assert back.tolist() == strings
    given = [{"b64": base64.b64encode(one).decode()} for one in strings]
    assert rest_v1.to_array(tensor, given).tolist() == strings


@FUZZ
@hypothesis.given(st.binary(max_size=400), st.integers(0, 65535), st.integers(0, 65535))
def test_headers_of_jpegs(tail, height, width):
    data = b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + tail
    array = np.empty((1, 1), object)
    array[0, 0] = data
    signature = SIGNATURES["jpeg_frames"]
    try:
        CHECKER.check(signature, {"jpeg_frames": array, "mask": np.ones((1, 1), bool)})
    except refusals.Refusal as refusal:
        assert refusal.status == 400
    else:
        assert (height, width) == (8, 8)


@pytest.mark.slow
def test_schemathesis_finds_no_failure(server, tmp_path):
    """Requests made from the OpenAPI description: answers are of a documented status and form, none of 5xx."""
    import shutil
    import subprocess
    import sys
    from pathlib import Path

    tool = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    if tool is None:
        pytest.skip("schemathesis is not installed (make install-serve)")
    line = [
        tool, "run", f"{server.url}/openapi.json", "--max-examples=15", "--seed=1", "--no-color",
        "--checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--request-timeout=30", "--phases=examples,coverage,fuzzing", "--suppress-health-check=all",
    ]  # fmt: skip
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
