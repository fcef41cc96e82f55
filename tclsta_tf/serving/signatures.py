"""What the SavedModel can be asked, in named signatures."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tclsta_tf.data import augmentation, pipeline


def build_archive(
    model: keras.Model, labels: Sequence[str], num_frames: int, crop_size: int
) -> keras.export.ExportArchive:
    """Puts the signatures on `model`.

    `serving_default` and, the same under a name that will stay, `precomputed`:

    Inputs: `frames` uint8 [B, N, H, W, 3] RGB; `flow` uint8 [B, N, H, W, 20], channels u1, v1, u2, v2, ..., stored
    bytes (zero motion is 128); H and W at least `crop_size`, of which the centre is used.
    Outputs: those of `TwoStream` and `labels` string [B, C], the class of each column of `scores`.

    Args:
        model: built `TwoStream`.
        labels: class names in index order.
        num_frames: N.
        crop_size: side of the centre crop, pixels.

    Returns:
        An archive to be written with `write_out(path)`.
    """
    names = tf.constant(list(labels))

    def classify(frames: tf.Tensor, flow: tf.Tensor) -> dict[str, tf.Tensor]:
        clips = {"frames": _centre(frames, crop_size), "flow": _centre(flow, crop_size)}
        outputs = model(clips, training=False)
        return outputs | {"labels": tf.tile(names[tf.newaxis], [tf.shape(frames)[0], 1])}

    signature = [
        tf.TensorSpec([None, num_frames, None, None, pipeline.CHANNELS["static"]], tf.uint8, name="frames"),
        tf.TensorSpec([None, num_frames, None, None, pipeline.CHANNELS["motion"]], tf.uint8, name="flow"),
    ]
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name in ("serving_default", "precomputed"):
        archive.add_endpoint(name, classify, input_signature=signature)
    return archive


def _centre(clips: tf.Tensor, size: int) -> tf.Tensor:
    """Centre crops of clips [B, N, H, W, C], all videos and frames alike."""
    top, left, *_ = tf.unstack(augmentation.centre_crop(size).window(tf.shape(clips)[2:4]))
    cropped = clips[:, :, top : top + size, left : left + size]
    return tf.ensure_shape(cropped, [None, clips.shape[1], size, size, clips.shape[-1]])
