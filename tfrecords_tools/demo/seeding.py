"""Random numbers that depend on names, never on the order of work."""

import zlib

import numpy as np


def generator(seed: int, *keys: str | int) -> np.random.Generator:
    """Returns the generator that belongs to `seed` and `keys`.

    Each purpose has a stream of its own ("camera", "path", ...), so that one can be left out or read in another process
    without a change to the rest. Strings are hashed by CRC-32: Python's `hash` differs from process to process.

    Args:
        seed: 0 or above.
        *keys: what the numbers are for; strings, or integers 0 or above.
    """
    entropy = [zlib.crc32(key.encode()) if isinstance(key, str) else key for key in keys]
    return np.random.default_rng(np.random.SeedSequence([seed, *entropy]))
