"""Which devices a run uses."""

import functools
import os
from collections.abc import Callable

import tensorflow as tf

AUTO, NONE, MIRRORED, MULTI_WORKER, TPU = "auto", "none", "mirrored", "multi_worker", "tpu"


class _Reduction(tf.distribute.ReductionToOneDevice):
    """Adds up on one device, replica after replica, in a graph that does not take minutes to be made.

    A sum over replicas has a gradient of its own, and for every such gradient TensorFlow looks for variables behind the
    sum: in the whole graph of the other replicas, because only this one's is known to end at its input. With two sums
    in every batch normalisation the time goes with the square of the depth. The search ends at a `stop_gradient`, which
    takes nothing away: no gradient goes through the inside of a sum.
    """

    def __init__(self) -> None:
        # Not `tf.add_n`, TensorFlow's choice: of three replicas or more its last bits differ from run to run.
        super().__init__(accumulation_fn=lambda values: functools.reduce(tf.add, values))

    def reduce_implementation(self, reduce_op, per_replica_value, destinations, options):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, D102
        if isinstance(per_replica_value, tf.distribute.DistributedValues):
            per_replica_value = tf.nest.map_structure(_stop, per_replica_value, expand_composites=True)
        return super().reduce_implementation(reduce_op, per_replica_value, destinations, options)


def _stop(value: tf.Tensor) -> tf.Tensor:
    with tf.device(value.device):
        return tf.stop_gradient(value)


def prepare_devices(logical_cpus: int = 0) -> None:
    """Sets up devices; a command calls this before TensorFlow touches any.

    Args:
        logical_cpus: splits the CPU into so many devices, to try a mirrored run without GPUs; 0 leaves it whole.

    Raises:
        ValueError: where TensorFlow runs already with other devices.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)  # a report or a second run shall find room
    if not logical_cpus:
        return
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * logical_cpus)
    except RuntimeError as error:
        raise ValueError(f"`logical_cpus` must be set before TensorFlow starts. Received: {logical_cpus}") from error


def make_strategy(distribution: str = AUTO) -> tf.distribute.Strategy:
    """The strategy that a run trains under.

    Args:
        distribution: `none` is one device, `mirrored` all GPUs (without GPUs: all logical CPUs), `auto` is `mirrored`
            where there are at least two GPUs and `none` elsewhere; `multi_worker` all devices of the workers that the
            environment variable TF_CONFIG names; `tpu` the TPU that the environment tells of.

    Returns:
        The strategy; TensorFlow's default one for one device.

    Raises:
        ValueError: for an unknown name, or where TF_CONFIG or the TPU is missing.
    """
    if distribution not in (AUTO, NONE, MIRRORED, MULTI_WORKER, TPU):
        raise ValueError(
            f"`distribution` must be auto, none, mirrored, multi_worker or tpu. Received: distribution={distribution!r}"
        )
    if distribution == MULTI_WORKER:
        if not os.environ.get("TF_CONFIG"):
            raise ValueError(
                "distribution=multi_worker needs the environment variable TF_CONFIG, which names all workers and this "
                "one. See docs/training.md, Several machines"
            )
        return tf.distribute.MultiWorkerMirroredStrategy()
    if distribution == TPU:
        try:
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
        except (ValueError, tf.errors.OpError) as error:
            raise ValueError(f"distribution=tpu found no TPU ({error})") from error
        return tf.distribute.TPUStrategy(resolver)
    gpus = tf.config.list_logical_devices("GPU")
    if distribution == NONE or (distribution == AUTO and len(gpus) < 2):
        return tf.distribute.get_strategy()
    devices = gpus or tf.config.list_logical_devices("CPU")
    # Several mirrored strategies in one process share the collective keys of NCCL and hang; this reduction does not.
    reduction = None if gpus else _Reduction()
    return tf.distribute.MirroredStrategy([device.name for device in devices], cross_device_ops=reduction)


def is_several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether other processes train with this one."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that writes files."""
    resolver = strategy.cluster_resolver
    if not is_several_workers(strategy) or resolver is None:
        return True
    has_chief = "chief" in resolver.cluster_spec().as_dict()
    return resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0)


def distribute(
    strategy: tf.distribute.Strategy, batches: Callable[[int, int], tf.data.Dataset]
) -> tf.distribute.DistributedDataset:
    """Gives every replica its share of every batch.

    Args:
        strategy: a strategy.
        batches: makes the dataset of a worker's share of the batches, from the number of workers and of this one.

    Returns:
        What `strategy.run` takes from.
    """
    if not is_several_workers(strategy):
        return strategy.experimental_distribute_dataset(batches(1, 0))

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        share = batches(context.num_input_pipelines, context.input_pipeline_id)
        local = strategy.num_replicas_in_sync // context.num_input_pipelines
        if local == 1:
            return share
        return share.flat_map(lambda batch: tf.data.Dataset.from_tensor_slices(_cut(batch, local)))

    return strategy.distribute_datasets_from_function(of_worker)


def _cut(batch: dict[str, tf.Tensor], parts: int) -> dict[str, tf.Tensor]:
    return {
        name: tf.reshape(value, tf.concat([[parts, -1], tf.shape(value)[1:]], axis=0)) for name, value in batch.items()
    }
