"""The losses of the paper, one value per example, so that any split over devices adds up to the same sum."""

import tensorflow as tf


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Softmax cross-entropy in float32: logits [B, C] or [B, T, C] with labels int [B] -> [B], the mean over T."""
    logits = tf.cast(logits, tf.float32)
    if logits.shape.rank == 2:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    labels = tf.repeat(labels[:, tf.newaxis], tf.shape(logits)[1], axis=1)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits), axis=1)


def stream_losses(outputs: dict[str, tf.Tensor], labels: tf.Tensor, video_loss: bool = False) -> dict[str, tf.Tensor]:
    """loss_c + loss_s + loss_t of the attention model, unweighted (paper: Fig. 3); ablations lack some of them.

    Args:
        outputs: of `AttentionStream`.
        labels: int [B].
        video_loss: adds the cross-entropy of the whole video's score, dense(sum_i beta_i).

    Returns:
        {name: float32 [B]}.
    """
    losses = {"connection": cross_entropy(outputs["frame_logits"], labels)}
    if "cam_logits" in outputs:
        losses["spatial"] = cross_entropy(outputs["cam_logits"], labels)
    if "temporal_logits" in outputs:
        losses["temporal"] = cross_entropy(outputs["temporal_logits"], labels)
    if video_loss:
        losses["video"] = cross_entropy(outputs["video_logits"], labels)
    return losses


def collaborative_losses(
    outputs: dict[str, tf.Tensor], labels: tf.Tensor, step: tf.Tensor, alternate_updates: bool = False
) -> dict[str, tf.Tensor]:
    """Cross-entropy on each head of the collaborative network; the release has one head.

    Args:
        outputs: of `CollaborativeNetwork`.
        labels: int [B].
        step: int scalar, steps done so far.
        alternate_updates: even steps train on the motion head only, odd steps on the static head only.

    Returns:
        {name: float32 [B]}.
    """
    if "logits" in outputs:
        return {"merged": cross_entropy(outputs["logits"], labels)}
    losses = {side: cross_entropy(outputs[f"{side}_logits"], labels) for side in ("motion", "static")}
    if alternate_updates:
        even = tf.cast(step % 2 == 0, tf.float32)
        losses = {"motion": even * losses["motion"], "static": (1.0 - even) * losses["static"]}
    return losses
