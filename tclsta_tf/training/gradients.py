"""The gradient of one step: of the whole batch, however many devices and parts it is split over.

The loss is sum(losses of all examples) / batch_size. Every replica computes its share, and `optimizer.apply` adds the
shares up. What is not linear (clipping, loss scaling) is done on the sum.
"""

import dataclasses
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from tclsta_tf import config

Batch = dict[str, tf.Tensor]
# (batch, step) -> losses by name, each [b], and the scores [b, C] that accuracy is taken from.
Forward = Callable[[Batch, tf.Tensor], tuple[dict[str, tf.Tensor], tf.Tensor]]


@dataclasses.dataclass
class Gradients:
    """Computes gradients; its methods are called inside a replica, while a `tf.function` is traced.

    Attributes:
        forward: runs the model on a replica's batch in training mode; the batch has a key `labels`.
        variables: what is trained.
        settings: batch size, parts, clipping, decay.
        xla: compiles forward and backward pass by XLA.
    """

    forward: Forward
    variables: Sequence[keras.Variable]
    settings: config.TrainConfig
    xla: bool = False

    def __post_init__(self) -> None:
        self._of_part = tf.function(self._differentiate, jit_compile=True) if self.xla else self._differentiate

    def of_batch(
        self, batch: Batch, step: tf.Tensor, loss_scale: tf.Tensor | None = None
    ) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        """This replica's share of the loss and of its gradient; the shares of all replicas add up.

        Args:
            batch: this replica's examples.
            step: steps done so far.
            loss_scale: factor on the loss while it is differentiated, divided out again.

        Returns:
            The gradient with respect to each variable, and scalars by name.
        """
        scale = tf.constant(1.0) if loss_scale is None else loss_scale
        parts = self.settings.accumulate
        if parts == 1:
            gradients, values = self._of_part(batch, step, scale)
        else:
            size = tf.shape(batch["labels"])[0] // parts
            gradients, values = self._of_part(_part(batch, 0, size), step, scale)
            for index in tf.range(1, parts):
                more, others = self._of_part(_part(batch, index, size), step, scale)
                gradients = [first + second for first, second in zip(gradients, more, strict=True)]
                values = {name: values[name] + others[name] for name in values}
        if loss_scale is not None:
            gradients = [gradient / tf.cast(scale, gradient.dtype) for gradient in gradients]
        return gradients, values

    def _differentiate(
        self, batch: Batch, step: tf.Tensor, scale: tf.Tensor
    ) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
        share = 1.0 / self.settings.batch_size
        losses, scores = self.forward(batch, step)
        sums = {name: share * tf.reduce_sum(loss) for name, loss in losses.items()}
        # Not `tf.add_n`, which begins with the term whose memory is free first: the last bits would differ. For the
        # same reason not `tf.GradientTape`, which sums by it what comes to a tensor from its several uses.
        loss = tf.reduce_sum(tf.stack(list(sums.values())))
        gradients = tf.gradients(
            tf.cast(scale, loss.dtype) * loss,
            [variable.value for variable in self.variables],
            aggregation_method=tf.AggregationMethod.EXPERIMENTAL_TREE,
            unconnected_gradients="zero",
        )
        hits = tf.argmax(scores, axis=-1, output_type=tf.int32) == batch["labels"]
        accuracy = share * tf.reduce_sum(tf.cast(hits, tf.float32))
        values = {f"loss_{name}": value for name, value in sums.items()} | {"loss": loss, "accuracy": accuracy}
        return gradients, values

    def finish(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Clips the gradient, then adds Caffe's weight decay and scales that of biases.

        Args:
            gradients: this replica's share of the gradient.

        Returns:
            Its share of the finished gradient.
        """
        replica = tf.distribute.get_replica_context()
        replicas = replica.num_replicas_in_sync
        limit, norm = self.settings.clip_value, self.settings.clip_norm

        def of_whole_batch(gradient: tf.Tensor) -> tf.Tensor:
            return replica.all_reduce(tf.distribute.ReduceOp.SUM, gradient) if replicas > 1 else gradient

        shares = list(gradients)
        if limit:
            # The authors' release clips inside the LSTM, which clips its gradient.
            shares = [
                tf.clip_by_value(of_whole_batch(share), -limit, limit) / replicas if "lstm" in variable.path else share
                for share, variable in zip(shares, self.variables, strict=True)
            ]
        if norm:
            whole, _ = tf.clip_by_global_norm([of_whole_batch(share) for share in shares], norm)
            shares = [gradient / replicas for gradient in whole]
        return [
            self._decay_and_scale(share, variable, replicas)
            for share, variable in zip(shares, self.variables, strict=True)
        ]

    def _decay_and_scale(self, share: tf.Tensor, variable: keras.Variable, replicas: int) -> tf.Tensor:
        name = variable.path.rpartition("/")[2]
        if name.endswith(("kernel", "kernels")):
            # In the gradient, as in Caffe: with momentum that is not the decoupled decay that optimizers offer.
            return share + tf.cast(self.settings.weight_decay / replicas, share.dtype) * variable.value
        if name == "bias":
            return self.settings.bias_rate * share
        return tf.identity(share)  # The optimizer's all-reduce cannot hand on a tensor of the graph around a tf.cond.


def _part(batch: Batch, index: int | tf.Tensor, size: tf.Tensor) -> Batch:
    return {name: value[index * size : (index + 1) * size] for name, value in batch.items()}
