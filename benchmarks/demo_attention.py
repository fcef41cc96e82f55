"""Judges the attention of a study on the generated clips by their truth: does it find the object, and when it is there?

python -m tclsta_tf.experiment --flagfile=configs/demo.cfg --data_dir=records --workdir=study --ablation --seeds=0,1,2
python -m benchmarks.demo_attention --study=study --demo=generated

For each variant the mean over seeds of the accuracy on the training, validation and test part, the spatial attention on
the object's cells while it is there (1 is even), and the temporal attention of frames with and without it (1 is even).
"""

import collections
import json
from collections.abc import Sequence

import numpy as np
from absl import app, flags

from tclsta_tf import config
from tclsta_tf.data import features
from tclsta_tf.recipes import extract, protocol
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.reports import tables
from tfrecords_tools import storage

_STUDY = flags.DEFINE_string("study", None, "Working folder of the study, made with --ablation and --seeds.")
_DEMO = flags.DEFINE_string("demo", None, "Folder of the generated clips.")


def main(argv: Sequence[str]) -> None:
    """Prints the table."""
    truth = {
        video["path"]: video for video in json.loads((storage.path(_DEMO.value) / "demo.json").read_text())["videos"]
    }
    study = storage.path(_STUDY.value)
    flagfile = next(study.glob("*/static/config.json"))
    saved = json.loads((study / run_lib.REPORT / "metrics.json").read_text())["flags"]
    records = storage.path(flags_of(flagfile.with_name("flags.cfg"))["data_dir"])
    whole = run_lib.Run(config.RunConfig.from_json(saved), records, study)
    found = collections.defaultdict(list)
    for member in protocol.load(whole).runs.values():
        for attention in config.ATTENTION_VARIANTS:
            for stream in config.STREAMS:
                found[stream, attention].append(judge(member.variant(attention), stream, truth))
    rows = tuple(
        (*key, *(f"{value:.1f}" for value in np.mean([of[:3] for of in values], axis=0)),
         *(f"{value:.2f}" for value in np.mean([of[3:] for of in values], axis=0)))
        for key, values in sorted(found.items())
    )  # fmt: skip
    header = (
        "stream",
        "attention",
        "train %",
        "validation %",
        "test %",
        "on the object",
        "frames with it",
        "without it",
    )
    print(tables.Table(header, rows, text_columns=2).to_markdown())


def flags_of(file: storage.AnyPath) -> dict[str, str]:
    """The flags of a saved flagfile."""
    return dict(line.removeprefix("--").split("=", 1) for line in file.read_text().splitlines() if "=" in line)


def judge(run: run_lib.Run, stream: str, truth: dict[str, dict]) -> list[float]:
    """Accuracies in percent of train, validation, test; attention on the object, of frames with it, without it."""
    paths = {video.id: video.path for shard in run.manifest.shards for video in shard.videos}
    values = []
    with run_lib.open_test_part():
        for role in run_lib.ROLES:
            extract.extract(run, stream, (role,))
            read = features.read(run.feature_file(stream, role))
            values.append(100 * float((read["scores"].argmax(axis=1) == read["labels"]).mean()))
    inside, present, absent = [], [], []
    for row, video_id in enumerate(read["ids"]):
        path = paths[str(video_id)]
        video = truth.get(path) or truth[f"videos/{path}"]
        first, last = video["visible"]
        weights = read["temporal_attention"][row] * read["positions"].shape[1]
        for frame, position in enumerate(read["positions"][row]):
            (present if first <= position < last else absent).append(weights[frame])
            if first <= position < last:
                share = cells(video["boxes"][position - first], read["spatial_attention"].shape[-1], run)
                if share.sum() > 0.5:  # half a cell: less of it is outside the crop
                    inside.append((read["spatial_attention"][row, frame] * share).sum() / share.sum())
    return [*values, *(float(np.mean(of)) for of in (inside, present, absent))]


def cells(box: list[float], grid: int, run: run_lib.Run) -> np.ndarray:
    """The share of each cell of the attention that a box covers: [left, top, right, bottom] -> float [grid, grid]."""
    crop = run.config.data.crop_size
    width, height = map(int, run.manifest.record.resize.split("x"))

    def covered(low: float, high: float, side: int) -> np.ndarray:
        edges = (side - crop) // 2 + crop / grid * np.arange(grid + 1)
        return np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None) / (crop / grid)

    left, top, right, bottom = box
    return np.outer(covered(top, bottom, height), covered(left, right, width))


if __name__ == "__main__":
    flags.mark_flags_as_required(["study", "demo"])
    app.run(main)
