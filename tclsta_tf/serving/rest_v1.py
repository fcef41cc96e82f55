"""TensorFlow Serving's REST form: `{"instances": [...]}` by row, `{"inputs": {...}}` by column."""

import base64
import binascii
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from tclsta_tf.serving import refusals, served_signatures

_BOUNDS = {"uint8": (0, 255), "int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


@dataclasses.dataclass(frozen=True)
class Question:
    """A request, decoded.

    Attributes:
        signature: that is asked.
        arrays: its inputs.
        by_row: whether the answer comes by row.
    """

    signature: served_signatures.Signature
    arrays: served_signatures.Arrays
    by_row: bool


def parse_json(body: bytes, nothing: str = "a JSON object") -> dict[str, Any]:
    """Reads a JSON object; NaN, Infinity, and nesting beyond 1024 levels are no JSON here.

    Raises:
        refusals.Refusal: it is none.
    """
    if not body:
        raise refusals.bad("body", nothing, "0 bytes")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise refusals.Refusal(400, f"`body` must be JSON: {error}") from error
    if not isinstance(value, dict):
        raise refusals.bad("body", nothing, type(value).__name__)
    return value


def decode(body: bytes, signatures: Mapping[str, served_signatures.Signature]) -> Question:
    """Reads a request.

    Args:
        body: of the request.
        signatures: by name.

    Raises:
        refusals.Refusal: it is malformed.
    """
    request = parse_json(body)
    unknown = set(request) - {"signature_name", "instances", "inputs"}
    if unknown:
        raise refusals.bad("body", "of the keys signature_name and instances or inputs", sorted(unknown)[0])
    signature = find_signature(signatures, request.get("signature_name", served_signatures.DEFAULT))
    if ("instances" in request) == ("inputs" in request):
        raise refusals.Refusal(400, "`body` must hold either `instances` (by row) or `inputs` (by column)")
    if "instances" in request:
        columns = _columns(signature, request["instances"])
    else:
        columns = request["inputs"]
        if len(signature.inputs) == 1 and not (isinstance(columns, dict) and set(columns) == set(signature.inputs)):
            columns = {next(iter(signature.inputs)): columns}
        if not isinstance(columns, dict):
            raise refusals.bad("inputs", f"an object with {', '.join(signature.inputs)}", type(columns).__name__)
    _check_names(signature, columns, "inputs")
    arrays = {name: to_array(signature.inputs[name], values) for name, values in columns.items()}
    return Question(signature, arrays, by_row="instances" in request)


def find_signature(signatures: Mapping[str, served_signatures.Signature], name: object) -> served_signatures.Signature:
    """Finds a signature by the name that a request gave; raises `refusals.Refusal` where there is none."""
    if not isinstance(name, str) or name not in signatures:
        raise refusals.bad("signature_name", "one of " + ", ".join(signatures), repr(name))
    return signatures[name]


def encode(question: Question, answer: served_signatures.Arrays) -> bytes:
    """Writes the answer in the form in which was asked."""
    columns = {name: _jsonable(array) for name, array in sorted(answer.items())}
    if not question.by_row:
        only = len(columns) == 1
        return _dump({"outputs": next(iter(columns.values())) if only else columns})
    count = len(next(iter(answer.values())))
    rows: list[Any] = [{name: values[i] for name, values in columns.items()} for i in range(count)]
    if len(columns) == 1:
        rows = [next(iter(row.values())) for row in rows]
    return _dump({"predictions": rows})


def to_array(tensor: served_signatures.Tensor, values: object) -> np.ndarray:
    """Makes an array of nested JSON lists.

    Raises:
        refusals.Refusal: a value is of another type or out of range, or the lists are uneven.
    """
    name = tensor.name
    if tensor.dtype == "string":
        return _strings(name, values)
    try:
        array = np.array(values)
    except (ValueError, OverflowError) as error:
        raise refusals.bad(name, "lists of even length, one in another", error) from error
    kind = array.dtype.kind
    if tensor.dtype == "bool":
        if kind != "b":
            raise refusals.bad(name, "of true and false", _kind(array))
        return array
    if tensor.dtype in _BOUNDS:
        low, high = _BOUNDS[tensor.dtype]
        if kind not in "iu":
            raise refusals.bad(name, f"of integers in [{low}, {high}]", _kind(array))
        if array.size and (int(array.min()) < low or int(array.max()) > high):
            raise refusals.bad(name, f"of integers in [{low}, {high}]", f"{array.min()} to {array.max()}")
    elif kind not in "iuf":
        raise refusals.bad(name, "of numbers", _kind(array))
    return array.astype(tensor.numpy_dtype)


def _columns(signature: served_signatures.Signature, rows: object) -> dict[str, list[Any]]:
    if not isinstance(rows, list) or not rows:
        raise refusals.bad("instances", "a list of one instance or more", "[]" if rows == [] else type(rows).__name__)
    names = list(signature.inputs)
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for index, row in enumerate(rows):
        if len(names) == 1 and not (isinstance(row, dict) and set(row) == set(names)):
            row = {names[0]: row}
        if not isinstance(row, dict):
            raise refusals.bad(f"instances[{index}]", f"an object with {', '.join(names)}", type(row).__name__)
        _check_names(signature, row, f"instances[{index}]")
        for name, values in row.items():
            columns[name].append(values)
    return columns


def _check_names(signature: served_signatures.Signature, given: Mapping[str, Any], field: str) -> None:
    if set(given) != set(signature.inputs):
        expected = f"an object with {', '.join(signature.inputs)}"
        raise refusals.bad(field, expected, ", ".join(sorted(given)) or "an empty object")


def _strings(name: str, values: object) -> np.ndarray:
    """An object array of bytes. NumPy is not asked for the shape: it would look into the strings' objects."""
    shape: list[int] = []
    level = values
    while isinstance(level, list) and len(shape) < 32:
        shape.append(len(level))
        level = level[0] if level else None
    flat: list[bytes] = []
    _flatten(name, values, shape, flat)
    array = np.empty(len(flat), object)
    array[:] = flat
    return array.reshape(shape)


def _flatten(name: str, values: Any, shape: list[int], flat: list[bytes]) -> None:
    if not shape:
        flat.append(_bytes(name, values))
        return
    if not isinstance(values, list) or len(values) != shape[0]:
        raise refusals.bad(name, "lists of even length, one in another", "uneven lists")
    for value in values:
        _flatten(name, value, shape[1:], flat)


def _bytes(name: str, value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise refusals.bad(name, "valid base64 in b64", error) from error
    raise refusals.bad(name, 'of strings, binary ones as {"b64": "..."}', type(value).__name__)


def _jsonable(array: np.ndarray) -> Any:
    if array.dtype == object:
        return [_jsonable(item) for item in array] if array.ndim > 1 else [_text(item) for item in array]
    return np.ascontiguousarray(array)


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _dump(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _kind(array: np.ndarray) -> str:
    names = {"b": "booleans", "i": "integers", "u": "integers", "f": "fractions", "U": "text"}
    return names.get(array.dtype.kind, "mixed values or objects")
