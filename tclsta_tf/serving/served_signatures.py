"""The signatures of a SavedModel as a server sees them: tensors to check against, and a function to call."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

Arrays: TypeAlias = dict[str, np.ndarray]
"""Name -> array, the first axis being that of the batch. Strings are arrays of `bytes` objects."""

DEFAULT = "serving_default"

_DATATYPES = {
    "uint8": "UINT8",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "bool": "BOOL",
    "string": "BYTES",
}


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input or output of a signature.

    Attributes:
        name: of the tensor.
        dtype: "uint8", "float32", ..., "string".
        shape: sizes of its axes, None for one that may have any; the first is the batch's.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    @property
    def datatype(self) -> str:
        """Name of the type in the Open Inference Protocol."""
        return _DATATYPES[self.dtype]

    @property
    def numpy_dtype(self) -> np.dtype:
        """The type of arrays that hold it."""
        return np.dtype(object if self.dtype == "string" else self.dtype)

    def describe(self) -> dict[str, Any]:
        """The tensor in the Open Inference Protocol, -1 standing for any size."""
        return {
            "name": self.name,
            "datatype": self.datatype,
            "shape": [-1 if side is None else side for side in self.shape],
        }


@dataclasses.dataclass(frozen=True)
class Signature:
    """One of the questions a model answers.

    Attributes:
        name: of the signature.
        inputs: its inputs by name.
        outputs: its outputs by name.
        call: answers arrays by arrays; it may be called from several threads.
    """

    name: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    call: Callable[[Arrays], Arrays]


def of_model(model: Any) -> dict[str, Signature]:
    """Describes the signatures of a loaded model, by name.

    Args:
        model: its `signatures` are name -> concrete function; it is kept alive as long as what this returns.
    """
    return {name: _describe(name, function, model) for name, function in sorted(model.signatures.items())}


def _describe(name: str, function: Any, owner: object) -> Signature:
    inputs = {key: _tensor(key, spec) for key, spec in sorted(function.structured_input_signature[1].items())}
    outputs = {key: _tensor(key, spec) for key, spec in sorted(function.structured_outputs.items())}

    def call(arrays: Arrays, owner: object = owner) -> Arrays:
        given = {
            # An object array of bytes is taken as strings; every other array is of its type already.
            key: tf.constant(array, tf.dtypes.as_dtype(inputs[key].dtype))
            for key, array in arrays.items()
        }
        return {key: value.numpy() for key, value in function(**given).items()}

    return Signature(name, inputs, outputs, call)


def _tensor(name: str, spec: Any) -> Tensor:
    shape = tuple(spec.shape.as_list()) if spec.shape.rank is not None else (None,)
    return Tensor(name, spec.dtype.name, shape)
