"""Parses command lines with the parsers of the commands, and looks up Python names, in a process of its own.

Standard input is a JSON object; so is the standard output, which gives what is wrong:
    lines: [[module, [word, ...]], ...]   ->  one text each, "" where the module's command takes the line
    flags: ["--name=value", ...]          ->  {flag: text}, "" where some command has that flag and takes the value
    names: ["tclsta_tf.load", ...]        ->  {name: text}, "" where there is such a module or a name in one

Every module is imported once, and its flags are taken away before the next is: two commands may have a flag of the same
name. A word `...` stands for what a document leaves out, and a value with `...` or `$` in it for any.
"""

import collections
import importlib
import json
import os
import pathlib
import re
import runpy
import sys

from absl import app, flags

ROOT = pathlib.Path(__file__).resolve().parents[1]
START = re.compile(r"^    (cli|app)\.run\(main\b", re.MULTILINE)
NO_FLAG = "there is no flag"
OPEN = re.compile(r"\.\.\.|\$|^[A-Z][A-Z0-9_,.:/]*$")  # a value that a reader is to fill in


def commands() -> list[str]:
    """The modules that are commands."""
    folders = ("tfrecords_tools", "tclsta_tf", "benchmarks")
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    found = [file for file in files if START.search(text := file.read_text()) or is_benchmark(file, text)]
    return [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in found]


def is_benchmark(file: pathlib.Path, text: str) -> bool:
    """Whether the file is a benchmark that can be run, if without flags."""
    return file.match("benchmarks/*.py") and "\nif __name__ ==" in text


def file_of(module: str) -> pathlib.Path:
    """The file of a module of the repository."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def define_flags(module: str) -> None:
    """Defines the flags of a command, as its start does, and does not start it."""
    starts = START.search(file_of(module).read_text())
    runpy.run_module(module, run_name="__main__" if starts else module)


def judge_line(module: str, words: list[str]) -> str:
    """What is wrong with the words behind `python -m module`, which is imported."""
    values = flags.FLAGS
    if {"...", "--help", "--helpfull"} & {*words} or any(
        "=" in word and OPEN.search(word.partition("=")[2]) for word in words
    ):
        operands = [word for word in words if not word.startswith("-") and word != "..."]
        wrong = [judge_flag(word) for word in words if word.startswith("--")]
        if any(wrong):
            return "; ".join(filter(None, wrong))
    else:
        values.unparse_flags()
        for name in values:
            values[name].unparse()
        try:
            operands = values([module, *words])[1:]
            if "static_steps" in values:
                importlib.import_module("tclsta_tf.flags").config_from_flags(values)
        except (flags.Error, ValueError, OSError) as error:
            return f"{type(error).__name__}: {error}"
    if operands and "reject_operands(" in file_of(module).read_text():
        return f"{module} takes flags only, not {operands[0]!r}"
    return ""


def judge_flag(text: str) -> str:
    """What is wrong with one flag of the module that is imported."""
    name, equals, value = text.removeprefix("--").partition("=")
    values = flags.FLAGS
    if name == "flagfile":  # absl's own, which is not among the values
        return "" if not value.startswith("configs/") or pathlib.Path(value).is_file() else f"{value} does not exist"
    if name not in values:
        return "" if name[:2] == "no" and name[2:] in values and values[name[2:]].boolean else f"{NO_FLAG} --{name}"
    flag = values[name]
    if not equals or OPEN.search(value):
        return ""
    try:
        flag.parser.parse(value)
    except ValueError as error:
        return f"--{name}: {error}"
    return ""


def judge_name(name: str) -> str:
    """What is wrong with a dotted name."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError as error:
            if not ".".join(parts).startswith(str(error.name)):
                return f"{name} needs {error.name}, which is not installed"
            continue
        for part in parts[count:]:
            if not hasattr(found, part):
                return f"{name}: there is no {part}"
            found = getattr(found, part)
        return ""
    return f"{name}: there is no module {parts[0]}"


def main() -> None:
    """Answers the questions on the standard input."""
    os.chdir(ROOT)  # flagfiles are given by paths in the repository
    asked = json.load(sys.stdin)
    of_module = collections.defaultdict(list)
    for index, (module, words) in enumerate(asked["lines"]):
        of_module[module].append((index, words))
    answers = [f"{module} is no command" for module, _ in asked["lines"]]
    of_flags = dict.fromkeys(asked["flags"], NO_FLAG)
    cli = importlib.import_module("tfrecords_tools.cli")
    cli.run = app.run = lambda *_, **__: None  # a module that is run defines its flags, and does nothing more
    app.define_help_flags()
    common = set(flags.FLAGS)
    for module in commands():
        define_flags(module)
        for index, words in of_module[module]:
            answers[index] = judge_line(module, words)
        for text, answer in of_flags.items():
            if answer and not (judged := judge_flag(text)).startswith(NO_FLAG):
                of_flags[text] = judged
        for name in set(flags.FLAGS) - common:
            delattr(flags.FLAGS, name)
    of_names = {name: "" if name in commands() else judge_name(name) for name in asked["names"]}
    json.dump({"lines": answers, "flags": of_flags, "names": of_names}, sys.stdout)


if __name__ == "__main__":
    main()
