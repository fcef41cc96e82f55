r"""Measures an exported model in this process: its speed against the bare backbone, where the time goes, its memory.

python -m benchmarks.serve
python -m benchmarks.serve --backbone=small --frames=16 --crop=96 --frame_size=112x112 --requests=1000

The first is ResNet-50 with random weights, 101 classes, 25 frames of 340x256. `benchmarks.serve_clients` measures the
server around it, `benchmarks.export_options` what the options of the export cost.
"""

import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

from absl import app, flags, logging

_BACKBONE = flags.DEFINE_string("backbone", "resnet50", "Backbone of both streams.")
_CLASSES = flags.DEFINE_integer("classes", 101, "Classes.")
_FRAMES = flags.DEFINE_integer("frames", 25, "N, frames that the model looks at.")
_LENGTH = flags.DEFINE_integer("length", 150, "Frames of the videos that are sent.")
_CROP = flags.DEFINE_integer("crop", 224, "Side of the crop in pixels.")
_SIZE = flags.DEFINE_string("frame_size", "340x256", "Width x height of frames in pixels.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Measurements in turn; the median of their ratios counts.")
_REQUESTS = flags.DEFINE_integer("requests", 20, "Requests over which memory is watched.")
_STACKS = flags.DEFINE_list("stacks", ["1", "5", "25"], "Numbers of stacks whose flow is timed apart.")
_CAM_UNITS, _LSTM_UNITS, _WIDTH = 1024, 512, 512


def main(argv: Sequence[str]) -> None:
    """Measures, and prints tables as Markdown."""
    del argv
    logging.set_verbosity(logging.WARNING)
    import numpy as np
    import tensorflow as tf

    from tclsta_tf.models import backbones

    with tempfile.TemporaryDirectory() as folder:
        model, size = _export(pathlib.Path(folder) / "1")
        loaded, seconds = _timed(lambda: tf.saved_model.load(f"{folder}/1"))
        bytes_ = sum(file.stat().st_size for file in pathlib.Path(folder).rglob("*") if file.is_file())
        print(
            f"{_BACKBONE.value}, {_CLASSES.value} classes, {_FRAMES.value} frames of {_SIZE.value}, crop {_CROP.value}"
        )
        print(f"SavedModel of {bytes_ / 1e6:.0f} MB, loaded in {seconds:.1f} s\n")

        generator = np.random.default_rng(0)
        width, height = (int(side) for side in _SIZE.value.split("x"))
        frames = _video(generator, _LENGTH.value, height, width)
        clip = tf.constant(generator.integers(0, 256, (1, _FRAMES.value, _CROP.value, _CROP.value, 3), np.uint8))
        flow = tf.constant(generator.integers(90, 166, (1, _FRAMES.value, _CROP.value, _CROP.value, 20), np.uint8))
        raw = tf.constant(frames[np.newaxis])

        bare = backbones.build_backbone(_BACKBONE.value)
        forward = tf.function(lambda images: bare(images, training=False), autograph=False)
        calls = {
            "bare backbone": lambda: forward(clip[0]),
            "precomputed": lambda: loaded.signatures["precomputed"](frames=clip, flow=flow),
            "serving_default": lambda: loaded.signatures["serving_default"](frames=raw),
            **_stages(model, clip, flow),
        }
        took = _measure(calls)
        _print_speed(took, size)
        _print_flow(raw, height, width)
        _watch_memory(loaded.signatures["precomputed"], clip, flow, f"{folder}/1")


def _export(folder: pathlib.Path) -> tuple[Any, dict[str, float]]:
    """A classifier with random weights, and the multiply-adds of a frame of the bare backbone and of the whole."""
    import numpy as np

    from tclsta_tf import config
    from tclsta_tf.models import attention_stream, collaborative_network, counting, inference, two_stream
    from tclsta_tf.serving import export

    crop, frames = _CROP.value, _FRAMES.value
    streams = {}
    for name, channels in (("static", 3), ("motion", 20)):
        streams[name] = attention_stream.AttentionStream(
            _CLASSES.value, channels, _BACKBONE.value, cam_units=_CAM_UNITS, lstm_units=_LSTM_UNITS, name=name
        )
        streams[name].build((None, frames, crop, crop, channels))
    size = {name: counting.count_stream(stream, crop).multiply_adds for name, stream in streams.items()}
    network = collaborative_network.CollaborativeNetwork(_CLASSES.value, width=_WIDTH)
    weights = [[0.5, 0.5]] * _CLASSES.value
    model = two_stream.TwoStream(
        **{name: inference.InferenceStream(stream) for name, stream in streams.items()},
        network=network,
        fusion_weights=weights,
    )
    shape = (1, frames, crop, crop)
    model({"frames": np.zeros((*shape, 3), np.uint8), "flow": np.zeros((*shape, 20), np.uint8)}, training=False)
    export.export_model(
        model,
        tuple(f"class_{index}" for index in range(_CLASSES.value)),
        config.DataConfig(crop_size=crop, test_frames=frames),
        {"resize": _SIZE.value, "flow": "tvl1", "positions": 0, "jpeg_quality": 95},
        config.ExportConfig(),
        {},
        folder,
    )
    return model, {"bare": counting.count(_BACKBONE.value, crop).multiply_adds, **size}


def _video(generator: Any, length: int, height: int, width: int) -> Any:
    """A textured picture that drifts, so that there is motion to be found."""
    import cv2
    import numpy as np

    noise = generator.integers(0, 256, (height // 8 + 40, width // 8 + 40, 3), np.uint8)
    picture = cv2.resize(noise, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    return np.stack([picture[i : i + height, i : i + width] for i in np.arange(length) % 300])


def _stages(model: Any, clip: Any, flow: Any) -> dict[str, Callable[[], Any]]:
    import tensorflow as tf

    static = tf.function(lambda clips: model.static(clips, training=False), autograph=False)
    motion = tf.function(lambda clips: model.motion(clips, training=False), autograph=False)
    both = tf.function(lambda frames, flow: (static(frames), motion(flow)), autograph=False)
    return {
        "static stream": lambda: static(clip),
        "motion stream": lambda: motion(flow),
        "both streams": lambda: both(clip, flow),
    }


def _measure(calls: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Seconds of each call, all in turn, so that a busy moment of the machine hits all of them."""
    for call in calls.values():
        call()
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_ROUNDS.value):
        for name, call in calls.items():
            took[name].append(_timed(call)[1])
    return took


def _print_speed(took: dict[str, list[float]], size: dict[str, float]) -> None:
    import numpy as np

    seconds = {name: float(np.median(values)) for name, values in took.items()}
    work = (size["static"] + size["motion"]) / size["bare"]
    ratio = float(np.median(np.array(took["bare backbone"]) * work / np.array(took["precomputed"])))
    print("| | s per video | videos/s | frames/s | share of `serving_default` |")
    print("|---|---|---|---|---|")
    flow = seconds["serving_default"] - seconds["precomputed"]
    rest = seconds["precomputed"] - seconds["both streams"]
    rows = {**seconds, "sampling, flow, stacks": flow, "collaborative network, fusion": rest}
    for name, value in rows.items():
        share = "" if name == "bare backbone" else f"{value / seconds['serving_default']:.1%}"
        rates = f"{1 / value:.2f} | {_FRAMES.value / value:.1f}" if name in seconds else " | "
        print(f"| {name} | {value:.3f} | {rates} | {share} |")
    print(
        f"\nBoth streams do {work:.2f} times the multiply-adds of the bare backbone; `precomputed` runs at {ratio:.2f}"
    )
    print("of the speed that would follow from them.\n")


def _print_flow(raw: Any, height: int, width: int) -> None:
    """The cost of flow in the graph apart, by the number of stacks."""
    import numpy as np
    import tensorflow as tf

    from tclsta_tf.serving import raw_clips
    from tfrecords_tools.flow import tvl1

    print("| stacks | flow fields | s | fields/s | without flow, s |")
    print("|---|---|---|---|---|")
    for stacks in map(int, _STACKS.value):
        calls, fields = {}, 0
        for flow in (tvl1.TVL1Params(), None):
            clips = raw_clips.RawClips(stacks, _CROP.value, "uniform", height, width, flow)

            @tf.function(autograph=False)
            def read(frames: tf.Tensor, clips: raw_clips.RawClips = clips) -> Any:
                every = tf.reshape(frames, [-1, height, width, 3])
                length = tf.constant([_LENGTH.value], tf.int64)
                return clips.read(lambda keys: tf.gather(every, keys), length, length[0])

            calls["with" if flow else "without"] = lambda read=read: read(raw)
        positions = calls["with"]()["positions"].numpy()[0]
        starts = np.minimum(positions, _LENGTH.value - 11)
        fields = len(np.unique(starts[:, np.newaxis] + np.arange(10)))
        took = {name: float(np.median(values)) for name, values in _measure(calls).items()}
        print(f"| {stacks} | {fields} | {took['with']:.2f} | {fields / took['with']:.1f} | {took['without']:.3f} |")
    print()


def _watch_memory(precomputed: Any, clip: Any, flow: Any, folder: str) -> None:
    before = None
    for request in range(_REQUESTS.value):
        precomputed(frames=clip, flow=flow)
        if request == _REQUESTS.value // 4:
            before = _resident()
    print(f"Memory after a quarter of {_REQUESTS.value} requests {before:.0f} MB, after all {_resident():.0f} MB,")
    print(f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB.")
    program = (
        "import time, tensorflow as tf; start = time.perf_counter(); "
        f"tf.saved_model.load({folder!r}); print(round(time.perf_counter() - start, 1))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    print(f"A fresh process loads it in {done.stdout.strip()} s.")


def _resident() -> float:
    """Resident memory of this process, MB."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    app.run(main)
