"""What the report shows of a run: charts of classes, training curves, examples, where and when the streams looked."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.data import features, pipeline
from tclsta_tf.evaluation import metrics
from tclsta_tf.recipes import evaluate
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.reports import attention_figure, explorers, figures, html
from tclsta_tf.training import summaries, trainer
from tfrecords_tools import storage

_PICTURED_VIDEOS = 10
_EXAMPLES = 12  # successes, and as many failures
_SAME_CLASS = 2  # at most, of either


def class_rows(run: run_lib.Run, evaluation: evaluate.Evaluation) -> list[explorers.ClassRow]:
    """One row per class: accuracies by both streams and by the final row, and the fusion weights of that row.

    Of videos with several classes or none it is the average precision.
    """
    attention = run.config.stream.attention
    rows = {name: evaluate.row_name(row, attention) for name, row in evaluate.STREAM_ROWS.items()}
    rows["fused"] = evaluation.final_row
    measure = metrics.per_class_precision if evaluation.videos.is_multi_label else metrics.per_class_accuracy
    found = {name: measure(evaluation.scores[row], evaluation.labels) for name, row in rows.items()}
    counts = evaluation.videos.truth.sum(axis=0)
    return [
        explorers.ClassRow(
            name=label,
            videos=int(counts[index]),
            **{name: values.get(index) for name, values in found.items()},
            static_weight=float(evaluation.fusion_weights[index, 0]),
            motion_weight=float(evaluation.fusion_weights[index, 1]),
        )
        for index, label in enumerate(run.labels)
    ]


def confusion_chart(labels: Sequence[str], confusion: np.ndarray) -> html.Picture:
    """The confusion matrix as a picture."""
    return html.Picture(
        "Confusion matrix",
        figures.to_png(figures.confusion_matrix(confusion, labels)),
        alt=f"Confusion matrix of {len(labels)} classes; {confusion.trace()} of {confusion.sum()} are right.",
        caption="Rows are true classes, columns predicted ones.",
    )


def class_charts(classes: Iterable[explorers.ClassRow], is_accuracy: bool) -> list[html.Picture]:
    """The values of `class_rows`, where they are accuracies, and the fusion weights, as pictures."""
    classes = list(classes)
    names = [row.name for row in classes]
    weights = np.array([[row.static_weight, row.motion_weight] for row in classes], float)
    charts = [
        html.Picture(
            "Fusion weights",
            figures.to_png(figures.fusion_weights(names, weights)),
            alt="Bars of the weight that each class gives to the static and to the motion stream.",
            caption="Learned on videos of the training part (Eq. 13).",
        )
    ]
    if is_accuracy:
        present = [row for row in classes if row.videos]
        bars = {name: [getattr(row, name) for row in present] for name in ("static", "motion", "fused")}
        chart = html.Picture(
            "Accuracy per class",
            figures.to_png(figures.per_class_accuracy([row.name for row in present], bars)),
            alt="Dots for each class's accuracy by the static stream, the motion stream and both together.",
        )
        charts.insert(0, chart)
    return charts


def training_curves(run: run_lib.Run) -> list[html.Picture]:
    """Loss and accuracy of each part over its steps, as its event files have them."""
    pictures = []
    for part in config.PARTS:
        runs = [made for made in (run.base(part), run) if made]
        files = [str(file) for made in runs for file in storage.entries(made.part_dir(part) / "logs", "events*")]
        accuracy = {f"{part}/accuracy": "training clips", f"{part}/{trainer.VALIDATED}": "validation part"}
        curves = summaries.read_scalars(files, [f"{part}/loss", *accuracy])
        shown = {
            "Loss": {"loss": curves[f"{part}/loss"]} if f"{part}/loss" in curves else {},
            "Accuracy": {name: curves[tag] for tag, name in accuracy.items() if tag in curves},
        }
        for what, lines in shown.items():
            if lines:
                last = "; ".join(f"{name} ends at {values[-1]:.3f}" for name, (_, values) in lines.items())
                chart = figures.training_curves(lines, what.lower())
                title = f"{what} of the {part} part" if part not in config.STREAMS else f"{what} of the {part} stream"
                pictures.append(html.Picture(title, figures.to_png(chart), alt=f"{what} over steps: {last}."))
    return pictures


def examples(run: run_lib.Run, evaluation: evaluate.Evaluation) -> list[explorers.Example]:
    """Fig. 6: of the right and of the wrong answers those with the highest scores, few of a class."""
    scores, videos = evaluation.scores[evaluation.final_row], evaluation.videos
    predicted, right = scores.argmax(axis=1), metrics.is_right(scores, videos.truth)
    order = [row for row in np.argsort(-scores.max(axis=1), kind="stable") if videos.labels[row] >= 0]
    chosen: list[int] = []
    for wanted in (True, False):
        of_class: dict[int, int] = {}
        of_kind: list[int] = []
        for row in order:
            label = int(videos.labels[row])
            if right[row] == wanted and of_class.get(label, 0) < _SAME_CLASS and len(of_kind) < _EXAMPLES:
                of_class[label] = of_class.get(label, 0) + 1
                of_kind.append(row)
        chosen += of_kind
    thumbnails = _middle_frames(run, [str(videos.ids[row]) for row in chosen])
    shown = []
    for row in chosen:
        # Of a video with several classes the one that was found, if one was.
        label = run.labels[predicted[row] if right[row] else videos.labels[row]]
        shown.append(
            explorers.Example(
                thumbnail=thumbnails[str(videos.ids[row])],
                title=str(videos.ids[row]),
                true_label=label,
                predicted_label=run.labels[predicted[row]],
                score=float(np.clip(scores[row].max(), 0, 1)),
                alt=f"The frame in the middle of {videos.ids[row]}, a video of the class {label}.",
            )
        )
    return shown


def _middle_frames(run: run_lib.Run, ids: list[str]) -> dict[str, bytes]:
    """The frame in the middle of videos, as JPEG files."""
    data = run.config.data
    subset = pipeline.select(run.subset(run_lib.TEST).shards, set(ids))
    batches = pipeline.video_batches(subset, "static", 1, data.crop_size, 1)
    pairs = zip(subset.videos, batches, strict=True)
    return {video.id: tf.io.encode_jpeg(batch["clips"][0, 0], quality=80).numpy() for video, batch in pairs}


def attention(run: run_lib.Run, evaluation: evaluate.Evaluation) -> list[html.Picture]:
    """Fig. 7 for a few test videos, chosen by rule: the first of each of evenly spaced classes."""
    files = {stream: run.feature_file(stream, run_lib.TEST) for stream in config.STREAMS}
    windows = run.clips(run_lib.TEST)
    streams = {stream: features.read(file, windows) for stream, file in files.items()}
    labels, ids = evaluation.videos.labels, evaluation.videos.ids
    classes = np.unique(labels[labels >= 0])
    wanted = classes[np.linspace(0, len(classes) - 1, min(_PICTURED_VIDEOS, len(classes))).round().astype(int)]
    rows = [int(np.flatnonzero(labels == wanted_class)[0]) for wanted_class in wanted]
    clips = _clips(run, [str(ids[row]) for row in rows], windows)
    pictures = []
    for row in rows:
        frames, fields = clips[str(ids[row])]

        def of_clip(values: np.ndarray, row: int = row) -> np.ndarray:
            return np.array_split(values[row], windows)[windows // 2]

        maps: dict[str, Any] = {
            f"{name}_{kind}": of_clip(values) * windows
            for name in streams
            for kind, values in (
                ("temporal", streams[name]["temporal_attention"]),
                ("collaborative", evaluation.network[f"{name}_weights"]),
            )
        }
        maps |= {f"{name}_attention": of_clip(values["spatial_attention"]) for name, values in streams.items()}
        video = attention_figure.VideoAttention(
            frames=frames,
            flow=fields,
            **maps,
            title=str(ids[row]),
            true_label=run.labels[labels[row]],
            predicted_label=run.labels[int(evaluation.scores[evaluation.final_row][row].argmax())],
        )
        pictures.append(
            html.Picture(
                f"Attention, {run.labels[labels[row]]}",
                figures.to_png(attention_figure.draw(video), dpi=100),
                alt=(
                    f"Frames and optical flow of {ids[row]} with heat maps of the spatial attention and, below, the "
                    f"weights over time. True class {video.true_label}, predicted {video.predicted_label}."
                ),
                wide=True,
            )
        )
    return pictures


def attention_rule() -> str:
    """How `attention` chooses its videos."""
    return (
        f"The first test video of each of {_PICTURED_VIDEOS} classes, spread evenly over the class list: "
        "right or wrong, none is chosen by eye."
    )


def _clips(run: run_lib.Run, ids: list[str], windows: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What the streams saw of test videos: frames uint8 [N, S, S, 3] and flow float32 [N, S, S, 2] in pixels.

    Of a video with several clips it is the one in the middle.
    """
    data = run.config.data
    subset = pipeline.select(run.subset(run_lib.TEST).shards, set(ids))
    clips = {}
    for stream in config.STREAMS:
        batches = pipeline.video_batches(
            subset, stream, data.test_frames, data.crop_size, windows, data.sampling, windows=windows
        )
        clips[stream] = [batch["clips"][windows // 2].numpy() for batch in batches]
    seen = zip(subset.videos, clips["static"], clips["motion"], strict=True)
    return {video.id: (frames, pipeline.first_fields(stacks)) for video, frames, stacks in seen}
