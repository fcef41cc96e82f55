"""How a training is watched: accuracy on the validation part, and pictures of it for TensorBoard."""

from collections.abc import Callable, Iterable

import keras
import numpy as np
import tensorflow as tf

from tclsta_tf.data import pipeline
from tclsta_tf.evaluation import metrics
from tclsta_tf.recipes import parts
from tclsta_tf.recipes import run as run_lib
from tclsta_tf.reports import attention_figure, figures
from tclsta_tf.training import trainer

_BATCH = 8
_OUTPUTS = ("scores", "spatial_attention", "temporal_attention")
_DPI = 80


def stream_validation(
    run: run_lib.Run, stage: parts.Stage, stream: str, model: keras.Model
) -> Callable[[int], dict[str, float]]:
    """A function that measures a stream on the validation part and writes pictures of what it found.

    Args:
        run: configuration and data.
        stage: where it writes to, and the frames of a clip.
        stream: `static` or `motion`.
        model: the stream's model.

    Returns:
        A function from a step to scalars; none where the validation part is empty.
    """
    subset = run.subset(run_lib.VALIDATION)
    data, num_frames = run.config.data, stage.settings.frames

    outputs_of = parts.make_inference(run, stream, model, num_frames, _OUTPUTS)
    batches: Iterable[dict[str, tf.Tensor]] = ()
    if len(subset):
        batches = pipeline.video_batches(subset, stream, num_frames, data.crop_size, _BATCH, data.sampling)

    def validate(step: int) -> dict[str, float]:
        if run.config.device.histograms:
            stage.summaries.write_histograms(step, model.trainable_variables)
        scalars = {"weight_norm": float(tf.linalg.global_norm([v.value for v in model.trainable_variables]))}
        if not len(subset):
            return scalars
        scores: list[np.ndarray] = []
        labels: list[np.ndarray] = []
        for batch in batches:
            outputs = {name: value.numpy() for name, value in outputs_of(batch["clips"]).items()}
            if not scores:
                png = _draw_attention(run, stream, batch["clips"][0].numpy(), outputs, int(batch["labels"][0]))
                stage.summaries.write_image(step, f"{stream}/attention", png)
            scores.append(outputs["scores"])
            labels.append(batch["labels"].numpy())
        return scalars | describe(run, stage, step, np.concatenate(scores), np.concatenate(labels))

    if stage.number == 0:
        stage.summaries.write_graph(outputs_of.get_concrete_function().graph)
    return validate


def describe(
    run: run_lib.Run, stage: parts.Stage, step: int, scores: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    """Gives the accuracy overall and per class, and writes the confusion matrix.

    Args:
        run: its class names are used.
        stage: where the picture goes.
        step: as the curves count it.
        scores: float [n, C].
        labels: int [n].
    """
    chart = figures.confusion_matrix(metrics.confusion_matrix(scores, labels), run.labels)
    stage.summaries.write_image(step, f"{stage.part}/confusion", figures.to_png(chart, _DPI))
    accuracies = metrics.per_class_accuracy(scores, labels)
    per_class = {f"{trainer.VALIDATED}_of/{run.labels[index]}": value for index, value in accuracies.items()}
    return {trainer.VALIDATED: metrics.summarise(scores, labels)["overall_accuracy"], **per_class}


def _draw_attention(
    run: run_lib.Run, stream: str, clip: np.ndarray, outputs: dict[str, np.ndarray], label: int
) -> bytes:
    """Draws where and when the stream looks in the first video of a batch."""
    is_flow = stream == "motion"
    pictures = attention_figure.colour_flow(pipeline.first_fields(clip)) if is_flow else clip
    attentions = {
        f"{stream}_attention": outputs["spatial_attention"][0],
        f"{stream}_temporal": outputs["temporal_attention"][0],
    }
    return figures.to_png(
        attention_figure.draw(
            attention_figure.VideoAttention(
                frames=pictures,
                **attentions,
                pictures="flow" if is_flow else "frames",
                title=f"{stream} stream, first video of the validation part",
                true_label=run.labels[label],
                predicted_label=run.labels[int(outputs["scores"][0].argmax())],
            )
        ),
        _DPI,
    )
