r"""Says what the datasets cost to convert, from rates measured on real videos.

python -m benchmarks.dataset_costs --videos_dir=UCF-101

converts some of the videos with one process, in memory, measures the time of each step and the size of what is stored,
and multiplies by the published numbers of videos and frames.
"""

import dataclasses
import pathlib
import time
from collections.abc import Sequence

from absl import app, flags

_VIDEOS_DIR = flags.DEFINE_string("videos_dir", None, "Folder of <class>/* video files.", required=True)
_VIDEOS = flags.DEFINE_integer("videos", 12, "Number of videos to measure on.", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", 60, "Largest number of frames of each.", lower_bound=12)
_RESIZE = flags.DEFINE_string("resize", "340x256", "Size of the stored frames.")
_POSITIONS = flags.DEFINE_integer("positions", 25, "K of the sparse records.", lower_bound=1)
_METHODS = flags.DEFINE_list("methods", ["tvl1", "dis"], "Methods of optical flow.")

# Videos and seconds at 25 frames per second, as the datasets' authors publish them.
DATASETS = {
    "HMDB51": (6_766, 0.63e6),
    "UCF50": (6_618, 1.32e6),
    "UCF101": (13_320, 2.4e6),
    "THUMOS14, all parts (254 h)": (13_320 + 1_010 + 2_500 + 1_574, 25e6),
}


@dataclasses.dataclass(frozen=True)
class Rates:
    """Cost of one frame or field, seconds and bytes, by one process with one thread."""

    decode: float
    encode_frame: float
    flow: dict[str, float]
    encode_flow: float
    frame_bytes: float
    field_bytes: float


def main(argv: Sequence[str]) -> None:
    """Measures and prints the tables as Markdown."""
    del argv
    import cv2
    import numpy as np

    from tfrecords_tools import codec, stacks, video
    from tfrecords_tools.flow import methods

    cv2.setNumThreads(1)
    files = sorted(path for path in pathlib.Path(_VIDEOS_DIR.value).glob("*/*") if path.suffix in (".avi", ".mp4"))
    chosen = files[:: max(1, len(files) // _VIDEOS.value)][: _VIDEOS.value]
    resize = video.Resize.parse(_RESIZE.value)
    spent: dict[str, float] = dict.fromkeys(["decode", "frame", "field", *_METHODS.value], 0.0)
    counts = {"decoded": 0, "frames": 0, "fields": 0}
    sizes = {"frame": 0, "field": 0}

    def timed(step, function, *arguments):
        start = time.perf_counter()
        result = function(*arguments)
        spent[step] += time.perf_counter() - start
        return result

    for path in chosen:
        frames = timed("decode", list, video.read_video(path))
        counts["decoded"] += len(frames)
        frames = frames[: _FRAMES.value]
        counts["frames"] += len(frames)
        stored = [timed("frame", resize.apply, frame) for frame in frames]
        sizes["frame"] += sum(len(timed("frame", codec.encode_frame, frame)) for frame in stored)
        grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in stored])
        for index, name in enumerate(_METHODS.value):
            method = methods.make_flow(name, sizes_vary=not resize.is_fixed)
            if not counts["fields"]:
                method(grey[:2])  # Compiles.
            flow = timed(name, method, grey)
            if index == 0:
                sizes["field"] += sum(len(timed("field", codec.encode_flow, field)) for field in flow)
        counts["fields"] += len(frames) - 1
    rates = Rates(
        decode=spent["decode"] / counts["decoded"],
        encode_frame=spent["frame"] / counts["frames"],
        flow={name: spent[name] / counts["fields"] for name in _METHODS.value},
        encode_flow=spent["field"] / counts["fields"],
        frame_bytes=sizes["frame"] / counts["frames"],
        field_bytes=sizes["field"] / counts["fields"],
    )
    print(f"{len(chosen)} videos, {counts['frames']} frames of {_RESIZE.value}, one thread\n")
    print("| step | ms a frame | bytes a frame |\n|---|---|---|")
    print(f"| decode | {1e3 * rates.decode:.1f} | |")
    print(f"| resize and encode | {1e3 * rates.encode_frame:.1f} | {rates.frame_bytes:.0f} |")
    print(f"| encode flow | {1e3 * rates.encode_flow:.1f} | {rates.field_bytes:.0f} |")
    for name, seconds in rates.flow.items():
        print(f"| flow, {name} | {1e3 * seconds:.1f} | |")
    cells = [f"{kind}, {name}: core-hours" for kind in ("all", f"K={_POSITIONS.value}") for name in _METHODS.value]
    print(f"\n| dataset | videos | frames | all: GB | K={_POSITIONS.value}: GB | {' | '.join(cells)} |")
    print("|" + "---|" * (5 + len(cells)))
    for dataset, (videos, frames) in DATASETS.items():
        # As if all videos of a set were of one length.
        kept, fields, _ = stacks.sparse_layout(round(frames / videos), _POSITIONS.value)
        layouts = [(frames, frames, 1), (videos * len(kept), videos * len(fields), 2)]
        gigabytes = [(a * rates.frame_bytes + b * rates.field_bytes) / 1e9 for a, b, _ in layouts]
        hours = [
            (passes * frames * rates.decode + a * rates.encode_frame + b * (rates.encode_flow + seconds)) / 3600
            for a, b, passes in layouts
            for seconds in rates.flow.values()
        ]
        print(
            f"| {dataset} | {videos:,} | {frames / 1e6:.2f} M | {gigabytes[0]:.0f} | {gigabytes[1]:.0f} | "
            f"{' | '.join(f'{value:.1f}' for value in hours)} |"
        )


if __name__ == "__main__":
    app.run(main)
