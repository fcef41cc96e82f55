"""Serves the exported model by Triton through PyTriton, since newer Triton releases have no TensorFlow backend.

python configs/serving/triton/pytriton_server.py run/export/1 --name=tclsta --http_port=8000 --grpc_port=8001

It needs an environment of its own: make install-triton. Triton's own libraries want the running Python's libpython:
this script starts itself again with LD_LIBRARY_PATH where it is not set.
"""

import argparse
import os
import sys
import sysconfig

_TYPES = {"string": bytes}


def main() -> None:
    """Loads the model and serves every signature until it is asked to end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder of an exported model, e.g. run/export/1")
    parser.add_argument("--name", default="tclsta", help="name of the model")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--http_port", type=int, default=8000)
    parser.add_argument("--grpc_port", type=int, default=8001)
    parser.add_argument("--metrics_port", type=int, default=8002)
    parser.add_argument("--max_batch", type=int, default=8)
    arguments = parser.parse_args()
    _find_libpython()
    import numpy as np
    import tensorflow as tf
    from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
    from pytriton.triton import Triton, TritonConfig

    loaded = tf.saved_model.load(arguments.model)

    def tensors(specs: dict) -> list[Tensor]:
        return [
            Tensor(
                name=name,
                dtype=_TYPES.get(spec.dtype.name) or np.dtype(spec.dtype.as_numpy_dtype).type,
                shape=tuple(-1 if side is None else side for side in spec.shape[1:]),
            )
            for name, spec in sorted(specs.items())
        ]

    def answering(function):  # noqa: ANN001, ANN202
        def infer(requests: list) -> list[dict]:
            answers = []
            for request in requests:
                outputs = function(**{name: tf.constant(value) for name, value in request.data.items()})
                answers.append({name: value.numpy() for name, value in outputs.items()})
            return answers

        return infer

    config = TritonConfig(
        http_address=arguments.host,
        grpc_address=arguments.host,
        metrics_address=arguments.host,
        http_port=arguments.http_port,
        grpc_port=arguments.grpc_port,
        metrics_port=arguments.metrics_port,
    )
    with Triton(config=config) as triton:
        for signature, function in loaded.signatures.items():
            triton.bind(
                model_name=arguments.name if signature == "serving_default" else f"{arguments.name}_{signature}",
                infer_func=answering(function),
                inputs=tensors(function.structured_input_signature[1]),
                outputs=tensors(function.structured_outputs),
                config=ModelConfig(
                    batching=True,
                    max_batch_size=arguments.max_batch,
                    batcher=DynamicBatcher(max_queue_delay_microseconds=5000),
                ),
                strict=False,
            )
        triton.serve()


def _find_libpython() -> None:
    folder = sysconfig.get_config_var("LIBDIR")
    present = os.environ.get("LD_LIBRARY_PATH", "")
    if folder and folder not in present.split(os.pathsep):
        os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(part for part in (folder, present) if part)
        os.execv(sys.executable, [sys.executable, *sys.argv])


if __name__ == "__main__":
    main()
