"""The routes of HTTP."""

import asyncio
import dataclasses
import logging
from typing import Annotated, Any

import fastapi
import orjson
import starlette.exceptions
from fastapi import exceptions as fastapi_exceptions
from fastapi import responses

from tclsta_tf.serving import (
    admission,
    engine,
    gate,
    http_schemas,
    open_inference,
    page,
    receiving,
    refusals,
    rest_v1,
    served_signatures,
    settings,
    upload,
)
from tclsta_tf.serving import metrics as metrics_lib

_Name = Annotated[str, fastapi.Path(description="Name of the model.")]


@dataclasses.dataclass(frozen=True)
class Parts:
    """What the routes stand on.

    Attributes:
        engine: answers questions.
        uploads: answers files.
        places: for requests.
        metrics: of the server.
        serving: its settings.
        version: of the model, the name of its folder.
    """

    engine: engine.Engine
    uploads: upload.Uploads
    places: admission.Admission
    metrics: metrics_lib.Metrics
    serving: settings.ServerSettings
    version: str


def build(parts: Parts, token: str | None) -> gate.App:
    """Builds the application.

    Args:
        parts: what it stands on.
        token: that is asked for; None for none.
    """
    app = fastapi.FastAPI(
        title="TCLSTA-TF",
        version=parts.version,
        description=http_schemas.DESCRIPTION,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        responses=http_schemas.REFUSALS,
        dependencies=[fastapi.Depends(http_schemas.BEARER)] if token else [],
    )
    _add_refusals(app)
    _add_service(app, parts)
    _add_v1(app, parts)
    _add_v2(app, parts)
    names = {"model_name": [parts.serving.name], "signature_name": list(parts.engine.model.signatures)}
    app.openapi = http_schemas.described(app.openapi, names)
    return gate.Gate(app, token, parts.metrics)


def _add_service(app: fastapi.FastAPI, parts: Parts) -> None:
    text, policy = page.render(parts.serving.name)
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}

    @app.get("/", include_in_schema=False)
    async def show_page() -> responses.Response:
        return responses.HTMLResponse(text, headers=headers)

    @app.get("/healthz", summary="The process runs", tags=["service"], responses=http_schemas.NO_REFUSALS)
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/metrics", summary="Numbers for Prometheus", tags=["service"], response_class=responses.PlainTextResponse)
    async def show_metrics() -> responses.Response:
        return responses.Response(parts.metrics.text(), media_type=metrics_lib.CONTENT_TYPE)


def _add_v1(app: fastapi.FastAPI, parts: Parts) -> None:
    @app.get("/v1/models", summary="Names of the models", tags=["v1"])
    async def list_models() -> dict[str, list[str]]:
        return {"models": [parts.engine.model.name]}

    @app.get("/v1/models/{model_name}", summary="Whether a model is ready", tags=["v1"])
    async def model_ready(model_name: _Name) -> dict[str, str | bool]:
        await parts.engine.check_ready(model_name)
        return {"name": model_name, "ready": True}

    @app.post("/v1/models/{model_name}:predict", tags=["v1"], **http_schemas.PREDICT)
    async def predict(model_name: _Name, request: fastapi.Request) -> responses.Response:
        await parts.engine.check_ready(model_name)
        with parts.places.place(admission.QUESTION), parts.places.memory() as memory:
            body = await receiving.read(request, parts.serving.max_body, parts.serving.receive_timeout_s, memory)
            question = await asyncio.to_thread(rest_v1.decode, body, parts.engine.model.signatures)
            del body
            answer = await parts.engine.answer(model_name, question)
            text = await asyncio.to_thread(rest_v1.encode, question, answer)
        return responses.Response(text, media_type="application/json")

    @app.post("/v1/models/{model_name}:upload", tags=["v1"], **http_schemas.UPLOAD)
    async def classify_video(
        model_name: _Name,
        request: fastapi.Request,
        pictures: Annotated[bool, fastapi.Query(description="Whether to send pictures for a page.")] = False,
        top: Annotated[int, fastapi.Query(ge=1, le=1000, description="Classes to list.")] = 5,
        file_name: Annotated[str, fastapi.Query(description="Comes back in the answer; not a path.")] = "",
    ) -> responses.Response:
        await parts.engine.check_ready(model_name)
        answer = await parts.uploads.answer(request, top, pictures, file_name)
        return responses.Response(orjson.dumps(answer), media_type="application/json")


def _add_v2(app: fastapi.FastAPI, parts: Parts) -> None:
    @app.get("/v2", summary="About the server", tags=["v2"])
    async def server_metadata() -> http_schemas.ServerMetadataResponse:
        return http_schemas.ServerMetadataResponse(
            name="tclsta-tf", version=parts.version, extensions=["binary_tensor_data"]
        )

    @app.get("/v2/health/live", summary="The process runs", tags=["v2"], responses=http_schemas.NO_REFUSALS)
    async def live() -> http_schemas.ServerLiveResponse:
        return http_schemas.ServerLiveResponse(live=True)

    @app.get("/v2/health/ready", summary="The model answers", tags=["v2"], responses=http_schemas.NOT_READY)
    async def ready() -> http_schemas.ServerReadyResponse:
        await parts.engine.check_ready(parts.engine.model.name)
        return http_schemas.ServerReadyResponse(ready=True)

    @app.get("/v2/models/{model_name}", tags=["v2"], summary="Inputs and outputs of a signature")
    async def model_metadata(
        model_name: _Name,
        signature_name: Annotated[str, fastapi.Query(description="Of which signature.")] = served_signatures.DEFAULT,
    ) -> http_schemas.ModelMetadataResponse:
        signature = rest_v1.find_signature(parts.engine.model.signatures, signature_name)
        found = await parts.engine.describe(model_name, signature.name)
        described = found | {"platform": "tensorflow_savedmodel", "versions": [parts.version]}
        return http_schemas.ModelMetadataResponse(**described)

    @app.get("/v2/models/{model_name}/ready", tags=["v2"], summary="Whether a model is ready")
    async def v2_model_ready(model_name: _Name) -> http_schemas.ModelReadyResponse:
        await parts.engine.check_ready(model_name)
        return http_schemas.ModelReadyResponse(name=model_name, ready=True)

    @app.post("/v2/models/{model_name}/infer", tags=["v2"], **http_schemas.INFER)
    async def infer(model_name: _Name, request: fastapi.Request) -> responses.Response:
        await parts.engine.check_ready(model_name)
        length = request.headers.get(open_inference.JSON_LENGTH)
        with parts.places.place(admission.QUESTION), parts.places.memory() as memory:
            body = await receiving.read(request, parts.serving.max_body, parts.serving.receive_timeout_s, memory)
            question = await asyncio.to_thread(open_inference.decode, body, length, parts.engine.model.signatures)
            answer = await parts.engine.answer(model_name, question)
            text, json_length = await asyncio.to_thread(
                open_inference.encode, question, answer, model_name, parts.version
            )
        if json_length is None:
            return responses.Response(text, media_type="application/json")
        headers = {open_inference.JSON_LENGTH: str(json_length)}
        return responses.Response(text, media_type=open_inference.BINARY, headers=headers)


def _add_refusals(app: fastapi.FastAPI) -> None:
    @app.exception_handler(refusals.Refusal)
    async def refuse(_: fastapi.Request, error: Any) -> responses.Response:
        return responses.JSONResponse({"error": error.line}, int(error.status), error.headers)

    @app.exception_handler(fastapi_exceptions.RequestValidationError)
    async def refuse_parameters(_: fastapi.Request, error: Any) -> responses.Response:
        first = error.errors()[0]
        line = refusals.bad(".".join(map(str, first["loc"][1:])), first["msg"], ascii(first.get("input"))).line
        return responses.JSONResponse({"error": line}, 400)

    @app.exception_handler(starlette.exceptions.HTTPException)
    async def refuse_address(request: fastapi.Request, error: Any) -> responses.Response:
        line = f"{error.detail}: {request.method} {request.url.path[:100]!a}"
        return responses.JSONResponse({"error": line}, error.status_code, error.headers)

    @app.exception_handler(starlette.requests.ClientDisconnect)
    async def forget(_: fastapi.Request, __: Any) -> responses.Response:
        return responses.JSONResponse({"error": "the client has gone"}, 400)

    @app.exception_handler(Exception)
    async def report(request: fastapi.Request, error: Any) -> responses.Response:
        logging.getLogger(__name__).error("%s %s", request.method, request.url.path[:100], exc_info=error)
        return responses.JSONResponse({"error": "an internal error; the server's log has the details"}, 500)
