r"""Classifies video files with an exported model.

python -m tclsta_tf.predict --model=run/export/1 clip.avi folder_of_clips
python -m tclsta_tf.predict --model=run/export/1 --json clip.avi
python -m tclsta_tf.predict --model=run/export/1 --overlay=answer.mp4 clip.avi

Operands are video files and folders, which are searched for video files. A video that cannot be read is reported on the
error output, the others are answered, and the exit status is 1. `--overlay` takes one video: an .mp4 or .avi shows the
attention over time, a .png as a strip of frames.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from absl import app, flags

from tclsta_tf import config
from tclsta_tf import flags as run_flags
from tclsta_tf.prediction import classifier, overlay
from tclsta_tf.reports import attention_figure, figures
from tfrecords_tools import cli, storage, video
from tfrecords_tools.datasets import disk
from tfrecords_tools.flow import quantise

_MODEL = flags.DEFINE_string("model", None, "Folder of an exported model, e.g. run/export/1.")
_JSON = flags.DEFINE_bool("json", False, "One JSON object a line instead of text.")
_OVERLAY = flags.DEFINE_string("overlay", None, "Also writes a picture (.png) or video (.mp4, .avi) of the attention.")
_TOP = flags.DEFINE_integer("top", 5, "Classes shown per video.", lower_bound=1)


def main(argv: Sequence[str]) -> int:
    """Classifies every operand; returns 1 where a video could not be read."""
    folder = storage.path(run_flags.require(_MODEL.name))
    paths = list(_videos(argv[1:]))
    if not paths:
        raise app.UsageError("no video given: python -m tclsta_tf.predict --model=... VIDEO...")
    if _OVERLAY.value and len(paths) > 1:
        raise app.UsageError(f"--overlay takes one video, not {len(paths)}")
    if _OVERLAY.value and storage.path(_OVERLAY.value).suffix not in (".png", *video.CODECS):
        raise app.UsageError(f"--overlay must end in .png, {' or '.join(video.CODECS)}, not {_OVERLAY.value}")
    model = classifier.Classifier(folder)
    failed = 0
    for path in paths:
        try:
            prediction = model.classify(path)
        except video.VideoError as error:
            print(f"error: {error}", file=sys.stderr)
            failed += 1
            continue
        print(_as_json(prediction) if _JSON.value else _as_text(prediction))
        if _OVERLAY.value:
            _write_overlay(prediction, model.card["crop_size"])
    if failed:
        print(f"{failed} of {len(paths)} videos could not be read", file=sys.stderr)
    return 1 if failed else 0


def _videos(operands: Sequence[str]) -> Iterator[storage.AnyPath]:
    for operand in operands:
        path = storage.path(operand)
        if not path.is_dir():
            yield path
            continue
        files = (file for file in path.rglob("*") if file.suffix.lower() in disk.VIDEO_SUFFIXES)
        found = sorted(files, key=str)
        if not found:
            raise ValueError(f"{path} holds no video file")
        yield from found


def _as_text(prediction: classifier.Prediction) -> str:
    best = "\n".join(f"  {score:6.3f}  {label}" for label, score in prediction.top(_TOP.value))
    return f"{prediction.path}\n{best}"


def _as_json(prediction: classifier.Prediction) -> str:
    best = prediction.top(_TOP.value)
    values = {
        "path": str(prediction.path),
        "label": best[0][0],
        "score": best[0][1],
        "top": [{"label": label, "score": score} for label, score in best],
        "scores": dict(zip(prediction.labels, prediction.scores.tolist(), strict=True)),
        "seconds": prediction.timestamps.tolist(),
        **{
            name: value.tolist() for name, value in prediction.outputs.items() if not name.endswith("spatial_attention")
        },
    }
    return json.dumps(values, ensure_ascii=False)


def _write_overlay(prediction: classifier.Prediction, crop_size: int) -> None:
    if not _OVERLAY.value.endswith(".png"):
        overlay.write_overlay(prediction, crop_size, _OVERLAY.value)
        return
    clip = prediction.cropped(crop_size)
    kinds = {
        "attention": "spatial_attention",
        "temporal": "temporal_attention",
        "collaborative": "collaborative_weights",
    }
    weights: dict[str, Any] = {
        f"{stream}_{short}": clip.outputs[f"{stream}_{name}"]
        for stream in config.STREAMS
        for short, name in kinds.items()
    }
    video_attention = attention_figure.VideoAttention(
        frames=clip.frames,
        flow=quantise.dequantise(clip.flow),
        **weights,
        title=prediction.path.name,
        predicted_label=prediction.top(1)[0][0],
    )
    with storage.created(storage.path(_OVERLAY.value)) as partial:
        partial.write_bytes(figures.to_png(attention_figure.draw(video_attention), dpi=100))


if __name__ == "__main__":
    cli.run(main)
