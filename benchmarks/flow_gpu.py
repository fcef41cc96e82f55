r"""Measures TV-L1 on Keras' JAX backend, on whatever device JAX has, against the number of pairs in a call.

KERAS_BACKEND=jax python -m benchmarks.flow_gpu --pairs=1,4,16,64

Frames lie on the device. It needs keras, OpenCV, absl-py and a JAX for the device, and no TensorFlow.
"""

import os
import time
from collections.abc import Sequence

from absl import app, flags

_PAIRS = flags.DEFINE_list("pairs", ["1", "4", "16", "64"], "Pairs of frames in one call.")
_SIZES = flags.DEFINE_list("sizes", ["320x240", "340x256", "640x480"], "Width x height in pixels.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Measurements; the best counts, as nothing else uses the device.")


def main(argv: Sequence[str]) -> None:
    """Measures, and prints a table as Markdown."""
    del argv
    os.environ["KERAS_BACKEND"] = "jax"
    import cv2
    import jax
    import numpy as np

    from tfrecords_tools.flow import tvl1

    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}\n")
    print("| frame size | pairs in a call | pairs/s | compiled in s | error, pixels |\n|---|---|---|---|---|")
    generator = np.random.default_rng(0)
    for size in _SIZES.value:
        width, height = (int(side) for side in size.split("x"))
        noise = generator.integers(0, 256, (height // 8 + 4, width // 8 + 4)).astype(np.float32)
        picture = cv2.resize(noise, (width + 32, height + 32), interpolation=cv2.INTER_CUBIC).clip(0, 255)
        estimate = jax.jit(lambda first, second: tvl1.estimate(first, second, tvl1.TVL1Params()))
        for pairs in map(int, _PAIRS.value):
            # The picture moves by 2 pixels to the left and 1 upwards: that is the flow to be found.
            first = jax.device_put(np.repeat(picture[np.newaxis, 8 : 8 + height, 8 : 8 + width], pairs, 0))
            second = jax.device_put(np.repeat(picture[np.newaxis, 9 : 9 + height, 10 : 10 + width], pairs, 0))
            start = time.perf_counter()
            flow = np.asarray(estimate(first, second))
            compiling = time.perf_counter() - start
            error = np.abs(flow[:, 20:-20, 20:-20] - np.array([-2.0, -1.0])).mean()
            took = []
            for _ in range(_ROUNDS.value):
                start = time.perf_counter()
                estimate(first, second).block_until_ready()
                took.append(time.perf_counter() - start)
            print(f"| {size} | {pairs} | {pairs / min(took):.1f} | {compiling:.1f} | {error:.3f} |", flush=True)


if __name__ == "__main__":
    app.run(main)
