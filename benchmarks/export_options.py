r"""Measures what the options of the export cost and save, on the test videos of a finished run.

python -m benchmarks.export_options --workdir=run --videos_dir=videos

The model as trained answers the raw frames of every test video; the others get the same frames and flow by signature
`precomputed`, but for those that compute flow in another way, which answer raw frames of a few videos. Answers are
compared with the scores of the evaluation, whose frames and flow went through JPEG.
"""

import pathlib
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from absl import app, flags, logging

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a finished run.")
_VIDEOS = flags.DEFINE_string("videos_dir", None, "Folder of the videos that its records were made of.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Times that speed is measured, all variants in turn; the median counts.")
_TIMED = flags.DEFINE_integer("timed_videos", 10, "Videos on which speed is measured.")

VARIANTS: dict[str, dict[str, Any]] = {
    "as trained": {},
    "--precision=bfloat16": {"precision": "bfloat16"},
    "--precision=float16": {"precision": "float16"},
    "--quantise=int8": {"quantise": "int8"},
    "--xla=none": {"xla": "none"},
    "--flow_batch=4": {"flow_batch": 4},
    "--motion=none": {"motion": "none"},
    "--motion=none --quantise=int8": {"motion": "none", "quantise": "int8"},
}

_READERS: dict[Any, Any] = {}
_OTHER_FLOW = ("--xla=none", "--flow_batch=4")


def main(argv: Sequence[str]) -> None:
    """Measures, and prints a table as Markdown."""
    del argv
    logging.set_verbosity(logging.WARNING)
    import numpy as np
    import tensorflow as tf

    from tclsta_tf import config
    from tclsta_tf import flags as run_flags
    from tclsta_tf.recipes import export, results
    from tclsta_tf.recipes import run as run_lib

    run = run_lib.Run(**run_flags.arguments_of(_WORKDIR.value))
    evaluation = results.read_scores(run.report_dir)
    videos = _read_videos(run, evaluation.videos.ids)
    precomputed: list[dict[str, Any]] = []
    models, rows = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, settings) in enumerate(VARIANTS.items()):
            exported = export.export(run, pathlib.Path(folder) / str(number), config.ExportConfig(**settings))
            size = sum(file.stat().st_size for file in exported.rglob("*") if file.is_file())
            start = time.perf_counter()
            signatures = tf.saved_model.load(str(exported)).signatures
            loading = time.perf_counter() - start
            models[name] = signatures["serving_default"]
            if not number:
                precomputed = [_compute_clip(run, video) for video in videos]
            if not number or name in _OTHER_FLOW:
                asked = videos if not number else videos[: _TIMED.value]
                answers = [models[name](frames=tf.constant(video[np.newaxis])) for video in asked]
            else:
                inputs = signatures["precomputed"].structured_input_signature[1]
                answers = [signatures["precomputed"](**{key: clip[key] for key in inputs}) for clip in precomputed]
            scores = np.stack([answer["scores"][0].numpy() for answer in answers])
            row = "TCLSTA" if settings.get("motion") != "none" else "frame+STA"
            reference, labels = evaluation.rows[row][: len(scores)], evaluation.videos.labels[: len(scores)]
            same = (scores.argmax(axis=1) == reference.argmax(axis=1)).mean()
            right = (scores.argmax(axis=1) == labels).mean()
            expected = (reference.argmax(axis=1) == labels).mean()
            rows[name] = [
                str(len(scores)), f"{size / 1e6:.1f}", f"{loading:.1f}", f"{same:.1%}", f"{right:.1%}",
                f"{expected:.1%}", f"{np.abs(scores - reference).max():.3f}",
            ]  # fmt: skip
            print(name, rows[name], file=sys.stderr, flush=True)
    took: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(_ROUNDS.value):
        for name, model in models.items():
            start = time.perf_counter()
            for video in videos[: _TIMED.value]:
                model(frames=tf.constant(video[np.newaxis]))
            took[name].append((time.perf_counter() - start) / _TIMED.value)
    print(f"{len(videos)} test videos\n")
    titles = (
        "option", "videos", "MB", "loads in s", "same answer", "right", "right in the evaluation", "largest difference",
        "s/video, raw frames",
    )  # fmt: skip
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} | {np.median(took[name]):.3f} |", flush=True)


def _compute_clip(run: Any, frames: Any) -> dict[str, Any]:
    """What signature `precomputed` takes of a video, by the operations of the exported model."""
    import tensorflow as tf

    from tclsta_tf import config
    from tclsta_tf.serving import export

    clips = export.make_clips(run.config.data, run.manifest.record, config.ExportConfig())
    length = tf.constant([len(frames)], tf.int64)
    if clips not in _READERS:
        specs = [tf.TensorSpec([None, clips.height, clips.width, 3], tf.uint8), tf.TensorSpec([1], tf.int64)]
        _READERS[clips] = tf.function(
            lambda every, length: clips.read(lambda keys: tf.gather(every, keys), length, length[0]),
            input_signature=specs,
            autograph=False,
        )
    return _READERS[clips](tf.constant(frames), length)


def _read_videos(run: Any, ids: Sequence[str]) -> list[Any]:
    """Raw frames at the stored size, uint8 [T, H, W, 3] each."""
    import numpy as np

    from tfrecords_tools import video

    resize = video.Resize.parse(run.manifest.record.resize)
    paths = {entry.id: entry.path for shard in run.manifest.shards for entry in shard.videos}
    files = [pathlib.Path(_VIDEOS.value) / paths[name] for name in ids]
    return [np.stack([resize.apply(frame) for frame in video.read_video(file)]) for file in files]


if __name__ == "__main__":
    flags.mark_flags_as_required(["workdir", "videos_dir"])
    app.run(main)
