"""A run: configuration, data and working folder, which belong together (identity.py).

W/static, W/motion, W/collaborative   config.json, flags.cfg, labels.txt, checkpoints/, logs/, model.keras
W/features                            <stream>-<role>.tfrecord
W/frozen                              features of frozen parts of the backbones (--cache_frozen)
W/fusion.json, fusion_scores.npz      fusion weights, and the scores that they are learned on
W/report                              metrics.json, index.html, pictures
W/ablation/<variant>                  the same for the rows of Table VI with fewer attentions
W/backbone                            what a stage `backbone` trains, for the run and the rows of Table VI
W/folds/<k>                           the same without one part of the training videos (--awl_scores=kfold)
W/refit                               the same trained on all videos, for the classifier to be shipped (--refit)

The test part is closed: what trains, chooses or learns cannot read it, not even by mistake. `open_test_part` opens it,
for the evaluation at the end.
"""

import contextlib
import contextvars
import dataclasses
import functools
import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import tensorflow as tf

from tclsta_tf import config
from tclsta_tf.data import pipeline, validation
from tfrecords_tools import manifest, storage

REPORT = config.REPORT
TRAIN, VALIDATION, TEST = "train", "validation", "test"
ROLES = (TRAIN, VALIDATION, TEST)
EXPERIMENT = "experiment.json"
"""Says, in the folder of an experiment over splits or seeds, which its runs are."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One working folder with its configuration and its data.

    Attributes:
        config: all settings.
        data_dir: folder of the records.
        workdir: folder of everything that the run makes.
        flags: the command line as a flagfile, saved beside the checkpoints.
        leaves_out_group: whether the split was given as the number of a group to test on.
        fold: number of a fold and how many there are: its videos are the validation part instead.
        report: name of the folder of the evaluation; another one than `report` for another way of testing.
        root: folder of the run that this one is a member, a variant, a fold or the refit of; None for its own.
        backbone_dir: folder of the backbones that its stages `backbone` train; None for `backbone` in the workdir.
    """

    config: config.RunConfig
    data_dir: storage.AnyPath
    workdir: storage.AnyPath
    flags: str = ""
    leaves_out_group: bool = False
    fold: tuple[int, int] | None = None
    report: str = REPORT
    root: storage.AnyPath | None = None
    backbone_dir: storage.AnyPath | None = None

    @functools.cached_property
    def manifest(self) -> manifest.Manifest:
        """The records' manifest, with every shard checked to be there and whole.

        Raises:
            ValueError: for a missing or damaged folder, an unknown split or group, an empty part.
        """
        found = manifest.Manifest.load(self.data_dir)
        found.check_sizes()
        split = self.config.data.split
        if self.leaves_out_group:
            _check_group(found, split)
        if split not in found.splits:
            raise ValueError(f"--split must be one of {', '.join(found.splits)}. Received: --split={split}")
        for role in (TRAIN, TEST) if self.has_test_part else (TRAIN,):
            if not any(shard.videos for shard in found.shards_for(split, role)):
                raise ValueError(f"split {split} of {self.data_dir} has no video in its {role} part")
        sides = [int(side) for side in re.findall(r"\d+", found.record.resize)]
        if self.config.data.crop_size > min(sides):
            raise ValueError(
                f"--crop_size must not exceed the {found.record.resize} pixels of the records in {self.data_dir}. "
                f"Received: --crop_size={self.config.data.crop_size}"
            )
        return found

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in index order."""
        return tuple(self.manifest.labels)

    @property
    def has_test_part(self) -> bool:
        """Whether videos are left to measure on: --train_on=all trains on those of the test part too."""
        return self.config.data.train_on != "all"

    @property
    def training_part(self) -> pipeline.Subset:
        """The videos to train on, those of the validation part among them."""
        roles = (TRAIN,) if self.has_test_part else (TRAIN, TEST)
        found = (self.manifest.shards_for(self.config.data.split, role) for role in roles)
        return pipeline.select([shard for shards in found for shard in shards])

    @functools.cached_property
    def _held_out(self) -> set[str]:
        videos = self.training_part.videos
        if self.fold:
            number, count = self.fold
            return validation.folds(videos, count, self.config.device.seed)[number]
        return validation.held_out(videos, self.config.data.validation_fraction, self.config.device.seed)

    def subset(self, role: str) -> pipeline.Subset:
        """The videos of a role: `train` and `validation` are disjoint parts of the split's training part.

        Raises:
            RuntimeError: for the test part, where it is closed.
            ValueError: for the test part, where it is trained on.
        """
        if role == TEST:
            _check_test_part()
            if not self.has_test_part:
                raise ValueError(f"{self.workdir} is trained on all videos (--train_on=all): there is no test part")
            return pipeline.select(self.manifest.shards_for(self.config.data.split, TEST))
        whole = self.training_part
        ids = {video.id for video in whole.videos}
        return pipeline.select(whole.shards, ids & self._held_out if role == VALIDATION else ids - self._held_out)

    def clip_settings(self, stream: str, frames: int, seed: int) -> pipeline.ClipSettings:
        """How a stream's training clips of so many frames are taken."""
        data = self.config.data
        crop = self.config.motion_stream.crop if stream == "motion" else None
        return pipeline.ClipSettings(frames, data.crop_size, seed, data.sampling, crop or data.crop, data.mirror)

    @contextlib.contextmanager
    def explaining_damage(self) -> Iterator[None]:
        """Turns TensorFlow's error about records that cannot be read into one that names the damaged shard.

        Raises:
            ValueError: instead of a DataLossError or InvalidArgumentError, where a shard differs from the manifest.
        """
        try:
            yield
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
            for shard in self.manifest.shards:
                if hashlib.sha256(shard.path.read_bytes()).hexdigest() != shard.sha256:
                    raise ValueError(f"{shard.path} is damaged: delete it and run the conversion again") from error
            raise

    @property
    def cache_dir(self) -> storage.AnyPath:
        """Where features of frozen parts are kept, for all runs of an experiment."""
        if self.config.stream.cache_dir:
            return storage.path(self.config.stream.cache_dir)
        own = self.root or self.workdir
        # A member may have been opened by its own folder: then W is above W/seed-0, or above W/seed-0/split-1 by two.
        above = own.absolute().parent
        folders = (own, above, above.parent)
        return next((folder for folder in folders if (folder / EXPERIMENT).exists()), own) / "frozen"

    def part_dir(self, part: str) -> storage.AnyPath:
        """Where a part's checkpoints and finished model are."""
        return self.workdir / part

    def model_file(self, part: str) -> storage.AnyPath:
        """A part's finished model; it exists only when training has ended."""
        return self.part_dir(part) / "model.keras"

    def feature_file(self, stream: str, role: str) -> storage.AnyPath:
        """What `extract_features` wrote about the videos of a role.

        Raises:
            RuntimeError: for the test part, where it is closed.
        """
        if role == TEST:
            _check_test_part()
        crops = "" if self.crops(role) == 1 else f"-{self.crops(role)}-crops"
        clips = "" if self.clips(role) == 1 else f"-{self.clips(role)}-clips"
        return self.workdir / "features" / f"{stream}-{role}{crops}{clips}.tfrecord"

    def crops(self, role: str) -> int:
        """Crops of each clip of a role."""
        return 1 if role == TRAIN else self.config.data.test_crops

    def clips(self, role: str) -> int:
        """Clips of each video of a role."""
        return 1 if role == TRAIN else self.config.data.test_clips

    @property
    def fusion_file(self) -> storage.AnyPath:
        """Per-class fusion weights; those that are served belong to the report of the usual name."""
        return (self.workdir if self.report == REPORT else self.report_dir) / "fusion.json"

    @property
    def report_dir(self) -> storage.AnyPath:
        """Where the evaluation goes."""
        return self.workdir / self.report

    @property
    def _backbone_dir(self) -> storage.AnyPath:
        return self.backbone_dir or self.workdir / "backbone"

    def _below(self, folder: str, **changes: Any) -> "Run":
        return dataclasses.replace(
            self, workdir=self.workdir / folder, root=self.root or self.workdir, **{"backbone_dir": None} | changes
        )

    def member(self, folder: str, split: str, seed: int) -> "Run":
        """One of several runs that differ in split and seed; its folder lies below this one's."""
        data = dataclasses.replace(self.config.data, split=split)
        device = dataclasses.replace(self.config.device, seed=seed)
        settings = dataclasses.replace(self.config, data=data, device=device)
        group = f"--leave_out_group={split}\n" if self.leaves_out_group else ""
        flags = f"{self.flags}\n--split={split}\n{group}--seed={seed}\n"
        return self._below(folder, config=settings, flags=flags)

    def refit(self) -> "Run":
        """The run with the same recipe on all videos, whose fusion is that of this run.

        Raises:
            ValueError: the recipe needs a validation part, which there is none of then.
        """
        data = dataclasses.replace(self.config.data, train_on="all", validation_fraction=0.0)
        fusion = self.config.fusion
        source = "train" if fusion.awl_scores == "train" else "validation"  # of folds none is trained again
        fusion = dataclasses.replace(fusion, awl_scores=source, svm_c=fusion.svm_c[:1])
        try:
            settings = dataclasses.replace(self.config, data=data, fusion=fusion)
        except ValueError as error:
            raise ValueError(f"--refit leaves no validation part: {error}") from error
        return self._below("refit", config=settings, flags=self.flags + _changed_flags(self.config, settings))

    def folds(self) -> list["Run"]:
        """Runs without one part of the training videos each; see `config.FusionConfig.awl_scores`."""
        count = self.config.fusion.awl_folds
        runs = [self._below(f"folds/{k}", fold=(k, count)) for k in range(count)]
        for fold in runs:
            fold.__dict__["manifest"] = self.manifest
        return runs

    def variant(self, attention: str) -> "Run":
        """The run of one row of Table VI: this very run, or a folder below it for a variant with fewer attentions."""
        if attention == self.config.stream.attention:
            return self
        stages = {part: getattr(self.config, part) for part in config.STREAMS}
        if "ta" not in attention:  # There is no temporal head to train.
            stages = {part: tuple(s for s in own if s.trains != "temporal") for part, own in stages.items()}
            for part, own in stages.items():
                if [stage.trains for stage in own] == ["backbone"]:
                    stages[part] = (dataclasses.replace(own[0], trains="all"),)
        return self._with_attention(attention, stages, f"ablation/{attention}", backbone_dir=self._backbone_dir)

    def base(self, stream: str) -> "Run | None":
        """The run whose trained backbone a stream starts from; None where it has no stage `backbone`."""
        return self.backbone_run() if getattr(self.config, stream)[0].trains == "backbone" else None

    def backbone_run(self) -> "Run":
        """The run of the stages `backbone`: streams without attention, trained once for this run and its variants."""
        stages = {part: (dataclasses.replace(getattr(self.config, part)[0], trains="all"),) for part in config.STREAMS}
        made = self._with_attention("none", stages, "backbone")
        return dataclasses.replace(made, workdir=self._backbone_dir)

    def _with_attention(self, attention: str, stages: dict[str, Any], folder: str, **changes: Any) -> "Run":
        stream = dataclasses.replace(self.config.stream, attention=attention, video_loss=False)
        settings = dataclasses.replace(self.config, stream=stream, **stages)
        lines = self.flags + _changed_flags(self.config, settings)
        child = self._below(folder, config=settings, flags=lines, **changes)
        child.__dict__["manifest"] = self.manifest  # checked once is enough
        return child


_TEST_PART_IS_OPEN = contextvars.ContextVar("test part is open", default=False)


@contextlib.contextmanager
def open_test_part() -> Iterator[None]:
    """Opens the test part, for what measures and chooses nothing."""
    token = _TEST_PART_IS_OPEN.set(True)
    try:
        yield
    finally:
        _TEST_PART_IS_OPEN.reset(token)


def _check_test_part() -> None:
    if not _TEST_PART_IS_OPEN.get():
        raise RuntimeError(
            "the test part is closed: only the evaluation at the end reads it, so that nothing is chosen by what it "
            "shows (recipes.run.open_test_part)"
        )


def digest(pieces: Iterable[bytes]) -> str:
    """A hash of byte strings in their order, in hexadecimal."""
    whole = hashlib.sha256()
    for piece in pieces:
        whole.update(hashlib.sha256(piece).digest())
    return whole.hexdigest()


def _check_group(found: manifest.Manifest, group: str) -> None:
    """Checks that a split of the records leaves out one group; elsewhere a number would pass for any other split."""
    groups = [split for split in found.splits if f"g{split:0>2}" in found.partitions]
    if not groups:
        raise ValueError(
            f"--leave_out_group needs records with a partition for each group, as --dataset=ucf50 makes them: "
            f"{found.data_dir} has {found.dataset} with the splits {', '.join(found.splits)}. "
            f"Received: --leave_out_group={group}. Use --split"
        )
    if group not in groups:
        raise ValueError(f"--leave_out_group must be one of {', '.join(groups)}. Received: --leave_out_group={group}")


def _changed_flags(before: config.RunConfig, after: config.RunConfig) -> str:
    """Lines of a flagfile that make `after` of `before`; of two lines for one flag the last one counts."""
    known, lines = before.to_json(), "\n"
    for group, values in after.to_json().items():
        for name, value in values.items():
            if value != known[group][name]:
                column = value if isinstance(value, list | tuple) else [value]
                lines += f"--{config.FLAG_PREFIXES.get(group, '')}{name}={','.join(map(str, column))}\n"
    return lines
