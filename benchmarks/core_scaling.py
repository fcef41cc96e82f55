r"""Says what a second process gains on this machine, by where its data lies.

python -m benchmarks.core_scaling

runs the same NumPy loop in one process and in two, over arrays that fit the cache of a core and over arrays that only
the cache fits that cores share. TV-L1 at 320x240 works on 5 MB, so its gain from a second process lies between.
"""

import multiprocessing
import time
from collections.abc import Sequence

import numpy as np
from absl import app

_ROUNDS = 5


def main(argv: Sequence[str]) -> None:
    """Measures and prints a table as Markdown."""
    del argv
    print("| two arrays of | gain from a second process |\n|---|---|")
    for kilobytes in (240, 2400, 4800):
        numbers = kilobytes * 1000 // 4
        repeats = 2_400_000_000 // numbers // 2
        single, double = (min(_time(numbers, repeats, processes) for _ in range(_ROUNDS)) for processes in (1, 2))
        print(f"| {kilobytes / 1000:g} MB | {2 * single / double:.2f} |")


def _time(numbers: int, repeats: int, processes: int) -> float:
    with multiprocessing.Pool(processes) as pool:
        pool.starmap(_work, [(numbers, 1)] * processes)
        start = time.perf_counter()
        pool.starmap(_work, [(numbers, repeats)] * processes, chunksize=1)
        return time.perf_counter() - start


def _work(numbers: int, repeats: int) -> None:
    first = np.ones(numbers, np.float32)
    second = np.empty_like(first)
    for _ in range(repeats):
        np.multiply(first, 0.5, out=second)
        np.add(second, second, out=first)


if __name__ == "__main__":
    app.run(main)
