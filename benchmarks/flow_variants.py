"""Measures what each setting of the project's TV-L1 is worth: error and time of variants, one setting changed in each.

python -m benchmarks.flow_variants

prints, for every variant, the endpoint error on each group of generated pairs divided by that of the defaults, and the
time on one thread divided likewise. The seed is one of those on which the defaults were chosen.
"""

import os
import time
from collections.abc import Sequence

from absl import app, flags

_PAIRS = flags.DEFINE_integer("pairs_per_group", 4, "Generated pairs in each group, 320x240.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 100, "Of the generated pairs.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Timings of each variant, in turn with all others; the fastest counts.")

_VARIANTS = {
    "defaults": {},
    "FAST": {"num_warps": (3, 6), "num_iterations": (26, 30, 40), "primal_step": 0.65},
    "2 warps": {"num_warps": (2, 5)},
    "8 warps": {"num_warps": (8, 8)},
    "15 iterations": {"num_iterations": (15, 20, 30)},
    "60 iterations": {"num_iterations": 60},
    "200 iterations": {"num_iterations": 200},
    "30 at every scale": {"num_iterations": 30},
    "primal step 0.2": {"primal_step": 0.2},
    "primal step 2": {"primal_step": 2.0},
    "lambda 0.06": {"lambda_": 0.06},
    "lambda 0.3": {"lambda_": 0.3},
    "pure L1 (theta 0)": {"theta": 0.0},
    "theta 0.5": {"theta": 0.5},
    "scale step 0.7": {"scale_step": 0.7},
    "median 3": {"median_size": 3},
    "no median": {"median_size": 1},
    "no gain and offset": {"match_brightness": False},
    "4 scales": {"num_scales": 4},
    "stop at half size": {"finest_scale": 1},
}


def main(argv: Sequence[str]) -> None:
    """Runs the comparison and prints it as Markdown."""
    del argv
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # Read by the libraries when they load, below.
    import cv2
    import numpy as np

    from benchmarks import flow_pairs
    from tfrecords_tools.flow import tvl1

    cv2.setNumThreads(1)
    groups = flow_pairs.make_groups(240, 320, _PAIRS.value, _SEED.value)
    pairs = [pair for group in groups.values() for pair in group]
    frames = tuple(np.stack([getattr(pair, name) for pair in pairs]) for name in ("first", "second"))

    errors: dict[str, list[float]] = {}
    seconds = dict.fromkeys(_VARIANTS, float("inf"))
    for variant, changes in _VARIANTS.items():
        flow = tvl1.tvl1_flow(*frames, tvl1.TVL1Params(**changes))
        parts = np.split(flow, len(groups))
        truths = [np.stack([pair.flow for pair in group]) for group in groups.values()]
        errors[variant] = [flow_pairs.endpoint_error(*part) for part in zip(parts, truths, strict=True)]
    for _ in range(_ROUNDS.value):
        for variant, changes in _VARIANTS.items():
            start = time.perf_counter()
            tvl1.tvl1_flow(frames[0][::4], frames[1][::4], tvl1.TVL1Params(**changes))
            seconds[variant] = min(seconds[variant], time.perf_counter() - start)

    print(f"| variant | {' | '.join(groups)} | mean | time |\n|---|{'---|' * (len(groups) + 2)}")
    for variant, values in errors.items():
        ratios = np.array(values) / errors["defaults"]
        cells = [f"{ratio:.2f}" for ratio in (*ratios, ratios.mean(), seconds[variant] / seconds["defaults"])]
        print(f"| {variant} | {' | '.join(cells)} |")


if __name__ == "__main__":
    app.run(main)
