"""Training of the parts, in stages."""

import dataclasses
from typing import Any

from tclsta_tf.config import fields


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How one stage of one part is trained; most parts have a single stage.

    Attributes:
        trains: What learns: `all`; `spatial` is the backbone with the connection classifier and the CAM head, on their
            losses; `temporal` the temporal head alone, on its loss. Frozen layers keep their batch statistics.
            `backbone`, a first stage, is all of a stream without attention; it is trained once for all variants of an
            ablation, in <workdir>/backbone. `heads` is all that stands above the backbone, which is left as it is and
            normalises by its stored averages.
        steps: Training steps.
        batch_size: Clips (videos for the collaborative network) per step, over all devices.
        accumulate: Parts that each device's share of the batch is cut into, one after the other, where it does not fit
            its memory; the step is that of the whole batch.
        frames: Frames per clip (paper symbol T); the collaborative network always gets all of `test_frames`.
        optimizer: `sgd` (momentum), `adam`, or `rmsprop` with the constants of the authors' release.
        learning_rate: Rate at the start.
        momentum: Momentum of `sgd`.
        weight_decay: Caffe's weight decay: this times every kernel is added to its gradient.
        bias_rate: Factor on the learning rate of biases (Caffe's lr_mult, 2 in the release); `sgd` only.
        schedule: `step` multiplies the rate by `decay_rate` every `decay_steps` steps, `exponential` lowers it
            continuously by as much, `cosine` lowers it to 0 over all steps, `plateau` multiplies it by `decay_rate`
            when the accuracy on the validation part has not risen for `patience` looks at it.
        decay_steps: Interval of the `step` and `exponential` schedules; 0 keeps the rate constant.
        decay_rate: Factor of all schedules but `cosine`.
        patience: Looks at the validation part without a new best before `plateau` lowers the rate.
        warmup_steps: Steps over which the rate rises linearly from 0.
        clip_value: Largest absolute value of an element of the LSTM's gradient (release: 0.1); 0 turns it off.
        clip_norm: Largest norm of the gradient of the whole batch with respect to all variables; 0 turns it off.
        label_smoothing: Share of the target that is spread evenly over all classes, in [0, 1); 0 turns it off.
        ema: Decay of an average of the weights over the steps, in [0, 1), which validation and the finished part use
            instead of the last weights; 0 turns it off.
        validate_every: Steps between two looks at the validation part; 0 looks only at the end.
        checkpoint_every: Steps between two checkpoints.
        keep: `last` ends with the weights of the last step, `best` with those of the best look at the validation part.
    """

    trains: str = fields.choices("all", "spatial", "temporal", "backbone", "heads")
    steps: int = 30000
    batch_size: int = 6
    accumulate: int = 1
    frames: int = 10
    optimizer: str = fields.choices("sgd", "adam", "rmsprop")
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 1e-4
    bias_rate: float = 1.0
    schedule: str = fields.choices("step", "exponential", "cosine", "plateau")
    decay_steps: int = 0
    decay_rate: float = 0.1
    patience: int = 5
    warmup_steps: int = 0
    clip_value: float = 0.0
    clip_norm: float = 0.0
    label_smoothing: float = 0.0
    ema: float = 0.0
    validate_every: int = 1000
    checkpoint_every: int = 500
    keep: str = fields.choices("last", "best")

    def __post_init__(self) -> None:
        fields.check_choices(self)
        for name in ("steps", "batch_size", "accumulate", "frames", "patience", "checkpoint_every"):
            fields.check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        for name in ("weight_decay", "decay_steps", "warmup_steps", "clip_value", "clip_norm", "validate_every"):
            fields.check(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        for name in ("learning_rate", "bias_rate"):
            fields.check(getattr(self, name) > 0, name, "positive", getattr(self, name))
        for name in ("momentum", "label_smoothing", "ema"):
            fields.check(0 <= getattr(self, name) < 1, name, "in [0, 1)", getattr(self, name))
        fields.check(0 < self.decay_rate <= 1, "decay_rate", "in (0, 1]", self.decay_rate)
        fields.check(self.warmup_steps < self.steps, "warmup_steps", f"below steps={self.steps}", self.warmup_steps)
        if self.bias_rate != 1 and self.optimizer != "sgd":
            # Others divide the gradient by its size, so that a factor on it has no effect.
            raise ValueError(f"`bias_rate` needs optimizer=sgd. Received: bias_rate={self.bias_rate}")
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"`batch_size` must be a multiple of accumulate={self.accumulate}. "
                f"Received: batch_size={self.batch_size}"
            )


def make_stages(values: dict[str, Any]) -> tuple[TrainConfig, ...]:
    """Makes the stages of a part.

    Args:
        values: field of `TrainConfig` -> its value, or a sequence with one value per stage.

    Returns:
        As many stages as the longest sequence; a single value is that of all stages.

    Raises:
        ValueError: the sequences differ in length, or a value is out of range; the message names the field.
    """
    columns = {name: value if isinstance(value, list | tuple) else (value,) for name, value in values.items()}
    count = max(len(column) for column in columns.values())
    for name, column in columns.items():
        if len(column) not in (1, count):
            raise ValueError(f"`{name}` must have one value, or {count}, one for each stage. Received: {len(column)}")
    return tuple(
        TrainConfig(**{name: column[stage % len(column)] for name, column in columns.items()}) for stage in range(count)
    )
