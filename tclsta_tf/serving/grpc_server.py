"""The Open Inference Protocol over gRPC."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

from tclsta_tf.serving import admission, engine, open_inference, refusals, rest_v1, security, served_signatures
from tclsta_tf.serving import metrics as metrics_lib

_messages = engine.messages
_CONTENTS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_ROOM = 2**16  # bytes of a message beyond those of its tensors


class Servicer(engine.InferenceServicer):
    """Answers the calls.

    Args:
        served: answers questions.
        places: for requests.
        version: of the model.
    """

    def __init__(self, served: engine.Engine, places: admission.Admission, version: str) -> None:
        super().__init__(served.plane, None)
        self._engine = served
        self._places = places
        self._version = version

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Answers a question."""
        name = request.model_name
        await self._engine.check_ready(name)
        with self._places.place(admission.QUESTION), self._places.memory() as memory:
            memory.hold(request.ByteSize())
            question = await asyncio.to_thread(decode, request, self._engine.model.signatures)
            answer = await self._engine.answer(name, question)
            return await asyncio.to_thread(encode, question, answer, name, self._version)

    async def ServerReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Tells whether the model answers."""
        return _messages.ServerReadyResponse(ready=self._engine.model.ready)

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Tells whether a model answers."""
        await self._engine.check_ready(request.name)
        return _messages.ModelReadyResponse(ready=True)

    async def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Tells inputs and outputs of the default signature."""
        found = await self._engine.describe(request.name)
        return _messages.ModelMetadataResponse(
            **found | {"platform": "tensorflow_savedmodel"}, versions=[self._version]
        )

    async def RepositoryModelLoad(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Is refused: a server serves the model it was started with."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "this server serves the model it was started with")

    RepositoryModelUnload = RepositoryModelLoad


class Gate(aio.ServerInterceptor):
    """Checks the token, turns refusals into statuses and counts calls.

    Args:
        token: that is asked for; None for none.
        metrics: count calls.
    """

    def __init__(self, token: str | None, metrics: metrics_lib.Metrics) -> None:
        self._token = token
        self._metrics = metrics

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """Wraps the handler of a call."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        method = handler_call_details.method.rsplit("/", 1)[-1]
        metadata = dict(handler_call_details.invocation_metadata or ())
        inner = handler.unary_unary

        async def guarded(request: Any, context: Any) -> Any:
            began = asyncio.get_running_loop().time()
            code = "OK"
            try:
                if method not in security.OPEN_METHODS:
                    security.check(self._token, metadata.get("authorization"))
                return await inner(request, context)
            except refusals.Refusal as refusal:
                code = refusal.grpc_code
                await context.abort(getattr(grpc.StatusCode, code), refusal.line)
            finally:
                self._metrics.observe_request(f"grpc:{method}", code, asyncio.get_running_loop().time() - began)

        return grpc.unary_unary_rpc_method_handler(guarded, handler.request_deserializer, handler.response_serializer)


def decode(request: Any, signatures: dict[str, served_signatures.Signature]) -> open_inference.Question:
    """Reads a `ModelInferRequest`; raises `refusals.Refusal` where it is malformed."""
    name = request.parameters["signature_name"].string_param if "signature_name" in request.parameters else None
    signature = rest_v1.find_signature(signatures, name if name is not None else served_signatures.DEFAULT)
    raw = request.raw_input_contents
    if len(raw) not in (0, len(request.inputs)):
        raise refusals.bad("raw_input_contents", f"none or {len(request.inputs)}", len(raw))
    arrays: served_signatures.Arrays = {}
    for index, given in enumerate(request.inputs):
        if given.name not in signature.inputs or given.name in arrays:
            expected = "one of " + ", ".join(signature.inputs) + ", each once"
            raise refusals.bad(f"inputs[{index}].name", expected, repr(given.name))
        tensor = signature.inputs[given.name]
        open_inference.check_datatype(tensor, given.datatype)
        shape = open_inference.check_shape(list(given.shape), f"inputs[{index}].shape")
        if raw:
            arrays[tensor.name] = open_inference.from_bytes(tensor, shape, raw[index])
        elif tensor.dtype == "string":
            framed = b"".join(len(item).to_bytes(4, "little") + item for item in given.contents.bytes_contents)
            arrays[tensor.name] = open_inference.from_bytes(tensor, shape, framed)
        else:
            values = list(getattr(given.contents, _CONTENTS.get(tensor.datatype, "int_contents")))
            arrays[tensor.name] = open_inference.from_list(tensor, shape, values)
    names = [output.name for output in request.outputs]
    return open_inference.Question(
        signature, arrays, open_inference.wanted_by_name(signature, names, bool(raw)), request.id
    )


def encode(question: open_inference.Question, answer: served_signatures.Arrays, model: str, version: str) -> Any:
    """Writes a `ModelInferResponse`, raw where the question was."""
    response = _messages.ModelInferResponse(model_name=model, model_version=version, id=question.request_id)
    for name, raw in question.outputs.items():
        array, tensor = answer[name], question.signature.outputs[name]
        output = response.outputs.add(name=name, datatype=tensor.datatype, shape=array.shape)
        if raw or tensor.datatype not in _CONTENTS:
            response.raw_output_contents.append(open_inference.to_bytes(array))
        else:
            getattr(output.contents, _CONTENTS[tensor.datatype]).extend(array.ravel().tolist())
    return response


async def start(
    servicer: Servicer,
    gate: Gate,
    address: str,
    max_body: int,
    max_calls: int,
) -> tuple[aio.Server, int]:
    """Starts to listen.

    Args:
        servicer: answers.
        gate: in front of it.
        address: "HOST:PORT".
        max_body: largest message, bytes.
        max_calls: most calls at a time; further ones get RESOURCE_EXHAUSTED.

    Returns:
        The server and its port.
    """
    server = aio.server(
        interceptors=(gate,),
        options=[
            ("grpc.max_receive_message_length", max_body + _ROOM),
            ("grpc.max_send_message_length", max_body + _ROOM),
            ("grpc.so_reuseport", 0),  # two servers on one port would share its calls unnoticed
        ],
        maximum_concurrent_rpcs=max_calls,
    )
    engine.services.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen at {address}: {error}") from error
    await server.start()
    return server, port
