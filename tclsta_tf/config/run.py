"""All settings of one run."""

import dataclasses
from typing import Any

from tclsta_tf.config import clips, collaboration, devices, fusions, streams, training

PARTS = ("static", "motion", "collaborative")
STREAMS = ("static", "motion")
REPORT = "report"
"""Folder of the evaluation in the working folder, unless it is given another name."""
FOLDERS = ("features", "frozen", "backbone", "ablation", "folds", "refit", "export")
"""What else a working folder holds besides its parts and reports."""
FLAG_PREFIXES = {"motion_stream": "motion_", **{part: f"{part}_" for part in PARTS}}
"""Group of settings -> what stands in front of the names of its flags; nothing for all others."""


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything one run is made with; the fields are documented in their own classes.

    Each part is trained in one stage or more, one after the other.
    """

    data: clips.DataConfig = clips.DataConfig()
    stream: streams.StreamConfig = streams.StreamConfig()
    motion_stream: streams.MotionConfig = streams.MotionConfig()
    static: tuple[training.TrainConfig, ...] = (training.TrainConfig(),)
    motion: tuple[training.TrainConfig, ...] = (training.TrainConfig(steps=60000),)
    collaborative: tuple[training.TrainConfig, ...] = (
        training.TrainConfig(steps=2000, batch_size=64, optimizer="adam", weight_decay=0.0),
    )
    network: collaboration.CollaborativeConfig = collaboration.CollaborativeConfig()
    fusion: fusions.FusionConfig = fusions.FusionConfig()
    device: devices.DeviceConfig = devices.DeviceConfig()

    def __post_init__(self) -> None:
        for part in PARTS:
            for stage in getattr(self, part):
                self._check_stage(part, stage)
        if len(self.fusion.svm_c) > 1 and not self.data.validation_fraction:
            raise ValueError(
                "--svm_c with several values needs a validation part to choose on: give --validation_fraction a value "
                f"above 0, or one C. Received: --svm_c={','.join(map(str, self.fusion.svm_c))}"
            )

    def _check_stage(self, part: str, stage: training.TrainConfig) -> None:
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

    def stream_of(self, name: str) -> streams.StreamConfig:
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
            given = values[group]
            groups[group] = training.make_stages(given) if group in PARTS else kind(**_with_tuples(given))
        return cls(**groups)

    @classmethod
    def groups(cls) -> dict[str, Any]:
        """Name of each group of settings -> its class, which for a part is that of a stage."""
        return {
            field.name: training.TrainConfig if field.name in PARTS else field.type for field in dataclasses.fields(cls)
        }


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
