"""Writes the files with which other servers run the same SavedModel, from the model's own signatures.

TensorFlow Serving and Triton both look for numbered versions of a model: `models/NAME/1` and `NAME/1/model.savedmodel`.
"""

from collections.abc import Mapping

from tclsta_tf.serving import served_signatures
from tfrecords_tools import storage

_TRITON_TYPES = {
    "uint8": "TYPE_UINT8",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "float16": "TYPE_FP16",
    "float32": "TYPE_FP32",
    "float64": "TYPE_FP64",
    "bool": "TYPE_BOOL",
    "string": "TYPE_STRING",
}


def write(
    folder: storage.AnyPath,
    signatures: Mapping[str, served_signatures.Signature],
    name: str,
    max_batch: int,
    wait_ms: float,
) -> list[storage.AnyPath]:
    """Writes `tensorflow_serving/{models,batching}.config` and `triton/NAME[_SIGNATURE]/config.pbtxt`.

    Args:
        folder: under which they are written; files that are there are replaced.
        signatures: of the exported model.
        name: of the model.
        max_batch: most clips in one call.
        wait_ms: longest time a clip waits for others, milliseconds.

    Returns:
        The files.
    """
    micros = round(1000 * wait_ms)
    files = {
        folder / "tensorflow_serving" / "models.config": models_config(name),
        folder / "tensorflow_serving" / "batching.config": batching_config(max_batch, micros),
    }
    for signature in signatures.values():
        model = triton_name(name, signature.name)
        files[folder / "triton" / model / "config.pbtxt"] = triton_config(signature, model, max_batch, micros)
    for file, text in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return list(files)


def models_config(name: str) -> str:
    """Text of a `tensorflow.serving.ModelServerConfig`."""
    return (
        "model_config_list {\n"
        "  config {\n"
        f'    name: "{name}"\n'
        f'    base_path: "/models/{name}"\n'
        '    model_platform: "tensorflow"\n'
        "    model_version_policy { latest { num_versions: 1 } }\n"
        "  }\n"
        "}\n"
    )


def batching_config(max_batch: int, micros: int) -> str:
    """Text of a `tensorflow.serving.BatchingParameters`."""
    sizes = sorted({2**power for power in range(max_batch.bit_length()) if 2**power < max_batch} | {max_batch})
    return (
        f"max_batch_size {{ value: {max_batch} }}\n"
        f"batch_timeout_micros {{ value: {micros} }}\n"
        "max_enqueued_batches { value: 64 }\n"
        "num_batch_threads { value: 2 }\n" + "".join(f"allowed_batch_sizes: {size}\n" for size in sizes)
    )


def triton_name(name: str, signature: str) -> str:
    """Name under which Triton serves a signature: one model each, because its protocol names none."""
    return name if signature == served_signatures.DEFAULT else f"{name}_{signature}"


def triton_config(signature: served_signatures.Signature, name: str, max_batch: int, micros: int) -> str:
    """Text of an `inference.ModelConfig` for Triton's TensorFlow backend."""
    tensors = [
        f"{kind} [\n" + ",\n".join(_triton_tensor(tensor) for tensor in group.values()) + "\n]\n"
        for kind, group in (("input", signature.inputs), ("output", signature.outputs))
    ]
    return (
        f'name: "{name}"\n'
        'platform: "tensorflow_savedmodel"\n'
        f"max_batch_size: {max_batch}\n"
        f"dynamic_batching {{ max_queue_delay_microseconds: {micros} }}\n"
        + "".join(tensors)
        + 'parameters: {\n  key: "TF_SIGNATURE_DEF"\n  value: { string_value: "'
        + f'{signature.name}" }}\n}}\n'
    )


def _triton_tensor(tensor: served_signatures.Tensor) -> str:
    dims = ", ".join("-1" if side is None else str(side) for side in tensor.shape[1:])
    return f'  {{ name: "{tensor.name}", data_type: {_TRITON_TYPES[tensor.dtype]}, dims: [ {dims} ] }}'
