"""KServe's engine: its model, data plane and messages, on which HTTP and gRPC stand.

KServe's own listeners are not used: they bind to every address, read bodies without a limit, and report errors with a
traceback in the log for each.
"""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any

from tclsta_tf.serving import batching, checks, refusals, served_signatures


@contextlib.contextmanager
def _hidden_arguments() -> Iterator[None]:
    """KServe parses the command line when it is imported, and would end the process over our flags."""
    arguments, sys.argv = sys.argv, sys.argv[:1]
    try:
        yield
    finally:
        sys.argv = arguments


with _hidden_arguments():
    import kserve
    from kserve.protocol import dataplane
    from kserve.protocol.grpc import grpc_predict_v2_pb2, grpc_predict_v2_pb2_grpc, servicer

logging.getLogger("kserve").setLevel(logging.ERROR)

messages = grpc_predict_v2_pb2
services = grpc_predict_v2_pb2_grpc
InferenceServicer = servicer.InferenceServicer


class ServedModel(kserve.Model):
    """A model of KServe that answers checked questions in batches.

    Args:
        name: of the model.
        signatures: by name.
        checker: of questions.
        batcher: that calls the signatures.
    """

    def __init__(
        self,
        name: str,
        signatures: dict[str, served_signatures.Signature],
        checker: checks.Checker,
        batcher: batching.Batcher,
    ) -> None:
        super().__init__(name)
        self.signatures = signatures
        self._checker = checker
        self._batcher = batcher

    async def predict(
        self, payload: Any, headers: dict[str, str] | None = None, response_headers: dict[str, str] | None = None
    ) -> served_signatures.Arrays:
        """Answers a decoded question (`rest_v1.Question` or `open_inference.Question`)."""
        count = await asyncio.to_thread(self._checker.check, payload.signature, payload.arrays)
        return await self._batcher.ask(payload.signature, payload.arrays, count)

    def get_input_types(self) -> list[dict[str, Any]]:
        """Inputs of the signature that is asked where none is named."""
        return [tensor.describe() for tensor in self.signatures[served_signatures.DEFAULT].inputs.values()]

    def get_output_types(self) -> list[dict[str, Any]]:
        """Outputs of that signature."""
        return [tensor.describe() for tensor in self.signatures[served_signatures.DEFAULT].outputs.values()]


class Engine:
    """The data plane of one model.

    Args:
        model: that is served.
    """

    def __init__(self, model: ServedModel) -> None:
        self.model = model
        registry = kserve.ModelRepository()
        registry.update(model)
        self.plane = dataplane.DataPlane(model_registry=registry)

    async def answer(self, name: str, question: Any) -> served_signatures.Arrays:
        """Asks the model; raises `refusals.Refusal` where it does not exist (404), is not ready (503) or refuses."""
        await self.check_ready(name)
        answer, _ = await self.plane.infer(model_name=name, request=question, headers={})
        return answer

    async def check_ready(self, name: str) -> None:
        """Raises `refusals.Refusal` where there is no such model (404) or it is not ready (503)."""
        try:
            ready = await self.plane.model_ready(name, disable_predictor_health_check=True)
        except kserve.errors.ModelNotFound as error:
            raise refusals.Refusal(404, f"there is no model {name[:40]!r}; this is {self.model.name}") from error
        if not ready:
            raise refusals.Refusal(503, "the model is being loaded", retry_after=5)

    async def describe(self, name: str, signature: str = served_signatures.DEFAULT) -> dict[str, Any]:
        """Metadata of the model in the Open Inference Protocol, of one of its signatures."""
        await self.check_ready(name)
        if signature == served_signatures.DEFAULT:
            return await self.plane.model_metadata(name)
        found = self.model.signatures[signature]
        return {
            "name": name,
            "platform": "",
            "inputs": [tensor.describe() for tensor in found.inputs.values()],
            "outputs": [tensor.describe() for tensor in found.outputs.values()],
        }
