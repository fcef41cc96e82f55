"""The losses of the paper, one value per example, so that any split over devices adds up to the same sum."""

import tensorflow as tf

_STREAM_LOSSES = {"connection": "frame_logits", "spatial": "cam_logits", "temporal": "temporal_logits"}
_TRAINED_ON = {
    "all": tuple(_STREAM_LOSSES),
    "spatial": ("connection", "spatial"),
    "temporal": ("temporal",),
    "heads": tuple(_STREAM_LOSSES),
}


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor, smoothing: float = 0.0) -> tf.Tensor:
    """Softmax cross-entropy, at least in float32.

    Args:
        logits: float [B, C] or [B, T, C].
        labels: int [B].
        smoothing: share of the target that is spread evenly over all classes (Szegedy et al. 2016).

    Returns:
        [B]; of T frames the mean.
    """
    logits = tf.cast(logits, tf.float64 if logits.dtype == tf.float64 else tf.float32)
    log_shares = tf.nn.log_softmax(logits)
    targets = tf.one_hot(labels, tf.shape(logits)[-1], dtype=logits.dtype)
    if smoothing:
        targets = (1.0 - smoothing) * targets + smoothing / tf.cast(tf.shape(logits)[-1], logits.dtype)
    if logits.shape.rank == 3:
        targets = targets[:, tf.newaxis]
    return -tf.reduce_mean(tf.reshape(tf.reduce_sum(targets * log_shares, axis=-1), [tf.shape(logits)[0], -1]), axis=1)


def stream_losses(
    outputs: dict[str, tf.Tensor],
    labels: tf.Tensor,
    video_loss: bool = False,
    trains: str = "all",
    smoothing: float = 0.0,
) -> dict[str, tf.Tensor]:
    """loss_c + loss_s + loss_t of the attention model, unweighted (paper: Fig. 3); ablations lack some of them.

    Args:
        outputs: of `AttentionStream`.
        labels: int [B].
        video_loss: adds the cross-entropy of the whole video's score, dense(sum_i beta_i), where all is trained.
        trains: `all`; `spatial` (loss_c + loss_s) or `temporal` (loss_t), stages of the authors' release; `heads`
            (all three).
        smoothing: see `cross_entropy`.

    Returns:
        {name: float32 [B]}.
    """
    names = {name: output for name, output in _STREAM_LOSSES.items() if name in _TRAINED_ON[trains]}
    losses = {
        name: cross_entropy(outputs[output], labels, smoothing) for name, output in names.items() if output in outputs
    }
    if video_loss and trains in ("all", "heads"):
        losses["video"] = cross_entropy(outputs["video_logits"], labels, smoothing)
    return losses


def collaborative_losses(
    outputs: dict[str, tf.Tensor],
    labels: tf.Tensor,
    step: tf.Tensor,
    alternate_updates: bool = False,
    smoothing: float = 0.0,
) -> dict[str, tf.Tensor]:
    """Cross-entropy on each head of the collaborative network; the release has one head.

    Args:
        outputs: of `CollaborativeNetwork`.
        labels: int [B].
        step: int scalar, steps done so far.
        alternate_updates: even steps train on the motion head only, odd steps on the static head only.
        smoothing: see `cross_entropy`.

    Returns:
        {name: float32 [B]}.
    """
    if "logits" in outputs:
        return {"merged": cross_entropy(outputs["logits"], labels, smoothing)}
    losses = {side: cross_entropy(outputs[f"{side}_logits"], labels, smoothing) for side in ("motion", "static")}
    if alternate_updates:
        even = tf.cast(step % 2 == 0, tf.float32)
        losses = {"motion": even * losses["motion"], "static": (1.0 - even) * losses["static"]}
    return losses
