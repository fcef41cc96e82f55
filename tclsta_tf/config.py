"""Every setting of the classifier, in frozen dataclasses; imports no project code.

The text under `Attributes:` is also the help of the command line: flags.py reads names, types, defaults and help from
here, so a setting is written down once.
"""

import dataclasses
import math
from typing import Any

PARTS = ("static", "motion", "collaborative")
STREAMS = ("static", "motion")
ATTENTION_VARIANTS = ("none", "sa", "ta", "sta")
FLAG_PREFIXES = {"motion_stream": "motion_", **{part: f"{part}_" for part in PARTS}}
"""Group of settings -> what stands in front of the names of its flags; nothing for all others."""


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
        train_on: `train` is the training part of the split; `all` takes its test part too, for a classifier to be
            shipped, of which nothing can be measured any more.
        validation_fraction: Share of the training part that is held out, whole groups at a time, to watch the training
            and to fit the fusion weights on; in [0, 0.5]. The test part is never used for that.
        crop_size: Side in pixels of the square crop that the networks see; at most the stored frame's shorter side.
        sampling: How the T frames of a training clip are placed: `uniform` is floor(i*n/(T+1)), `release` the 1-based
            i*floor(n/(T+1)) of the authors' lists, `segments` one random frame from each of T equal parts (TSN).
            Testing places frames by `uniform` unless this says `release`.
        crop: How training clips are cut: `random` is a square anywhere; `corners` takes four corners and the middle, at
            four scales and slightly other shapes, and resizes them (TSN). Testing takes the middle.
        mirror: Whether training clips are mirrored at random; the flow's horizontal component is negated with it.
        test_frames: Frames per video for features, testing and the collaborative network (paper symbol N).
        test_crops: Crops that a video is validated and tested with: 1 is the centre; 10 the centre, the four corners
            and their mirror images, over which scores and features are averaged. The collaborative network is trained
            on the centre, and `predict` takes it.
        test_clips: Clips of `test_frames` frames that a video is validated and tested with, one from each of so many
            equal parts of it (K-clip testing; windows over an untrimmed video). Each goes through the whole method.
        clip_pooling: How the scores of these clips become those of the video: their `mean` or, class by class, `max`.
        frame_protocol: What scores a video in the rows of a single stream and of two: `all` takes all of `test_frames`
            frames, as most papers do; `one` the frame in the middle alone. The collaborative network and early fusion
            take all.
        shard_by: What each of several workers reads: `examples` gives each its part of the very batches that one worker
            would have made, and each reads all files; `files` gives each files of its own.
    """

    split: str = "1"
    train_on: str = choices("train", "all")
    validation_fraction: float = 0.15
    crop_size: int = 224
    sampling: str = choices("uniform", "release", "segments")
    crop: str = choices("random", "corners")
    mirror: bool = True
    test_frames: int = 25
    test_crops: int = 1
    test_clips: int = 1
    clip_pooling: str = choices("mean", "max")
    frame_protocol: str = choices("all", "one")
    shard_by: str = choices("examples", "files")

    def __post_init__(self) -> None:
        _check_choices(self)
        _check(0 <= self.validation_fraction <= 0.5, "validation_fraction", "in [0, 0.5]", self.validation_fraction)
        for name in ("crop_size", "test_frames", "test_clips"):
            _check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        _check(self.test_crops in (1, 10), "test_crops", "1 or 10", self.test_crops)


@dataclasses.dataclass(frozen=True)
class StreamConfig:
    """The spatial-temporal attention model, the same for both streams (METHOD 2 of the paper: Section III-A).

    Attributes:
        backbone: Convolutional network below the heads: `resnet50`, `resnet50v15`, `resnet50v2` (nearest to the
            release), `vgg16`, `alexnet`, `googlenet`, or `small` for a CPU and for tests.
        backbone_weights: Start of the backbone: `none` (random), `imagenet` (downloaded by Keras; not for
            `resnet50v15`, `alexnet`, `googlenet` and `small`) or a weights file, such as tclsta_tf.import_weights makes
            from a PyTorch checkpoint.
        freeze_until: Last part of the backbone that is not trained, such as `conv4` (resnet50), `block4` (vgg16),
            `inception4` (googlenet); empty trains all of it. See `batchnorm` for its normalisation.
        cache_frozen: Clips of each training video of which the frozen part's features are computed once and kept on
            disk, in 16 bits, to train the rest on them, as a CPU can; 0 keeps none, and every step takes clips of its
            own. Needs `freeze_until`, and `batchnorm` that does not depend on the batch.
        cache_dir: Folder for these features, which runs can share; empty is `frozen` in the workdir, which the variants
            and seeds of an experiment share. It may be deleted when nothing is trained on it any more.
        attention: Which attentions are built (the rows of Table VI): `none`, `sa` (spatial), `ta` (temporal), `sta`.
        cam_units: Channels of the class activation convolution (paper symbol K).
        cam_groups: Groups of that convolution, 1 or 2 (the authors' release has 2).
        cam_pool: Pooling from class activation map to logit: `mean` (Table III, release) or `sum` (Eq. (1) literally).
        cam_class: Class whose map is used: `predicted`, `label` (training only) or `expected` (mean by probability).
        lstm_units: Units of the temporal head's LSTM.
        affinity_scale: Factor on H^T H in Eq. (4); 1 is literal, `1/sqrt(lstm_units)` keeps tanh from saturating.
        cam_bias: Bias of that convolution at the start (release: 1).
        cam_init: Weights of that convolution at the start: `he_normal`, or `gaussian` of deviation 0.01 (release).
        input_pooling: Side in pixels of the squares of the crop that are averaged in front of the backbone: 2 makes it
            four times as fast, and its grid four times as coarse. Optical flow is smooth and loses little by it.
        flow_scale: Factor on flow bytes minus 128 in front of the motion stream's backbone.
        dropout: Rate of dropout in front of the classifiers, in [0, 1).
        batchnorm: `batch` normalises by the whole batch's statistics, over all devices; `frozen` by stored averages;
            `partial` by the batch's in the first layer and stored ones in all others (TSN), for small batches.
        batchnorm_momentum: Share that the stored averages keep of themselves in a step, in [0, 1): with the usual 0.99
            they follow weights that move fast, in a training of a few hundred steps, only from afar. -1 leaves the
            backbone's own.
        video_loss: Adds a cross-entropy on the whole video's score, so that the temporal attention itself is trained.
    """

    backbone: str = choices("resnet50", "resnet50v15", "resnet50v2", "vgg16", "alexnet", "googlenet", "small")
    backbone_weights: str = "none"
    freeze_until: str = ""
    cache_frozen: int = 0
    cache_dir: str = ""
    attention: str = dataclasses.field(default="sta", metadata={"choices": ATTENTION_VARIANTS})
    cam_units: int = 1024
    cam_groups: int = 1
    cam_pool: str = choices("mean", "sum")
    cam_class: str = choices("predicted", "label", "expected")
    lstm_units: int = 512
    affinity_scale: float = 1.0
    cam_bias: float = 0.0
    cam_init: str = choices("he_normal", "gaussian")
    input_pooling: int = 1
    flow_scale: float = 1.0
    dropout: float = 0.0
    batchnorm: str = choices("batch", "frozen", "partial")
    batchnorm_momentum: float = -1.0
    video_loss: bool = False

    def __post_init__(self) -> None:
        _check_choices(self)
        _check(self.cam_groups in (1, 2), "cam_groups", "1 or 2", self.cam_groups)
        for name in ("affinity_scale", "flow_scale"):
            _check(getattr(self, name) > 0, name, "positive", getattr(self, name))
        _check(0 <= self.dropout < 1, "dropout", "in [0, 1)", self.dropout)
        momentum = self.batchnorm_momentum
        _check(momentum == -1 or 0 <= momentum < 1, "batchnorm_momentum", "in [0, 1), or -1", momentum)
        for name in ("cam_units", "lstm_units", "input_pooling"):
            _check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        _check(self.cache_frozen >= 0, "cache_frozen", "0 or more", self.cache_frozen)


@dataclasses.dataclass(frozen=True)
class MotionConfig:
    """In what the motion stream differs from the static one; where nothing is given, it does not.

    Attributes:
        crop: As `--crop`.
        backbone_weights: As `--backbone_weights`, such as weights trained on flow.
        freeze_until: As `--freeze_until`; `none` trains all of the backbone.
        cache_frozen: As `--cache_frozen`.
        input_pooling: As `--input_pooling`.
        dropout: As `--dropout`.
        batchnorm: As `--batchnorm`.
    """

    crop: str | None = dataclasses.field(default=None, metadata={"choices": ("random", "corners")})
    backbone_weights: str | None = None
    freeze_until: str | None = None
    cache_frozen: int | None = None
    input_pooling: int | None = None
    dropout: float | None = None
    batchnorm: str | None = dataclasses.field(default=None, metadata={"choices": ("batch", "frozen", "partial")})

    def __post_init__(self) -> None:
        _check(self.crop in (None, "random", "corners"), "crop", "random or corners", self.crop)
        self.applied_to(StreamConfig())

    def applied_to(self, stream: StreamConfig) -> StreamConfig:
        """The settings of the motion stream, from those of both."""
        given = {
            name: value for name, value in dataclasses.asdict(self).items() if value is not None and name != "crop"
        }
        if given.get("freeze_until") == "none":
            given["freeze_until"] = ""
        return dataclasses.replace(stream, **given)


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
        collaborative_start: `random`; or `streams`: the two classifiers start as the streams' own and every frame
            counts alike, so that the network starts as the late fusion of the streams. For the `paper` network, and
            features of the size that the classifiers know: with `rescale_temporal`, or `alpha`.
    """

    collaborative_network: str = choices("paper", "release")
    collaborative_input: str = choices("beta", "alpha")
    rescale_temporal: bool = False
    collaborative_width: int = 512
    collab_rounds: int = 3
    alternate_updates: bool = False
    collaborative_dropout: float = 0.5
    collaborative_start: str = choices("random", "streams")

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
        if self.collaborative_start == "streams":
            if self.collaborative_network == "release":
                raise ValueError(
                    "`collaborative_start` must be random for the release network, which has no classifier for each "
                    "stream. Received: collaborative_start=streams"
                )
            if self.collaborative_input == "beta" and not self.rescale_temporal:
                raise ValueError(
                    "`collaborative_start` must be random where beta keeps its factor of 1/N, which the streams' "
                    "classifiers do not know. Received: collaborative_start=streams; add --rescale_temporal"
                )


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
        schedule: `step` multiplies the rate by decay_rate every decay_steps, `exponential` lowers it continuously by
            as much, `cosine` lowers it to 0 over all steps, `plateau` multiplies it by decay_rate when the accuracy on
            the validation part has not risen for `patience` looks at it.
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

    trains: str = choices("all", "spatial", "temporal", "backbone", "heads")
    steps: int = 30000
    batch_size: int = 6
    accumulate: int = 1
    frames: int = 10
    optimizer: str = choices("sgd", "adam", "rmsprop")
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 1e-4
    bias_rate: float = 1.0
    schedule: str = choices("step", "exponential", "cosine", "plateau")
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
    keep: str = choices("last", "best")

    def __post_init__(self) -> None:
        _check_choices(self)
        for name in ("steps", "batch_size", "accumulate", "frames", "patience", "checkpoint_every"):
            _check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        for name in ("weight_decay", "decay_steps", "warmup_steps", "clip_value", "clip_norm", "validate_every"):
            _check(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        for name in ("learning_rate", "bias_rate"):
            _check(getattr(self, name) > 0, name, "positive", getattr(self, name))
        for name in ("momentum", "label_smoothing", "ema"):
            _check(0 <= getattr(self, name) < 1, name, "in [0, 1)", getattr(self, name))
        _check(0 < self.decay_rate <= 1, "decay_rate", "in (0, 1]", self.decay_rate)
        _check(self.warmup_steps < self.steps, "warmup_steps", f"below steps={self.steps}", self.warmup_steps)
        if self.bias_rate != 1 and self.optimizer != "sgd":
            # Others divide the gradient by its size, so that a factor on it has no effect.
            raise ValueError(f"`bias_rate` needs optimizer=sgd. Received: bias_rate={self.bias_rate}")
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"`batch_size` must be a multiple of accumulate={self.accumulate}. "
                f"Received: batch_size={self.batch_size}"
            )


@dataclasses.dataclass(frozen=True)
class FusionConfig:
    """Fusion of the two streams: adaptively weighted learning (paper: Section III-B.2) and what it is compared with.

    Everything here is learned on videos of the training part. Where a setting has several values, one of them is chosen
    by cross-validation over groups of those videos.

    Attributes:
        awl: Adaptively weighted learning: `lp` solves the linear programme of Eq. (13) with a floor, `regularised` adds
            an entropy term. The other one is in the report too.
        awl_lambda: Weight of the other classes' scores in Eq. (10); one value or several to choose from.
        awl_floor: Smallest weight of a stream in `lp`, in [0, 0.5]; 0.5 is late fusion. One value or several.
        awl_strength: Strength of the entropy term in `regularised`; larger pulls to equal weights. One value or
            several.
        awl_scores: Whose scores fusion is learned on: `validation` is the part of the training videos that the streams
            were not trained on; `kfold` trains everything `awl_folds` times more, so that every training video gets
            scores of networks that have not seen it; `train` takes the training videos themselves (the paper's letter).
        awl_folds: Parts of `kfold` and of the cross-validation.
        late_weights: Further ratios static:motion of late fusion in the report, with commas between; equal weights and
            the best ratio on the videos that fusion is learned on are always there.
        svm_c: C of the linear support vector machine of early fusion; one value or several to choose from.
        mkl_norm: Norm p of multiple kernel learning, at least 1: 1 picks few kernels, large values weigh all alike.
        mkl_c: C of its support vector machines.
    """

    awl: str = choices("lp", "regularised")
    awl_lambda: tuple[float, ...] = (0.0, 0.001, 0.005, 0.02, 0.1)
    awl_floor: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    awl_strength: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 5.0, 20.0)
    awl_scores: str = choices("validation", "kfold", "train")
    awl_folds: int = 5
    late_weights: str = "1:1.5"
    svm_c: tuple[float, ...] = (1.0,)
    mkl_norm: float = 2.0
    mkl_c: float = 1.0

    def __post_init__(self) -> None:
        _check_choices(self)
        _check(all(0 <= value < math.inf for value in self.awl_lambda), "awl_lambda", "0 or more", self.awl_lambda)
        _check(all(0 <= value <= 0.5 for value in self.awl_floor), "awl_floor", "in [0, 0.5]", self.awl_floor)
        for name in ("awl_strength", "svm_c"):
            values = getattr(self, name)
            _check(all(0 < value < math.inf for value in values), name, "positive and finite", values)
        for name in ("awl_lambda", "awl_floor", "awl_strength", "svm_c"):
            _check(len(getattr(self, name)) > 0, name, "one value at least", getattr(self, name))
        _check(self.awl_folds >= 2, "awl_folds", "at least 2", self.awl_folds)
        _check(1 <= self.mkl_norm < math.inf, "mkl_norm", "at least 1 and finite", self.mkl_norm)
        _check(0 < self.mkl_c < math.inf, "mkl_c", "positive and finite", self.mkl_c)
        self.late_ratios()

    def late_ratios(self) -> dict[str, tuple[float, float]]:
        """`late_weights` as text -> weights of static and motion."""
        ratios = {}
        for text in filter(None, (part.strip() for part in self.late_weights.split(","))):
            try:
                static, motion = map(float, text.split(":"))
            except ValueError:
                static = motion = math.nan
            usable = 0 <= static < math.inf and 0 <= motion < math.inf and static + motion > 0
            _check(usable, "late_weights", "ratios static:motion such as 1:1.5", self.late_weights)
            ratios[text] = (static, motion)
        return ratios


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

    distribution: str = choices("auto", "none", "mirrored", "multi_worker", "tpu")
    logical_cpus: int = 0
    precision: str = choices("float32", "mixed_bfloat16", "mixed_float16")
    histograms: bool = False
    xla: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        _check_choices(self)
        _check(self.logical_cpus >= 0, "logical_cpus", "0 or more", self.logical_cpus)


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """How a trained run becomes a SavedModel.

    Attributes:
        motion: `tvl1` has the motion stream, whose optical flow the model computes itself; `none` leaves it out, and
            with it the collaborative network and the fusion: frames alone, many times as fast.
        precision: Numbers that both streams compute with: as `trained`, `float32`, or where they matter little
            `bfloat16` or `float16`. Optical flow is computed in float32.
        quantise: `int8` stores large weights in 8 bits, a quarter of the size; arithmetic stays as it is.
        xla: What XLA compiles when the model is first asked: the `flow`, or with `none` nothing, for servers that have
            no XLA; the flow then runs operation by operation, to the same values and far slower.
        frame_size: Width x height in pixels of the raw frames that are sent, such as 340x256, for records whose videos
            keep their shapes (--resize=short_side=...): empty takes frames of 4:3. Others have one size already.
        flow_batch: Pairs of frames whose flow is computed at once: 1 for a CPU, 16 or more for a GPU.
        tflite: Also writes `<output_dir>/<version>.tflite`, signature `precomputed`.
        onnx: Also writes `<output_dir>/<version>.onnx`, signature `precomputed`; needs tf2onnx (BUILD.md).
    """

    motion: str = choices("tvl1", "none")
    precision: str = choices("trained", "float32", "bfloat16", "float16")
    quantise: str = choices("none", "int8")
    xla: str = choices("flow", "none")
    frame_size: str = ""
    flow_batch: int = 1
    tflite: bool = False
    onnx: bool = False

    def __post_init__(self) -> None:
        _check_choices(self)
        _check(self.flow_batch >= 1, "flow_batch", "at least 1", self.flow_batch)

    def to_json(self) -> dict[str, object]:
        """The settings as a JSON object."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything one run is made with; the fields are documented in their own classes.

    Each part is trained in one stage or more, one after the other.
    """

    data: DataConfig = DataConfig()
    stream: StreamConfig = StreamConfig()
    motion_stream: MotionConfig = MotionConfig()
    static: tuple[TrainConfig, ...] = (TrainConfig(),)
    motion: tuple[TrainConfig, ...] = (TrainConfig(steps=60000),)
    collaborative: tuple[TrainConfig, ...] = (
        TrainConfig(steps=2000, batch_size=64, optimizer="adam", weight_decay=0.0),
    )
    network: CollaborativeConfig = CollaborativeConfig()
    fusion: FusionConfig = FusionConfig()
    device: DeviceConfig = DeviceConfig()

    def __post_init__(self) -> None:
        for part in PARTS:
            for stage in getattr(self, part):
                self._check_stage(part, stage)
        if len(self.fusion.svm_c) > 1 and not self.data.validation_fraction:
            raise ValueError(
                "--svm_c with several values needs a validation part to choose on: give --validation_fraction a value "
                f"above 0, or one C. Received: --svm_c={','.join(map(str, self.fusion.svm_c))}"
            )

    def _check_stage(self, part: str, stage: TrainConfig) -> None:
        if part == "collaborative" and (len(self.collaborative) > 1 or stage.trains != "all"):
            raise ValueError("The collaborative network is trained in one stage: give one value to each of its flags")
        if stage.trains == "backbone" and stage is not getattr(self, part)[0]:
            raise ValueError(f"`{part}_trains` may have a stage `backbone` at its beginning only")
        if stage.trains == "backbone" and len(getattr(self, part)) == 1:
            raise ValueError(f"`{part}_trains` must have a stage behind `backbone`, such as `heads`")
        if stage.trains == "temporal" and "ta" not in self.stream.attention:
            raise ValueError(
                f"`{part}_trains` has a stage `temporal`, and attention={self.stream.attention} has no temporal head. "
                "Leave that stage out"
            )
        needs_validation = [f"{part}_{name}" for name, used in (
            ("schedule=plateau", stage.schedule == "plateau"), ("keep=best", stage.keep == "best")
        ) if used]  # fmt: skip
        if needs_validation and not (self.data.validation_fraction and stage.validate_every):
            raise ValueError(
                f"--{needs_validation[0]} needs a validation part: give --validation_fraction and "
                f"--{part}_validate_every values above 0"
            )

    def stream_of(self, name: str) -> StreamConfig:
        """The settings of the `static` or the `motion` stream."""
        return self.motion_stream.applied_to(self.stream) if name == "motion" else self.stream

    def flag_of(self, stream: str, name: str) -> str:
        """The flag that a setting of `stream_of` comes from."""
        own = stream == "motion" and getattr(self.motion_stream, name, None) is not None
        return f"--motion_{name}" if own else f"--{name}"

    def to_json(self) -> dict[str, dict[str, object]]:
        """Nested dict of plain values, for json.dump and for comparing two runs; of several stages lists of values."""
        values: dict[str, dict[str, object]] = {}
        for group, kind in self.groups().items():
            own = getattr(self, group)
            stages = own if group in PARTS else (own,)
            for field in dataclasses.fields(kind):
                column = [getattr(stage, field.name) for stage in stages]
                values.setdefault(group, {})[field.name] = column if len(column) > 1 else column[0]
        return values

    @classmethod
    def from_json(cls, values: dict[str, dict[str, object]]) -> "RunConfig":
        """Inverse of `to_json`."""
        groups: dict[str, Any] = {}
        for group, kind in cls.groups().items():
            groups[group] = make_stages(values[group]) if group in PARTS else kind(**_with_tuples(values[group]))
        return cls(**groups)

    @classmethod
    def groups(cls) -> dict[str, Any]:
        """Name of each group of settings -> its class, which for a part is that of a stage."""
        return {field.name: TrainConfig if field.name in PARTS else field.type for field in dataclasses.fields(cls)}


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


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
