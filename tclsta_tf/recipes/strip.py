"""What the model looked at in one video, as one picture."""

from typing import Any

from tclsta_tf import config
from tclsta_tf.data import pipeline
from tclsta_tf.prediction import answer
from tclsta_tf.reports import attention_figure, figures
from tfrecords_tools import storage

_KINDS = {
    "attention": "spatial_attention",
    "temporal": "temporal_attention",
    "collaborative": "collaborative_weights",
}


def write_strip(prediction: answer.Prediction, crop_size: int, picture: storage.AnyPath) -> None:
    """Writes the frames of an answer with heat maps, flow and weights over time.

    Args:
        prediction: the answer.
        crop_size: side in pixels of the centre crop that the model saw, at stored resolution.
        picture: a .png file; it appears only when it is whole.

    Raises:
        OSError: where it cannot be written.
    """
    clip = prediction.cropped(crop_size)
    weights: dict[str, Any] = {
        f"{stream}_{short}": clip.outputs.get(f"{stream}_{name}")
        for stream in config.STREAMS
        for short, name in _KINDS.items()
    }
    video_attention = attention_figure.VideoAttention(
        frames=clip.frames,
        flow=pipeline.first_fields(clip.flow) if len(clip.flow) else None,
        **weights,
        title=prediction.path.name,
        predicted_label=prediction.top(1)[0][0],
    )
    with storage.created(picture) as partial:
        partial.write_bytes(figures.to_png(attention_figure.draw(video_attention), dpi=100))
