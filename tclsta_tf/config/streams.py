"""The two streams."""

import dataclasses

from tclsta_tf.config import fields

ATTENTION_VARIANTS = ("none", "sa", "ta", "sta")


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
        cache_dir: Folder for the features of `cache_frozen`, which runs can share; empty is the folder `frozen` in the
            workdir, which the variants and seeds of an experiment share. It may be deleted when nothing is trained on
            it any more.
        attention: Which attentions are built (the rows of Table VI): `none`, `sa` (spatial), `ta` (temporal), `sta`.
        cam_units: Channels of the class activation convolution (paper symbol K).
        cam_groups: Groups of the class activation convolution, 1 or 2 (the authors' release has 2).
        cam_pool: Pooling from class activation map to logit: `mean` (Table III, release) or `sum` (Eq. (1) literally).
        cam_class: Class whose map is used: `predicted`, `label` (training only) or `expected` (mean by probability).
        lstm_units: Units of the temporal head's LSTM.
        affinity_scale: Factor on H^T H in Eq. (4); 1 is literal, `1/sqrt(lstm_units)` keeps tanh from saturating.
        cam_bias: Bias of the class activation convolution at the start (release: 1).
        cam_init: Weights of the class activation convolution at the start: `he_normal`, or `gaussian` of deviation 0.01
            (release).
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

    backbone: str = fields.choices("resnet50", "resnet50v15", "resnet50v2", "vgg16", "alexnet", "googlenet", "small")
    backbone_weights: str = "none"
    freeze_until: str = ""
    cache_frozen: int = 0
    cache_dir: str = ""
    attention: str = dataclasses.field(default="sta", metadata={"choices": ATTENTION_VARIANTS})
    cam_units: int = 1024
    cam_groups: int = 1
    cam_pool: str = fields.choices("mean", "sum")
    cam_class: str = fields.choices("predicted", "label", "expected")
    lstm_units: int = 512
    affinity_scale: float = 1.0
    cam_bias: float = 0.0
    cam_init: str = fields.choices("he_normal", "gaussian")
    input_pooling: int = 1
    flow_scale: float = 1.0
    dropout: float = 0.0
    batchnorm: str = fields.choices("batch", "frozen", "partial")
    batchnorm_momentum: float = -1.0
    video_loss: bool = False

    def __post_init__(self) -> None:
        fields.check_choices(self)
        fields.check(self.cam_groups in (1, 2), "cam_groups", "1 or 2", self.cam_groups)
        for name in ("affinity_scale", "flow_scale"):
            fields.check(getattr(self, name) > 0, name, "positive", getattr(self, name))
        fields.check(0 <= self.dropout < 1, "dropout", "in [0, 1)", self.dropout)
        momentum = self.batchnorm_momentum
        fields.check(momentum == -1 or 0 <= momentum < 1, "batchnorm_momentum", "in [0, 1), or -1", momentum)
        for name in ("cam_units", "lstm_units", "input_pooling"):
            fields.check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        fields.check(self.cache_frozen >= 0, "cache_frozen", "0 or more", self.cache_frozen)


@dataclasses.dataclass(frozen=True)
class MotionConfig:
    """In what the motion stream differs from the static one; where nothing is given, it does not.

    Attributes:
        crop: --crop of the motion stream, where it is another.
        backbone_weights: --backbone_weights of the motion stream, where it is another, such as weights trained on flow.
        freeze_until: --freeze_until of the motion stream, where it is another; `none` trains all of the backbone.
        cache_frozen: --cache_frozen of the motion stream, where it is another.
        input_pooling: --input_pooling of the motion stream, where it is another.
        dropout: --dropout of the motion stream, where it is another.
        batchnorm: --batchnorm of the motion stream, where it is another.
    """

    crop: str | None = dataclasses.field(default=None, metadata={"choices": ("random", "corners")})
    backbone_weights: str | None = None
    freeze_until: str | None = None
    cache_frozen: int | None = None
    input_pooling: int | None = None
    dropout: float | None = None
    batchnorm: str | None = dataclasses.field(default=None, metadata={"choices": ("batch", "frozen", "partial")})

    def __post_init__(self) -> None:
        fields.check(self.crop in (None, "random", "corners"), "crop", "random or corners", self.crop)
        self.applied_to(StreamConfig())

    def applied_to(self, stream: StreamConfig) -> StreamConfig:
        """The settings of the motion stream, from those of both."""
        given = {
            name: value for name, value in dataclasses.asdict(self).items() if value is not None and name != "crop"
        }
        if given.get("freeze_until") == "none":
            given["freeze_until"] = ""
        return dataclasses.replace(stream, **given)
