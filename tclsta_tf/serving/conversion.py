"""The classifier in other formats, TensorFlow Lite and ONNX: one video at a time, with flow computed beforehand.

Raw frames cannot be taken over: how many flow fields a video needs depends on its length, and the loop over them, with
a pyramid of loops inside, has no counterpart in TensorFlow Lite without TensorFlow's own kernels, nor in tf2onnx.
"""

import tempfile
from pathlib import Path

import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.serving import signatures

_OPSET = 17


def check(settings: config.ExportConfig, compute_dtype: str) -> None:
    """Finds out before anything is written whether the model can be converted.

    Args:
        settings: what is wanted.
        compute_dtype: of the streams.

    Raises:
        ValueError: the converter is not installed, or the precision is not float32.
    """
    if not (settings.tflite or settings.onnx):
        return
    if compute_dtype != "float32":
        raise ValueError(
            f"`precision` must be float32 with --tflite or --onnx, which know no other here. Received: {compute_dtype}"
        )
    if settings.onnx and settings.quantise != "none":
        raise ValueError(
            f"`quantise` must be none with --onnx, whose weights are float32. Received: quantise={settings.quantise!r}"
        )
    if settings.onnx:
        try:
            import tf2onnx  # noqa: F401
        except ImportError as error:
            raise ValueError("`onnx` needs tf2onnx: pip install 'tclsta-tf[onnx]'") from error


def convert(wanted: signatures.Signatures, settings: config.ExportConfig) -> dict[str, bytes]:
    """Converts signature `precomputed`, for one video and crops alone, without `labels`.

    Inputs: `frames` uint8 [1, N, crop, crop, 3] and, with a motion stream, `flow` uint8 [1, N, crop, crop, 20].

    Args:
        wanted: the signatures of the model.
        settings: `tflite` and `onnx` say what is wanted; with `quantise="int8"` TensorFlow Lite stores weights in 8
            bits, by its own rules.

    Returns:
        Suffix -> content of a file.

    Raises:
        ValueError: a converter refuses the model.
    """
    files: dict[str, bytes] = {}
    function = wanted.fixed() if settings.tflite or settings.onnx else None
    try:
        if settings.tflite:
            files[".tflite"] = _to_tflite(function, quantise=settings.quantise == "int8")
        if settings.onnx:
            files[".onnx"] = _to_onnx(function)
    except Exception as error:  # the converters raise what they like
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(f"the model cannot be converted: {lines[0]}") from error
    return files


def _to_tflite(function: tf.types.experimental.GenericFunction, quantise: bool) -> bytes:
    # By way of a SavedModel: handed the function itself, the converter of TensorFlow 2.17 ends the whole process.
    with tempfile.TemporaryDirectory() as folder:
        concrete = function.get_concrete_function()
        module = tf.Module()
        module.function, module.weights = function, list(concrete.graph.variables)
        tf.saved_model.save(module, str(Path(folder)), signatures={"precomputed": concrete})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["precomputed"])
        if quantise:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter.convert()


def _to_onnx(function: tf.types.experimental.GenericFunction) -> bytes:
    import tf2onnx

    model, _ = tf2onnx.convert.from_function(function, input_signature=list(function.input_signature), opset=_OPSET)
    return model.SerializeToString()
