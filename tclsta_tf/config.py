"""Every setting of the classifier, in frozen dataclasses; imports no project code.

The text under `Attributes:` is also the help of the command line: flags.py reads names, types, defaults and help from
here, so a setting is written down once.
"""

import dataclasses
import json
import pathlib
from typing import Any

PARTS = ("static", "motion", "collaborative")
STREAMS = ("static", "motion")
ATTENTION_VARIANTS = ("none", "sa", "ta", "sta")


def choices(*values: str) -> Any:
    """A field that takes one of `values`, the first being the default."""
    return dataclasses.field(default=values[0], metadata={"choices": values})


def _check(condition: bool, name: str, expected: str, value: object) -> None:
    if not condition:
        raise ValueError(f"`{name}` must be {expected}. Received: {name}={value!r}")


def _check_choices(config: Any) -> None:
    for field in dataclasses.fields(config):
        allowed = field.metadata.get("choices")
        if allowed:
            value = getattr(config, field.name)
            _check(value in allowed, field.name, f"one of {', '.join(allowed)}", value)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which records are used, and how a clip is taken from a video.

    Attributes:
        split: Name of the train/test split, one of those in the manifest.
        validation_fraction: Share of the training part that is held out, whole groups at a time, to watch the training
            and to fit the fusion weights on; in [0, 0.5]. The test part is never used for that.
        crop_size: Side in pixels of the square crop that the networks see; at most the stored frame's shorter side.
        sampling: How the T frames of a training clip are placed: `uniform` is floor(i*n/(T+1)), `release` the 1-based
            i*floor(n/(T+1)) of the authors' lists, `segments` one random frame from each of T equal parts (TSN).
            Testing places frames by `uniform` unless this says `release`.
        mirror: Whether training clips are mirrored at random; the flow's horizontal component is negated with it.
        test_frames: Frames per video for features, testing and the collaborative network (paper symbol N).
        shuffle_buffer: Encoded videos held in memory to shuffle them.
    """

    split: str = "1"
    validation_fraction: float = 0.15
    crop_size: int = 224
    sampling: str = choices("uniform", "release", "segments")
    mirror: bool = True
    test_frames: int = 25
    shuffle_buffer: int = 256

    def __post_init__(self) -> None:
        _check_choices(self)
        _check(0 <= self.validation_fraction <= 0.5, "validation_fraction", "in [0, 0.5]", self.validation_fraction)
        for name in ("crop_size", "test_frames", "shuffle_buffer"):
            _check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))


@dataclasses.dataclass(frozen=True)
class StreamConfig:
    """The spatial-temporal attention model, the same for both streams (METHOD 2 of the paper: Section III-A).

    Attributes:
        backbone: Convolutional network below the heads: `resnet50`, or `small` for a CPU and for tests.
        backbone_weights: Start of the backbone: `none` (random), `imagenet` (downloaded by Keras) or a weights file.
        attention: Which attentions are built (the rows of Table VI): `none`, `sa` (spatial), `ta` (temporal), `sta`.
        cam_units: Channels of the class activation convolution (paper symbol K).
        cam_groups: Groups of that convolution, 1 or 2 (the authors' release has 2).
        cam_pool: Pooling from class activation map to logit: `mean` (Table III, release) or `sum` (Eq. (1) literally).
        cam_class: Class whose map is used: `predicted`, `label` (training only) or `expected` (mean by probability).
        lstm_units: Units of the temporal head's LSTM.
        affinity_scale: Factor on H^T H in Eq. (4); 1 is literal, `1/sqrt(lstm_units)` keeps tanh from saturating.
        batchnorm: `batch` normalises by the whole batch's statistics, over all devices; `frozen` by stored averages.
        video_loss: Adds a cross-entropy on the whole video's score, so that the temporal attention itself is trained.
    """

    backbone: str = choices("resnet50", "small")
    backbone_weights: str = "none"
    attention: str = dataclasses.field(default="sta", metadata={"choices": ATTENTION_VARIANTS})
    cam_units: int = 1024
    cam_groups: int = 1
    cam_pool: str = choices("mean", "sum")
    cam_class: str = choices("predicted", "label", "expected")
    lstm_units: int = 512
    affinity_scale: float = 1.0
    batchnorm: str = choices("batch", "frozen")
    video_loss: bool = False

    def __post_init__(self) -> None:
        _check_choices(self)
        _check(self.cam_groups in (1, 2), "cam_groups", "1 or 2", self.cam_groups)
        _check(self.affinity_scale > 0, "affinity_scale", "positive", self.affinity_scale)
        for name in ("cam_units", "lstm_units"):
            _check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))


@dataclasses.dataclass(frozen=True)
class CollaborativeConfig:
    """The collaborative learning network (paper: Section III-B.1).

    Attributes:
        collaborative_network: `paper` is Algorithm 1 with two softmaxes, `release` the network the authors published.
        collaborative_input: Features that enter: `beta` (Eq. (6), with temporal attention) or `alpha` (without).
        rescale_temporal: Multiplies beta by N, which undoes its factor of about 1/N.
        collaborative_width: Rows of H in Eq. (7).
        collab_rounds: Rounds of Algorithm 1 that are unrolled.
        alternate_updates: Even steps train the motion side with the static side stopped, odd steps the reverse.
        collaborative_dropout: Dropout rate of the `release` network, in [0, 1).
    """

    collaborative_network: str = choices("paper", "release")
    collaborative_input: str = choices("beta", "alpha")
    rescale_temporal: bool = False
    collaborative_width: int = 512
    collab_rounds: int = 3
    alternate_updates: bool = False
    collaborative_dropout: float = 0.5

    def __post_init__(self) -> None:
        _check_choices(self)
        for name in ("collaborative_width", "collab_rounds"):
            _check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        _check(0 <= self.collaborative_dropout < 1, "collaborative_dropout", "in [0, 1)", self.collaborative_dropout)
        if self.alternate_updates and self.collaborative_network == "release":
            raise ValueError(
                "`alternate_updates` needs two losses, which the release network has not. "
                "Use --collaborative_network=paper or --noalternate_updates"
            )


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How one part is trained.

    Attributes:
        steps: Training steps.
        batch_size: Clips (videos for the collaborative network) per step, over all devices.
        frames: Frames per clip (paper symbol T); the collaborative network always gets all of `test_frames`.
        optimizer: `sgd` (momentum), `adam`, or `rmsprop` with the constants of the authors' release.
        learning_rate: Rate at the start.
        momentum: Momentum of `sgd`.
        weight_decay: Caffe's weight decay: this times every kernel is added to its gradient.
        schedule: `step` multiplies the rate by decay_rate every decay_steps, `cosine` lowers it to 0 over all steps.
        decay_steps: Interval of the `step` schedule; 0 keeps the rate constant.
        decay_rate: Factor of the `step` schedule.
        warmup_steps: Steps over which the rate rises linearly from 0.
        clip_value: Largest absolute value of an element of the LSTM's gradient (release: 0.1); 0 turns it off.
        validate_every: Steps between two looks at the validation part; 0 looks only at the end.
        checkpoint_every: Steps between two checkpoints.
    """

    steps: int = 30000
    batch_size: int = 6
    frames: int = 10
    optimizer: str = choices("sgd", "adam", "rmsprop")
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: str = choices("step", "cosine")
    decay_steps: int = 0
    decay_rate: float = 0.1
    warmup_steps: int = 0
    clip_value: float = 0.0
    validate_every: int = 1000
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        _check_choices(self)
        for name in ("steps", "batch_size", "frames", "checkpoint_every"):
            _check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        for name in ("weight_decay", "decay_steps", "warmup_steps", "clip_value", "validate_every"):
            _check(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        _check(self.learning_rate > 0, "learning_rate", "positive", self.learning_rate)
        _check(0 <= self.momentum < 1, "momentum", "in [0, 1)", self.momentum)
        _check(0 < self.decay_rate <= 1, "decay_rate", "in (0, 1]", self.decay_rate)
        _check(self.warmup_steps < self.steps, "warmup_steps", f"below steps={self.steps}", self.warmup_steps)


@dataclasses.dataclass(frozen=True)
class FusionConfig:
    """Adaptively weighted learning, the per-class fusion of the two streams (paper: Section III-B.2).

    Attributes:
        awl: `lp` solves the linear programme of Eq. (13) with a floor, `regularised` adds an entropy term.
        awl_lambda: Weight of the other classes' scores in Eq. (10).
        awl_floor: Smallest weight of a stream in `lp`, in [0, 0.5]; 0.5 is late fusion.
        awl_strength: Strength of the entropy term in `regularised`; larger pulls to equal weights.
    """

    awl: str = choices("lp", "regularised")
    awl_lambda: float = 5e-3
    awl_floor: float = 0.4
    awl_strength: float = 1.0

    def __post_init__(self) -> None:
        _check_choices(self)
        _check(self.awl_lambda >= 0, "awl_lambda", "0 or more", self.awl_lambda)
        _check(0 <= self.awl_floor <= 0.5, "awl_floor", "in [0, 0.5]", self.awl_floor)
        _check(self.awl_strength > 0, "awl_strength", "positive", self.awl_strength)


@dataclasses.dataclass(frozen=True)
class DeviceConfig:
    """Where and how the numbers are computed.

    Attributes:
        distribution: `auto` mirrors over all GPUs where there are several, `none` uses one device, `mirrored` asks for
            a MirroredStrategy over all GPUs (or logical CPUs).
        logical_cpus: Splits the CPU into this many devices, to try `mirrored` without GPUs; 0 leaves it whole.
        precision: `float32` or `mixed_bfloat16`.
        seed: Seed of initial weights, order of the videos, crops and dropout.
    """

    distribution: str = choices("auto", "none", "mirrored")
    logical_cpus: int = 0
    precision: str = choices("float32", "mixed_bfloat16")
    seed: int = 0

    def __post_init__(self) -> None:
        _check_choices(self)
        _check(self.logical_cpus >= 0, "logical_cpus", "0 or more", self.logical_cpus)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything one run is made with; the fields are documented in their own classes."""

    data: DataConfig = DataConfig()
    stream: StreamConfig = StreamConfig()
    static: TrainConfig = TrainConfig()
    motion: TrainConfig = TrainConfig(steps=60000)
    collaborative: TrainConfig = TrainConfig(steps=2000, batch_size=64, optimizer="adam", weight_decay=0.0)
    network: CollaborativeConfig = CollaborativeConfig()
    fusion: FusionConfig = FusionConfig()
    device: DeviceConfig = DeviceConfig()

    def to_json(self) -> dict[str, dict[str, object]]:
        """Nested dict of plain values, for json.dump and for comparing two runs."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, dict[str, object]]) -> "RunConfig":
        """Inverse of `to_json`."""
        return cls(**{name: kind(**values[name]) for name, kind in cls.groups().items()})

    @classmethod
    def groups(cls) -> dict[str, Any]:
        """Name of each group of settings -> its class."""
        return {field.name: field.type for field in dataclasses.fields(cls)}

    @classmethod
    def load(cls, path: pathlib.Path) -> "RunConfig":
        """Reads what a run saved beside its checkpoints."""
        return cls.from_json(json.loads(path.read_text()))
