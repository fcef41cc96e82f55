r"""Compares the methods of optical flow on the same pairs and the same cores.

python -m benchmarks.flow --threads=1 --rubberwhale_dir=.../rubberwhale --plot=benchmarks/flow.png

prints, for every method: the average endpoint error in pixels on RubberWhale (Middlebury) and on eight groups of
generated pairs with known motion, its ratio to OpenCV's TV-L1, pairs per second and their ratio, and how the cost of
the project's TV-L1 grows with pixels and pairs. Compilation is done before the clock starts, and shown apart.
"""

import os
import pathlib
import platform
import time
from collections.abc import Callable, Sequence

from absl import app, flags

_THREADS = flags.DEFINE_integer("threads", 1, "Threads that every method may use on a CPU.", lower_bound=1)
_DEVICE = flags.DEFINE_enum("device", "cpu", ["cpu", "gpu"], "Where the project's TV-L1 runs; OpenCV's is on the CPU.")
_PAIRS = flags.DEFINE_integer("pairs_per_group", 6, "Generated pairs in each group, 320x240.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 7, "Of the generated pairs. TV-L1's defaults were chosen on 0, 100 and 200.")
_REPEATS = flags.DEFINE_integer("repeats", 3, "Timings of each method; the fastest counts.", lower_bound=1)
_RUBBERWHALE = flags.DEFINE_string(
    "rubberwhale_dir", "", "Folder with frame10.png, frame11.png and flow10.flo; left out where it is empty."
)
_PLOT = flags.DEFINE_string("plot", "", "Also writes error against speed as this PNG.")

_REFERENCE = "tvl1_opencv"


def main(argv: Sequence[str]) -> None:
    """Runs the comparison and prints it as Markdown."""
    del argv
    # Read by the libraries when they load, which is why they are imported below.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if _DEVICE.value == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import cv2
    import numpy as np

    from benchmarks import flow_pairs
    from tfrecords_tools.flow import compile as compilation
    from tfrecords_tools.flow import methods, tvl1

    cv2.setNumThreads(_THREADS.value)
    if _DEVICE.value == "gpu" and not compilation.has_accelerator():
        raise ValueError("--device=gpu, but the Keras backend sees none. Remedy: KERAS_BACKEND=jax or a CUDA build")

    def of_pairs(method: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        presets = {"tvl1": tvl1.TVL1Params(), "tvl1_fast": tvl1.FAST}
        if method in presets:
            return lambda first, second: tvl1.tvl1_flow(first, second, presets[method])
        compute = methods.make_flow(method)
        return lambda first, second: np.concatenate(
            [compute(np.stack(pair)) for pair in zip(first, second, strict=True)]
        )

    groups = {
        name: tuple(np.stack([getattr(pair, field) for pair in pairs]) for field in ("first", "second", "flow"))
        for name, pairs in flow_pairs.make_groups(240, 320, _PAIRS.value, _SEED.value).items()
    }
    print(f"{_processor()}, {_THREADS.value} thread(s), device {_DEVICE.value}\n")
    errors: dict[str, dict[str, float]] = {}
    rates: dict[str, float] = {}
    frames = [np.concatenate([group[i] for group in groups.values()]) for i in range(2)]
    computes = {method: of_pairs(method) for method in methods.METHODS}
    for method, compute in computes.items():
        start = time.perf_counter()
        compute(frames[0][:1], frames[1][:1])
        print(f"{method}: first call {time.perf_counter() - start:.1f} s", flush=True)
        if _RUBBERWHALE.value:
            pair = flow_pairs.load_middlebury(pathlib.Path(_RUBBERWHALE.value))
            estimate = compute(pair.first[np.newaxis], pair.second[np.newaxis])[0]
            errors[method] = {"RubberWhale": flow_pairs.endpoint_error(estimate, pair.flow)}
    # In turn, so that what else the machine does falls on all methods alike.
    for _ in range(_REPEATS.value):
        for method, compute in computes.items():
            start = time.perf_counter()
            flow = compute(*frames)
            rates[method] = max(rates.get(method, 0.0), len(flow) / (time.perf_counter() - start))
            estimates = dict(zip(groups, np.split(flow, len(groups)), strict=True))
            for name, (_, _, truth) in groups.items():
                errors.setdefault(method, {})[name] = flow_pairs.endpoint_error(estimates[name], truth)

    _print_errors(errors, {name: error / errors["tvl1"][name] for name, error in errors["tvl1_fast"].items()})
    print(f"\n| method | pairs/s at 320x240 | ms a pair | ratio to {_REFERENCE} |\n|---|---|---|---|")
    for method, rate in rates.items():
        print(f"| {method} | {rate:.2f} | {1e3 / rate:.1f} | {rate / rates[_REFERENCE]:.1f} |")
    _print_growth(computes["tvl1"])
    if _PLOT.value:
        ratios = {
            method: float(np.mean([errors[method][name] / errors[_REFERENCE][name] for name in groups]))
            for method in errors
        }
        _plot(rates, ratios, _PLOT.value)


def _print_errors(errors: dict[str, dict[str, float]], fast_to_default: dict[str, float]) -> None:
    """Prints errors and, in brackets, their ratio to the reference."""
    print(f"\n| pairs | {' | '.join(errors)} | fast / default |\n|---|{'---|' * (len(errors) + 1)}")
    for name, reference in errors[_REFERENCE].items():
        cells = [f"{error[name]:.4f} ({error[name] / reference:.2f})" for error in errors.values()]
        print(f"| {name} | {' | '.join(cells)} | {fast_to_default[name]:.2f} |")


def _print_growth(compute: Callable) -> None:
    import numpy as np

    from benchmarks import flow_pairs

    print("\n| frames | pairs | ms a pair | ns a pixel |\n|---|---|---|---|")
    for height, width, pairs in (
        *((120, 160, 8), (240, 320, 8), (480, 640, 8), (960, 1280, 4)),
        *((240, 320, pairs) for pairs in (1, 4, 16, 64)),
    ):
        pair = flow_pairs.make_groups(height, width, 1, _SEED.value)["objects"][0]
        first, second = (np.repeat(frame[np.newaxis], pairs, 0) for frame in (pair.first, pair.second))
        compute(first[:1], second[:1])
        seconds = []
        for _ in range(_REPEATS.value):
            start = time.perf_counter()
            compute(first, second)
            seconds.append((time.perf_counter() - start) / pairs)
        print(f"| {width}x{height} | {pairs} | {min(seconds) * 1e3:.1f} | {min(seconds) * 1e9 / height / width:.0f} |")


def _plot(rates: dict[str, float], ratios: dict[str, float], path: str) -> None:
    from matplotlib import figure, ticker

    picture = figure.Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = picture.add_subplot()
    for method, rate in rates.items():
        axes.scatter(rate, ratios[method], s=40)
        side = {"xytext": (-6, 6), "ha": "right"} if method == "tvl1" else {"xytext": (6, 6)}  # tvl1_fast is near it
        axes.annotate(method, (rate, ratios[method]), textcoords="offset points", **side)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=f"pairs per second, 320x240, {_THREADS.value} thread(s)",
        ylabel="mean endpoint error / OpenCV's TV-L1",
        title="Optical flow: error against speed (lower right is better)",
    )
    axes.set_xlim(right=axes.get_xlim()[1] * 2)
    axes.set_ylim(0.5, 5.0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(ticker.FormatStrFormatter("%g"))
        axis.set_minor_formatter(ticker.NullFormatter())
    axes.grid(alpha=0.3, which="both")
    picture.savefig(path, dpi=110)


def _processor() -> str:
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


if __name__ == "__main__":
    app.run(main)
