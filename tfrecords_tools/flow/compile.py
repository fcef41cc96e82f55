"""Compilation of array functions by XLA, on the backend that Keras runs on."""

import concurrent.futures
import functools
import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

_PAIRS_ON_ACCELERATOR = 16
"""Pairs in one call there, so that it has enough to do. On a CPU one: the arrays of one pair stay in its cache."""


def is_symbolic(value: Any) -> bool:
    """Whether `value` stands for an array that is not there yet: a function is being traced, or a model built."""
    if isinstance(value, keras.KerasTensor):
        return True
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.is_symbolic_tensor(value) if tf.is_tensor(value) else False
    if keras.backend.backend() == "jax":
        import jax

        return isinstance(value, jax.core.Tracer)
    return False


def call_by_pairs(
    function: Callable[[Any, Any, Any], Any], frames: tuple[np.ndarray, ...], options: Any, threads: int
) -> np.ndarray:
    """Applies a function of two batches, compiled once per shape and options, whatever the number of pairs.

    Args:
        function: Takes first [P, ...], second [P, ...] and `options`; its result has the pairs in its first axis, and
            no pair depends on another.
        frames: Two arrays [pairs, ...], pairs >= 1.
        options: Hashable; fixed at compilation.
        threads: Pairs to work on at the same time on a CPU.

    Returns:
        The results of all pairs.
    """
    first, second = frames
    compiled = _compile(function, options, first.shape[1:], first.dtype, second.dtype)
    pairs = len(first)
    at_once = _PAIRS_ON_ACCELERATOR if has_accelerator() else 1
    starts = range(0, pairs, at_once)

    def run(start: int) -> np.ndarray:
        # The last batch is filled up with its last pair: another shape would be another compilation.
        chosen = np.minimum(np.arange(start, start + at_once), pairs - 1)
        result = compiled(first[chosen], second[chosen])
        return keras.ops.convert_to_numpy(result)[: pairs - start]

    threads = 1 if has_accelerator() else min(threads, len(starts))
    if threads == 1:
        return np.concatenate(list(map(run, starts)))
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(run, starts)))


@functools.cache
def _compile(function: Callable[[Any, Any, Any], Any], options: Any, *signature: Any) -> Callable[[Any, Any], Any]:
    """Gives a function of its own for each signature: TensorFlow warns where one is traced for many."""
    del signature

    def with_options(first: Any, second: Any) -> Any:
        return function(first, second, options)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        start_xla_quietly()
        return tf.function(with_options, jit_compile=True, reduce_retracing=False)
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(with_options)
    return with_options


def start_xla_quietly() -> None:
    """Makes XLA say at once, and unheard, what it has to say at its first compilation.

    TensorFlow 2.17 prints those lines on the error output whatever the log level. Users who ask for news get them.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0") == "0":
        return
    import tensorflow as tf

    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        tf.function(lambda x: x + x, jit_compile=True)(tf.constant(1.0))
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@functools.cache
def has_accelerator() -> bool:
    """Whether the backend computes on a GPU or TPU."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("TPU"))
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() != "cpu"
    return False
