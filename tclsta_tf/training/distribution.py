"""Which devices a run uses."""

import tensorflow as tf

AUTO, NONE, MIRRORED = "auto", "none", "mirrored"


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
            where there are at least two GPUs and `none` elsewhere.

    Returns:
        TensorFlow's default strategy or a MirroredStrategy.

    Raises:
        ValueError: for an unknown name.
    """
    if distribution not in (AUTO, NONE, MIRRORED):
        raise ValueError(f"`distribution` must be auto, none or mirrored. Received: distribution={distribution!r}")
    gpus = tf.config.list_logical_devices("GPU")
    if distribution == NONE or (distribution == AUTO and len(gpus) < 2):
        return tf.distribute.get_strategy()
    devices = gpus or tf.config.list_logical_devices("CPU")
    # Several mirrored strategies in one process share the collective keys of NCCL and hang; this reduction does not.
    reduction = None if gpus else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy([device.name for device in devices], cross_device_ops=reduction)
