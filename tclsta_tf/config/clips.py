"""Which records are used, and how clips are taken from them."""

import dataclasses

from tclsta_tf.config import fields


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
        clip_pooling: How the scores of the clips of `test_clips` become those of the video: their `mean` or, class by
            class, `max`.
        frame_protocol: What scores a video in the rows of a single stream and of two: `all` takes all of `test_frames`
            frames, as most papers do; `one` the frame in the middle alone. The collaborative network and early fusion
            take all.
        shard_by: What each of several workers reads: `examples` gives each its part of the very batches that one worker
            would have made, and each reads all files; `files` gives each files of its own.
    """

    split: str = "1"
    train_on: str = fields.choices("train", "all")
    validation_fraction: float = 0.15
    crop_size: int = 224
    sampling: str = fields.choices("uniform", "release", "segments")
    crop: str = fields.choices("random", "corners")
    mirror: bool = True
    test_frames: int = 25
    test_crops: int = 1
    test_clips: int = 1
    clip_pooling: str = fields.choices("mean", "max")
    frame_protocol: str = fields.choices("all", "one")
    shard_by: str = fields.choices("examples", "files")

    def __post_init__(self) -> None:
        fields.check_choices(self)
        fields.check(
            0 <= self.validation_fraction <= 0.5, "validation_fraction", "in [0, 0.5]", self.validation_fraction
        )
        for name in ("crop_size", "test_frames", "test_clips"):
            fields.check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        fields.check(self.test_crops in (1, 10), "test_crops", "1 or 10", self.test_crops)
