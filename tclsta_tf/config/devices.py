"""Where and how the numbers are computed."""

import dataclasses

from tclsta_tf.config import fields


@dataclasses.dataclass(frozen=True)
class DeviceConfig:
    """Where and how the numbers are computed.

    Attributes:
        distribution: `auto` mirrors over all GPUs where there are several, `none` uses one device, `mirrored` asks for
            a MirroredStrategy over all GPUs (or logical CPUs), `multi_worker` trains on all machines that the
            environment variable TF_CONFIG names, `tpu` on a TPU.
        logical_cpus: Splits the CPU into this many devices, to try `mirrored` without GPUs; 0 leaves it whole.
        precision: `float32`, `mixed_bfloat16`, or `mixed_float16` with loss scaling.
        histograms: Writes histograms of the weights for TensorBoard whenever the validation part is looked at.
        xla: Compiles the forward and the backward pass by XLA.
        seed: Seed of initial weights, order of the videos, crops and dropout.
    """

    distribution: str = fields.choices("auto", "none", "mirrored", "multi_worker", "tpu")
    logical_cpus: int = 0
    precision: str = fields.choices("float32", "mixed_bfloat16", "mixed_float16")
    histograms: bool = False
    xla: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        fields.check_choices(self)
        fields.check(self.logical_cpus >= 0, "logical_cpus", "0 or more", self.logical_cpus)
