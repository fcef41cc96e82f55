"""What the OpenAPI description says about bodies, answers and refusals."""

from collections.abc import Callable
from typing import Any, TypeAlias

from fastapi import security as fastapi_security
from kserve.protocol.rest import v2_datamodels

ServerMetadataResponse = v2_datamodels.ServerMetadataResponse
ServerLiveResponse = v2_datamodels.ServerLiveResponse
ServerReadyResponse = v2_datamodels.ServerReadyResponse
ModelMetadataResponse = v2_datamodels.ModelMetadataResponse
ModelReadyResponse = v2_datamodels.ModelReadyResponse

DESCRIPTION = (
    "A two-stream video classifier: TensorFlow Serving's REST form under /v1, the Open Inference Protocol under /v2, "
    'and uploads of video files. What is wrong with a request is said in one line: {"error": "..."}.'
)

# It describes only; the token is checked in front of every route.
BEARER = fastapi_security.HTTPBearer(auto_error=False, description="The server's token.")

_Content: TypeAlias = dict[str, Any]


def _json(**schema: Any) -> _Content:
    """A JSON object as the content of a body."""
    return {"application/json": {"schema": {"type": "object", **schema}}}


_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ERROR = _json(
    required=["error"],
    additionalProperties=False,
    properties={"error": {"type": "string", "description": "One line: field, expected, received."}},
)


def _refusals(**reasons: str) -> dict[int | str, dict[str, Any]]:
    return {int(status[1:]): {"description": reason, "content": _ERROR} for status, reason in reasons.items()}


REFUSALS = _refusals(
    _400="The request is malformed or does not fit the model.",
    _401="The token is missing or wrong.",
    _404="There is no such model or address.",
    _503="The model is being loaded, or the server is stopping or short of memory.",
)
NO_REFUSALS: dict[int | str, dict[str, Any]] = _refusals(_400="The request is malformed.")
NOT_READY = _refusals(_503="The model is being loaded, or the server is stopping.")
_BODY = _refusals(
    _408="The body took too long to arrive.",
    _413="The body, or what it holds, is too large.",
    _415="The body is compressed, or of another type.",
    _429="The server has enough to do; `Retry-After` says when to try again.",
    _504="The answer took too long.",
)


def _route(summary: str, takes: _Content, answer: str, gives: _Content, **more: Any) -> dict[str, Any]:
    """Arguments of a route whose request has a body."""
    return {
        "summary": summary,
        "responses": {200: {"description": answer, "content": gives}, **_BODY},
        "openapi_extra": {**more, "requestBody": {"required": True, "content": takes}},
    }


_PARAMETERS = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1},
        "datatype": {"enum": ["BOOL", "UINT8", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"]},
        "parameters": _PARAMETERS,
        "data": {"type": "array", "description": "Flat or nested."},
    },
}

PREDICT = _route(
    "Classify clips, by row or by column",
    _json(
        additionalProperties=False,
        properties={
            "signature_name": {"type": "string"},
            "instances": {"type": "array", "minItems": 1},
            "inputs": {"description": "Name -> tensor, or the only tensor."},
        },
        oneOf=[{"required": ["instances"]}, {"required": ["inputs"]}],
    ),
    "The answer: `predictions` by row or `outputs` by column.",
    _json(properties={"predictions": {"type": "array"}, "outputs": {}}),
)
"""Arguments of the route `:predict`."""

INFER = _route(
    "Classify clips",
    _json(
        required=["inputs"],
        properties={
            "id": {"type": "string"},
            "parameters": _PARAMETERS,
            "inputs": {"type": "array", "items": _TENSOR, "minItems": 1},
            "outputs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"type": "string"}, "parameters": _PARAMETERS},
                },
            },
        },
    ),
    "The answer; tensors asked for as binary data stand behind the JSON.",
    {**_json(required=["model_name", "outputs"]), "application/octet-stream": _BINARY},
    parameters=[
        {
            "name": "Inference-Header-Content-Length",
            "in": "header",
            "required": False,
            "description": "Length of the JSON where binary tensors follow it.",
            "schema": {"type": "integer", "minimum": 0},
        }
    ],
)
"""Arguments of the route `/infer`."""

UPLOAD = _route(
    "Classify a video file",
    {"video/mp4": _BINARY, "application/octet-stream": _BINARY},
    "Classes, scores, weights and attention over time.",
    _json(required=["label", "score", "top", "scores"]),
)
"""Arguments of the route `:upload`."""


def described(describe: Callable[[], dict[str, Any]], names: dict[str, list[str]]) -> Callable[[], dict[str, Any]]:
    """Makes FastAPI's description true for one server.

    Args:
        describe: gives FastAPI's description. It has status 422 for every route with parameters, where this server
            answers 400.
        names: parameter -> the values it can have here.
    """

    def describe_this() -> dict[str, Any]:
        schema = describe()
        for path in schema["paths"].values():
            for method in path.values():
                method["responses"].pop("422", None)
                for parameter in method.get("parameters", []):
                    if parameter["name"] in names:
                        parameter["schema"]["enum"] = names[parameter["name"]]
        for name in ("HTTPValidationError", "ValidationError"):
            schema.get("components", {}).get("schemas", {}).pop(name, None)
        return schema

    return describe_this
