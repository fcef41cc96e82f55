"""Turns an evaluation into what people look at: the table, the pictures, the page."""

import numpy as np

from tclsta_tf import config
from tclsta_tf.data import features, pipeline
from tclsta_tf.evaluation import metrics
from tclsta_tf.recipes import evaluate, train_collaborative
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.reports import attention_figure, figures, html, tables
from tfrecords_tools import storage

_PICTURED_VIDEOS = 4


def evaluate_and_report(run: run_lib.Run) -> str:
    """Evaluates the run, writes metrics.json, index.html and the pictures, and returns the table as text."""
    evaluation = evaluate.evaluate(run)
    final = evaluation.final_row
    confusion = metrics.confusion_matrix(evaluation.scores[final], evaluation.labels)
    full = evaluate.row_name("two-stream", run.config.stream.attention)
    report = html.Report(
        title=f"TCLSTA on {run.manifest.dataset}, split {run.config.data.split}",
        subtitle=f"{len(evaluation.labels)} test videos, {len(run.labels)} classes",
        headlines=[
            _headline(evaluation, final, "the whole method"),
            _headline(evaluation, full, "mean of both streams"),
            *(
                _headline(evaluation, evaluate.row_name(row, run.config.stream.attention), f"{stream} stream")
                for stream, row in evaluate.STREAM_ROWS.items()
            ),
        ],  # fmt: skip
        results=evaluation.results,
        best=final,
        confused=[
            (run.labels[pair.true_class], run.labels[pair.predicted_class], pair.count, pair.share)
            for pair in metrics.most_confused_pairs(confusion)
        ],
        sections=[
            html.Section("Classes", pictures=_class_pictures(run, evaluation, confusion)),
            html.Section(
                "Attention",
                text=(
                    f"The first test video of each of {_PICTURED_VIDEOS} classes, spread evenly over the class list: "
                    "right or wrong, none is chosen by eye."
                ),
                pictures=_attention_pictures(run, evaluation.scores[final]),
            ),
        ],
        configuration={
            f"{group}.{name}": value for group, values in run.config.to_json().items() for name, value in values.items()
        },
        footer=f"code revision {evaluate.git_revision()}",
    )
    for section in report.sections:
        for picture in section.pictures:
            _write(run.report_dir / f"{_file_name(picture.title)}.png", picture.png)
    _write(run.report_dir / "index.html", html.render(report).encode())
    caption = f"{run.manifest.dataset}, split {run.config.data.split}: {len(evaluation.labels)} test videos"
    return tables.accuracy_table(evaluation.results, caption=caption).to_text().rstrip()


def _headline(evaluation: evaluate.Evaluation, row: str, note: str) -> html.Headline:
    accuracy = evaluation.results[row]["overall_accuracy"]
    return html.Headline(label=row, value=f"{100 * accuracy:.1f} %", note=note)


def _class_pictures(run: run_lib.Run, evaluation: evaluate.Evaluation, confusion: np.ndarray) -> list[html.Picture]:
    attention = run.config.stream.attention
    rows = {"static": "frame", "motion": "flow"}
    scored = {name: evaluation.scores[evaluate.row_name(row, attention)] for name, row in rows.items()}
    scored["fused"] = evaluation.scores[evaluation.final_row]
    accuracies = {name: metrics.per_class_accuracy(scores, evaluation.labels) for name, scores in scored.items()}
    present = sorted(accuracies["fused"])
    labels = [run.labels[index] for index in present]
    bars = {name: [values[index] for index in present] for name, values in accuracies.items()}
    return [
        html.Picture(
            "Confusion matrix",
            figures.to_png(figures.confusion_matrix(confusion, run.labels)),
            alt=f"Confusion matrix of {len(run.labels)} classes; {confusion.trace()} of {confusion.sum()} are right.",
            caption="Rows are true classes, columns predicted ones.",
        ),
        html.Picture(
            "Accuracy per class",
            figures.to_png(figures.per_class_accuracy(labels, bars)),
            alt="Dots for each class's accuracy by the static stream, the motion stream and both together.",
        ),
        html.Picture(
            "Fusion weights",
            figures.to_png(figures.fusion_weights(run.labels, evaluation.fusion_weights)),
            alt="Bars of the weight that each class gives to the static and to the motion stream.",
            caption="Learned on the validation part (Eq. 13).",
        ),
    ]


def _attention_pictures(run: run_lib.Run, scores: np.ndarray) -> list[html.Picture]:
    """Fig. 7 for a few test videos, chosen by rule: the first of each of evenly spaced classes."""
    streams = {stream: features.read(run.feature_file(stream, run_lib.TEST)) for stream in config.STREAMS}
    network = train_collaborative.run_network(run, run_lib.TEST)
    labels, ids = streams["static"]["labels"], streams["static"]["ids"]
    classes = np.unique(labels)
    wanted = classes[np.linspace(0, len(classes) - 1, min(_PICTURED_VIDEOS, len(classes))).round().astype(int)]
    pictures = []
    for row in [int(np.flatnonzero(labels == wanted_class)[0]) for wanted_class in wanted]:
        frames, fields = _clip(run, ids[row])
        video = attention_figure.VideoAttention(
            frames=frames,
            flow=fields,
            **{f"{name}_attention": values["spatial_attention"][row] for name, values in streams.items()},
            **{f"{name}_temporal": values["temporal_attention"][row] for name, values in streams.items()},
            **{f"{name}_collaborative": network[f"{name}_weights"][row] for name in streams},
            title=str(ids[row]),
            true_label=run.labels[labels[row]],
            predicted_label=run.labels[int(scores[row].argmax())],
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


def _clip(run: run_lib.Run, video_id: str) -> tuple[np.ndarray, np.ndarray]:
    """What the streams saw of a test video: frames uint8 [N, S, S, 3] and flow float32 [N, S, S, 2] in pixels."""
    data = run.config.data
    shards = run.manifest.shards_for(data.split, run_lib.TEST)
    subset = pipeline.select(shards, {video_id})
    clips = {}
    for stream in config.STREAMS:
        batches = pipeline.video_batches(subset, stream, data.test_frames, data.crop_size, 1, data.sampling)
        clips[stream] = next(iter(batches))["clips"][0].numpy()
    return clips["static"], pipeline.first_fields(clips["motion"])


def _file_name(title: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in title.lower())


def _write(path: storage.AnyPath, data: bytes) -> None:
    with storage.created(path) as partial:
        partial.write_bytes(data)
