"""The command line of every `tclsta_tf` command, made from the dataclasses in `config`.

Importing this defines no flag; a command calls the functions below, so that it has the flags it uses and no others.
Flags of `TrainConfig` exist once per part: `--static_steps`, `--motion_steps`, `--collaborative_steps`. Each takes one
value, or one for each stage of the training: `--static_steps=15000,30000,10000`.
"""

import dataclasses
import inspect
import pathlib
import re
import types
import typing
from typing import Any

from absl import flags

from tclsta_tf import config
from tfrecords_tools import storage

flags.disclaim_key_flags()  # the commands' own --help shall list these

_GROUPS = config.RunConfig.groups()


def define_run_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines `--data_dir`, `--workdir` and one flag for every field of `config.RunConfig`.

    Args:
        values: where the flags are defined.
    """
    flags.DEFINE_string(
        "data_dir",
        None,
        "Folder of the records, made by tfrecords_tools.convert. A workdir that is there already knows it.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "workdir", None, "Folder of everything that the run makes; made where it is missing.", flag_values=values
    )
    flags.DEFINE_string(
        "leave_out_group",
        None,
        "Instead of --split, for records of dataset=ucf50: the number of the group to test on.",
        flag_values=values,
    )
    defaults = config.RunConfig()
    for group in _GROUPS:
        if group in config.PARTS:
            _define_stages(getattr(defaults, group), f"{group}_", values)
        else:
            _define_group(getattr(defaults, group), _prefix(group), values)


def define_member_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of an experiment over several splits or seeds."""
    flags.DEFINE_list("splits", [], "Splits to take one after the other, e.g. --splits=1,2,3.", flag_values=values)
    flags.DEFINE_list("seeds", [], "Seeds to take one after the other, e.g. --seeds=0,1,2.", flag_values=values)
    flags.DEFINE_bool(
        "leave_one_group_out",
        False,
        "Test on every group in turn, for records of dataset=ucf50; --splits then picks some of the groups.",
        flag_values=values,
    )


def member_arguments(values: flags.FlagValues = flags.FLAGS) -> dict[str, Any]:
    """What the runs of an experiment differ in, as keyword arguments of `recipes.protocol.make_members`.

    Raises:
        flags.Error: a seed is no number.
    """
    seeds = values["seeds"].value
    for seed in seeds:
        if not seed.strip().isdecimal():
            raise flags.Error(f"--seeds must be numbers of 0 or more. Received: {seed!r}")
    return {
        "splits": [split.strip() for split in values["splits"].value],
        "seeds": [int(seed) for seed in seeds],
        "by_group": values["leave_one_group_out"].value,
    }


def define_export_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one flag for every field of `config.ExportConfig`."""
    _define_group(config.ExportConfig(), "", values)


def export_config_from_flags(values: flags.FlagValues = flags.FLAGS) -> config.ExportConfig:
    """What is exported, and how; raises ValueError where a flag is out of range."""
    names = [field.name for field in dataclasses.fields(config.ExportConfig)]
    try:
        return config.ExportConfig(**{name: values[name].value for name in names})
    except ValueError as error:
        raise ValueError(_name_flags(str(error), "", names)) from error


def config_from_flags(values: flags.FlagValues = flags.FLAGS) -> config.RunConfig:
    """The configuration that parsed flags stand for; raises ValueError where two of them contradict each other."""
    groups: dict[str, Any] = {}
    for group, kind in _GROUPS.items():
        names = [field.name for field in dataclasses.fields(kind)]
        given = {name: values[_prefix(group) + name].value for name in names}
        try:
            groups[group] = config.make_stages(given) if group in config.PARTS else kind(**given)
        except ValueError as error:
            raise ValueError(_name_flags(str(error), _prefix(group), names)) from error
    return config.RunConfig(**groups)


def run_arguments(values: flags.FlagValues = flags.FLAGS, needs_data: bool = True) -> dict[str, Any]:
    """What a run is made of, as keyword arguments of `recipes.run.Run`.

    A flag that is not given takes the value that the working folder was made with, so that later commands need no more
    than `--workdir`.

    Args:
        values: parsed flags.
        needs_data: whether the command cannot do without the records.
    """
    _apply_left_out_group(values)
    names = _inherit(values, storage.path(require("workdir", values)))
    if values["data_dir"].present and values["data_dir"].value:
        require_folder("data_dir", values)  # TensorFlow has not been loaded yet: said now, it is said at once
    if values["data_dir"].value:
        # Saved for later commands, which may be run from another folder.
        values["data_dir"].value = str(storage.path(values["data_dir"].value).absolute())
    return {
        "config": config_from_flags(values),
        "data_dir": storage.path(require("data_dir", values) if needs_data else values["data_dir"].value or ""),
        "workdir": storage.path(values["workdir"].value),
        "flags": "".join(f"{values[name].serialize()}\n" for name in names if values[name].value is not None),
        "leaves_out_group": values["leave_out_group"].value is not None,
    }


def arguments_of(workdir: str) -> dict[str, Any]:
    """The same of a run that is there already, all settings being its own.

    Args:
        workdir: its folder.
    """
    values = flags.FlagValues()
    define_run_flags(values)
    values(["", f"--workdir={workdir}"])
    return run_arguments(values, needs_data=False)


def _apply_left_out_group(values: flags.FlagValues) -> None:
    """Makes --leave_out_group the split of that group."""
    group = values["leave_out_group"].value
    if group is None:
        return
    number = group.removeprefix("g").lstrip("0")
    if not number.isdecimal():
        raise flags.Error(f"--leave_out_group must be the number of a group, like 7 or g07. Received: {group!r}")
    if values["split"].present and values["split"].value != number:
        raise flags.Error(
            f"--leave_out_group={group} and --split={values['split'].value} say different things: give one"
        )
    values["split"].value = number
    values["split"].using_default_value = False
    values["split"].present += 1


def require(name: str, values: flags.FlagValues = flags.FLAGS) -> str:
    """The value of a flag without which the command cannot start.

    Raises:
        flags.Error: where it was not given.
    """
    value = values[name].value
    if not value:
        raise flags.Error(f"--{name} is missing: this command cannot start without it (see --help)")
    return value


def require_folder(name: str, values: flags.FlagValues = flags.FLAGS) -> storage.AnyPath:
    """The value of a flag that must name a folder. One on remote storage is looked at when it is used.

    Raises:
        flags.Error: the flag was not given.
        ValueError: there is no such folder.
    """
    folder = storage.path(require(name, values))
    if isinstance(folder, pathlib.Path) and not folder.is_dir():
        reason = "is no folder" if folder.exists() else "does not exist"
        raise ValueError(f"--{name} must be a folder. Received: --{name}={folder}, which {reason}")
    return folder


def _inherit(values: flags.FlagValues, workdir: storage.AnyPath) -> list[str]:
    """Fills flags that were not given from the flags.cfg that a part of `workdir` saved last; returns their names."""
    before = flags.FlagValues()
    define_run_flags(before)
    # Of an experiment over splits and seeds it is those of any of its runs, in split-1 or seed-0/split-1; never those
    # of a variant with fewer attentions, which are trained first.
    levels = (storage.entries(workdir, f"{'*-*/' * depth}*/flags.cfg") for depth in (0, 1, 2))
    saved = sorted(next(filter(None, map(list, levels)), []), key=lambda path: path.stat().st_mtime)
    if saved:
        before([str(saved[-1]), *saved[-1].read_text().splitlines()])
    for name in before:
        if not values[name].present and before[name].present:
            values[name].value = before[name].value
    return sorted(before)


def _prefix(group: str) -> str:
    return config.FLAG_PREFIXES.get(group, "")


def _name_flags(message: str, prefix: str, names: list[str]) -> str:
    """`steps` becomes --static_steps: on the command line the user knows the flag, not the field."""
    pattern = re.compile(r"`(" + "|".join(names) + r")`|\b(" + "|".join(names) + r")(?==)")
    return pattern.sub(lambda match: f"--{prefix}{match.group(1) or match.group(2)}", message)


def _define_group(defaults: Any, prefix: str, values: flags.FlagValues) -> None:
    help_texts = _attribute_help(type(defaults))
    for field in dataclasses.fields(defaults):
        name, default = prefix + field.name, getattr(defaults, field.name)
        text = _name_flags(help_texts[field.name], prefix, list(help_texts))
        kind = typing.get_args(field.type)[0] if isinstance(field.type, types.UnionType) else field.type  # int | None
        if "choices" in field.metadata:
            flags.DEFINE_enum(name, default, field.metadata["choices"], text, flag_values=values)
        elif kind is bool:
            flags.DEFINE_bool(name, default, text, flag_values=values)
        elif kind is int:
            flags.DEFINE_integer(name, default, text, flag_values=values)
        elif kind is float:
            flags.DEFINE_float(name, default, text, flag_values=values)
        elif kind == tuple[float, ...]:
            flags.DEFINE(_Several(flags.FloatParser()), name, default, text, values, _SeveralSerializer())
        else:
            flags.DEFINE_string(name, default, text, flag_values=values)


class _Several(flags.ArgumentParser):
    """Reads one value, or several with commas between, each by the parser of one."""

    def __init__(self, parser: flags.ArgumentParser, syntactic_help: str = "values separated by commas") -> None:
        super().__init__()
        self._parser = parser
        self.syntactic_help = syntactic_help

    def parse(self, argument: Any) -> tuple:
        """Gives a tuple of values."""
        parts = argument.split(",") if isinstance(argument, str) else argument
        return tuple(self._parser.parse(part.strip() if isinstance(part, str) else part) for part in parts)

    def flag_type(self) -> str:
        """Names the type."""
        return f"list of {self._parser.flag_type()}"


class _SeveralSerializer(flags.ArgumentSerializer):
    def serialize(self, value: tuple) -> str:
        """Gives the text that `_Several` reads."""
        return ",".join(map(str, value))


def _define_stages(stages: tuple[config.TrainConfig, ...], prefix: str, values: flags.FlagValues) -> None:
    help_texts = _attribute_help(config.TrainConfig)
    per_stage = "one value, or one per stage separated by commas"
    for field in dataclasses.fields(config.TrainConfig):
        text = _name_flags(help_texts[field.name], prefix, list(help_texts))
        if "choices" in field.metadata:
            parser = flags.EnumParser(field.metadata["choices"])
            text = f"<{'|'.join(field.metadata['choices'])}>: {text}"
        else:
            parser = flags.IntegerParser() if field.type is int else flags.FloatParser()
        default = tuple(getattr(stage, field.name) for stage in stages)
        flags.DEFINE(_Several(parser, per_stage), prefix + field.name, default, text, values, _SeveralSerializer())


def _attribute_help(kind: type) -> dict[str, str]:
    """Reads {field: text} from the `Attributes:` section of a docstring."""
    section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}
