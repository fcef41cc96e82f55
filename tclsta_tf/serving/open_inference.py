"""The Open Inference Protocol, version 2: requests and answers in JSON, with binary tensors behind it, and in gRPC."""

import dataclasses
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from tclsta_tf.serving import refusals, rest_v1, served_signatures

JSON_LENGTH = "inference-header-content-length"
"""Header that tells where the JSON ends and the binary tensors begin."""
BINARY = "application/octet-stream"

_MAX_AXES = 16


@dataclasses.dataclass(frozen=True)
class Question:
    """A request, decoded.

    Attributes:
        signature: that is asked.
        arrays: its inputs.
        outputs: names of the outputs that are wanted, and whether each comes as binary data.
        request_id: "" for none.
    """

    signature: served_signatures.Signature
    arrays: served_signatures.Arrays
    outputs: Mapping[str, bool]
    request_id: str = ""


def decode(body: bytes, json_length: str | None, signatures: Mapping[str, served_signatures.Signature]) -> Question:
    """Reads a request of HTTP.

    Args:
        body: of the request.
        json_length: its header `Inference-Header-Content-Length`, None where it has none.
        signatures: by name.

    Raises:
        refusals.Refusal: it is malformed.
    """
    length = len(body)
    if json_length is not None:
        if not json_length.isascii() or not json_length.isdecimal() or int(json_length[:20]) > len(body):
            raise refusals.bad(JSON_LENGTH, f"a number up to {len(body)}", json_length)
        length = int(json_length)
    request = rest_v1.parse_json(body[:length])
    parameters = _mapping(request.get("parameters"), "parameters")
    signature = rest_v1.find_signature(signatures, parameters.get("signature_name", served_signatures.DEFAULT))
    rest = memoryview(body)[length:]
    arrays: dict[str, np.ndarray] = {}
    for index, given in enumerate(_list(request.get("inputs"), "inputs")):
        field = f"inputs[{index}]"
        given = _mapping(given, field)
        tensor = _find(signature, given.get("name"), f"{field}.name", arrays)
        shape = check_shape(given.get("shape"), f"{field}.shape")
        check_datatype(tensor, given.get("datatype"))
        size = _mapping(given.get("parameters"), f"{field}.parameters").get("binary_data_size")
        if size is None:
            arrays[tensor.name] = from_list(tensor, shape, given.get("data"))
            continue
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(rest):
            raise refusals.bad(f"{field}.parameters.binary_data_size", f"a number up to {len(rest)}", size)
        arrays[tensor.name] = from_bytes(tensor, shape, rest[:size])
        rest = rest[size:]
    if len(rest):
        raise refusals.bad("body", "as long as its tensors say", f"{len(rest)} bytes more")
    request_id = request.get("id", "")
    if not isinstance(request_id, str):
        raise refusals.bad("id", "a string", type(request_id).__name__)
    binary = parameters.get("binary_data_output", False) is True
    return Question(signature, arrays, _wanted(signature, request.get("outputs"), binary), request_id)


def encode(question: Question, answer: served_signatures.Arrays, model: str, version: str) -> tuple[bytes, int | None]:
    """Writes the answer for HTTP.

    Returns:
        The body, and the length of its JSON where binary tensors follow it.
    """
    described, pieces = [], []
    for name, binary in question.outputs.items():
        array = answer[name]
        entry = question.signature.outputs[name].describe() | {"shape": list(array.shape)}
        if binary:
            pieces.append(to_bytes(array))
            entry["parameters"] = {"binary_data_size": len(pieces[-1])}
        elif array.dtype == object:
            entry["data"] = [item.decode("utf-8", "replace") for item in array.ravel()]
        else:
            entry["data"] = np.ascontiguousarray(array).ravel()
        described.append(entry)
    head: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": described}
    if question.request_id:
        head["id"] = question.request_id
    text = orjson.dumps(head, option=orjson.OPT_SERIALIZE_NUMPY)
    return b"".join([text, *pieces]), len(text) if pieces else None


def check_shape(shape: object, field: str) -> tuple[int, ...]:
    """Checks the shape that a request states; raises `refusals.Refusal` where it is none."""
    if not isinstance(shape, Sequence) or isinstance(shape, str) or not 1 <= len(shape) <= _MAX_AXES:
        raise refusals.bad(field, f"a list of 1 to {_MAX_AXES} sizes", shape)
    if any(isinstance(side, bool) or not isinstance(side, int) or not 0 <= side < 2**31 for side in shape):
        raise refusals.bad(field, "a list of sizes", shape)
    return tuple(shape)


def check_datatype(tensor: served_signatures.Tensor, datatype: object) -> None:
    """Compares the type that a request states; raises `refusals.Refusal` where it is another one."""
    if datatype != tensor.datatype:
        raise refusals.bad(f"datatype of {tensor.name}", tensor.datatype, datatype)


def from_list(tensor: served_signatures.Tensor, shape: tuple[int, ...], data: object) -> np.ndarray:
    """Makes an array of a flat or nested list of JSON; raises `refusals.Refusal` where it does not fit its shape."""
    if not isinstance(data, list):
        raise refusals.bad(f"data of {tensor.name}", "a list", type(data).__name__)
    array = rest_v1.to_array(tensor, data)
    if array.shape != shape and array.ndim != 1:
        raise refusals.bad(f"data of {tensor.name}", f"flat or of shape {list(shape)}", list(array.shape))
    return _shaped(tensor, shape, array)


def from_bytes(tensor: served_signatures.Tensor, shape: tuple[int, ...], data: bytes | memoryview) -> np.ndarray:
    """Makes an array of binary data, strings having their length in 4 bytes in front of them.

    Raises:
        refusals.Refusal: the data is too short or too long for its shape.
    """
    if tensor.dtype == "string":
        return _shaped(tensor, shape, _split_strings(tensor, data))
    expected = math.prod(shape) * tensor.numpy_dtype.itemsize
    if len(data) != expected:
        raise refusals.bad(f"data of {tensor.name}", f"{expected} bytes for its shape", f"{len(data)} bytes")
    array = np.frombuffer(data, tensor.numpy_dtype.newbyteorder("<")).astype(tensor.numpy_dtype, copy=False)
    return array.reshape(shape)


def to_bytes(array: np.ndarray) -> bytes:
    """Writes an array as binary data."""
    if array.dtype == object:
        return b"".join(struct.pack("<I", len(item)) + item for item in array.ravel())
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def wanted_by_name(signature: served_signatures.Signature, names: Sequence[str], binary: bool) -> dict[str, bool]:
    """The outputs that are asked for by name, all of them where none is named."""
    for index, name in enumerate(names):
        if name not in signature.outputs:
            raise refusals.bad(f"outputs[{index}].name", "one of " + ", ".join(signature.outputs), name)
    return dict.fromkeys(names or signature.outputs, binary)


def _wanted(signature: served_signatures.Signature, outputs: object, binary: bool) -> dict[str, bool]:
    if outputs is None or outputs == []:
        return wanted_by_name(signature, [], binary)
    wanted: dict[str, bool] = {}
    for index, given in enumerate(_list(outputs, "outputs")):
        given = _mapping(given, f"outputs[{index}]")
        name = given.get("name")
        if not isinstance(name, str):
            raise refusals.bad(f"outputs[{index}].name", "a string", type(name).__name__)
        own = _mapping(given.get("parameters"), f"outputs[{index}].parameters").get("binary_data", binary)
        wanted |= wanted_by_name(signature, [name], own is True)
    return wanted


def _find(
    signature: served_signatures.Signature, name: object, field: str, have: Mapping[str, Any]
) -> served_signatures.Tensor:
    if not isinstance(name, str) or name not in signature.inputs or name in have:
        expected = "one of " + ", ".join(signature.inputs) + ", each once"
        raise refusals.bad(field, expected, repr(name))
    return signature.inputs[name]


def _shaped(tensor: served_signatures.Tensor, shape: tuple[int, ...], array: np.ndarray) -> np.ndarray:
    if array.size != math.prod(shape):
        raise refusals.bad(f"data of {tensor.name}", f"{math.prod(shape)} values for its shape", f"{array.size} values")
    return array.reshape(shape)


def _split_strings(tensor: served_signatures.Tensor, data: bytes | memoryview) -> np.ndarray:
    strings, place = [], 0
    while place < len(data):
        end = place + 4
        if end <= len(data):
            end += struct.unpack_from("<I", data, place)[0]
        if end > len(data) or end < place + 4:
            raise refusals.bad(f"data of {tensor.name}", "strings with their lengths in front", "a cut off one")
        strings.append(bytes(data[place + 4 : end]))
        place = end
    array = np.empty(len(strings), object)
    array[:] = strings
    return array


def _mapping(value: object, field: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise refusals.bad(field, "an object", type(value).__name__)
    return value


def _list(value: object, field: str) -> list[Any]:
    if not isinstance(value, list):
        raise refusals.bad(field, "a list", type(value).__name__)
    return value
