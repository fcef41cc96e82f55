"""Every command, flag and Python name in the documents is there: flags are parsed, names looked up, nothing is run."""

import ast
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tomllib

import pytest

_spec = importlib.util.spec_from_file_location("documents", pathlib.Path(__file__).with_name("documents.py"))
documents = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(documents)

ROOT = documents.ROOT
FILES = documents.find()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SCRIPTS = PROJECT["project"]["scripts"]
EXTRAS = set(PROJECT["tool"]["setuptools"]["dynamic"]["optional-dependencies"])
REQUIREMENTS = "\n".join(file.read_text() for file in ROOT.glob("requirements*.txt"))
PINS = set(re.findall(r"^[\w.-]+(?:\[[\w,-]+\])?==[\w.]+", REQUIREMENTS, re.MULTILINE))
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.*  ## ", MAKEFILE, re.MULTILINE))
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
PACKAGES = ("tclsta_tf", "tfrecords_tools", "benchmarks")
INSTALLED = re.compile(r"(?<=^--flagfile=)(?:\$VIRTUAL_ENV|\$CONDA_PREFIX|/opt/tclsta)/share/tclsta-tf/(?=configs/)")

# Programs of the system and of others. Whoever names a further one in a document has looked whether there is one.
# moto_server comes with the tests, and not on Python 3.13.
SYSTEM = {".", "cd", "conda", "curl", "mkdir", "moto_server", "nvidia-smi", "rm", "split", "unrar", "unzip"}
OTHERS_FLAGS = {"--gpus", "--target", "--user"} | {"--flag"}  # of docker; what stands for any flag


class Wrong(Exception):
    """What is wrong with a command."""


def require(condition, message):
    if not condition:
        raise Wrong(message)


def questions_of(words):
    """Checks a command as far as files tell; gives the lines for the parsers, (module, words)."""
    program = pathlib.PurePath(words[0]).name or words[0]
    if program == "xargs":
        start = next(index for index, word in enumerate(words) if pathlib.PurePath(word).name == "python")
        return questions_of(words[start:])
    if re.fullmatch(r"python[\d.]*", program):
        return _python(words[1:])
    if program in SCRIPTS:
        module = importlib.import_module("tclsta_tf.console")
        return [(getattr(module, SCRIPTS[program].partition(":")[2]).args[0], _installed(words[1:]))]
    if program in CHECKS:
        return CHECKS[program](words[1:]) or []
    scripts = {point.name for point in importlib.metadata.entry_points(group="console_scripts")}
    require(program in SYSTEM | scripts, f"{program} is no program that is known or installed")
    return []


def _installed(words):
    """The recipes that the wheel brings lie in the repository under the same path."""
    return [INSTALLED.sub("", word) for word in words]


def _python(words):
    if words[0] == "-c":
        compile(words[1], "-c", "exec")
        return []
    if words[0] != "-m":
        require((ROOT / words[0]).is_file(), f"there is no {words[0]}")
        known = re.findall(r"add_argument\(\"(--\w+)", (ROOT / words[0]).read_text())
        for word in words[1:]:
            require(not word.startswith("--") or word.partition("=")[0] in known, f"{words[0]} has no {word}")
        return []
    module, rest = words[1], words[2:]
    if module in CHECKS:
        return CHECKS[module](rest) or []
    if module.split(".")[0] in PACKAGES:
        return [(module, _installed(rest))]
    require(importlib.util.find_spec(module), f"there is no module {module}")
    return []


def _make(words):
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            require(word in TARGETS, f"make has no target {word}")
            continue
        require(re.search(rf"^{name} \?=", MAKEFILE, re.MULTILINE), f"the Makefile has no variable {name}")
        require(name != "REQUIREMENTS" or (ROOT / value).is_file(), f"there is no {value}")


def _pip(words):
    for previous, word in zip(["", *words], words, strict=False):
        if previous == "-r":
            require((ROOT / word).is_file(), f"there is no {word}")
        name, extras = re.fullmatch(r"([^[]*)(?:\[([^]]*)\])?.*", word, re.DOTALL).groups()
        if name.endswith((".whl", "tclsta-tf", ".")) and not word.startswith("-"):
            require(set((extras or "").split(",")) - {""} <= EXTRAS, f"the package has no extra {extras}")
        if name.endswith(".whl"):
            wheel = f"tclsta_tf-{PROJECT['project']['version']}-py3-none-any.whl"
            require(pathlib.PurePath(name).name == wheel, f"{name} must be {wheel}")
        if "==" in word:
            require({word, re.sub(r"\[.*\]", "", word)} & PINS, f"{word} is not the version of the requirements files")


def _pytest(words):
    markers = {marker.partition(":")[0] for marker in PROJECT["tool"]["pytest"]["ini_options"]["markers"]}
    for previous, word in zip(["", *words], words, strict=False):
        if previous == "-m":
            require(set(word.split()) - {"not", "and", "or"} <= markers, f"there is no marker {word}")
        elif word.startswith("tests/"):
            require((ROOT / word.partition("::")[0]).exists(), f"there is no {word}")


def _docker(words):
    built = {name for file in FILES for name in re.findall(r"docker build -t ([\w-]+)", file.read_text())}
    stages = set(re.findall(r"^FROM .* AS (\w+)$", DOCKERFILE, re.MULTILINE))
    if words[0] == "build":
        require((ROOT / words[words.index("-f") + 1]).is_file(), "there is no such Dockerfile")
        for word in words:
            name, _, value = word.partition("=")
            require(name != "--target" or value in stages, f"the Dockerfile has no stage {value}")
            if name == "--build-arg":
                argument, _, chosen = value.partition("=")
                require(f"\nARG {argument}=" in DOCKERFILE, f"the Dockerfile has no argument {argument}")
                require(argument != "EXTRAS" or set(chosen.split(",")) <= EXTRAS, f"no extras {chosen}")
        return []
    image = next((index for index, word in enumerate(words) if word in built), None)
    require(words[0] == "run" and image, "no image that a document builds")
    return questions_of(words[image + 1 :]) if words[image + 1 :] else []


def _conda(words):
    for word in words:
        if word.startswith("python="):
            version = word.partition("=")[2]
            classifier = f"Programming Language :: Python :: {version}"
            require(classifier in PROJECT["project"]["classifiers"], f"Python {version} is not supported")


CHECKS = {"conda": _conda, "docker": _docker, "make": _make, "pip": _pip, "pytest": _pytest}


def modules_by_name():
    """The command that a short name means, such as `convert`."""
    modules = [f"{package}.{file.stem}" for package in PACKAGES[:2] for file in (ROOT / package).glob("*.py")]
    return {module.rpartition(".")[2]: module for module in modules}


def read_inline(code):
    """What a piece of code in a line says: ("commands", [words, ...]), ("flags", [...]) or ("names", [...])."""
    first, _, rest = code.partition(" ")
    short = modules_by_name().get(first)
    if re.match(r"(python3? -(m \w+(\.\w+)*( |$)|c )|make \w|pip |docker |conda |pytest |tclsta-\w)", code):
        return "commands", [words if words[0] == "make" else [*words, "..."] for words in documents.commands(code)]
    if rest and (short or re.fullmatch(r"(tclsta_tf|tfrecords_tools|benchmarks)(\.\w+)+", first)):
        return "commands", [["python", "-m", short or first, *shlex.split(rest), "..."]] if "--" in rest else []
    if re.match(r"--\w", code):
        return "flags", [word for word in shlex.split(code) if word.startswith("--")]
    name = re.fullmatch(r"((?:tclsta_tf|tfrecords_tools)(?:\.\w+)+)(\(.*\))?", code)
    return ("names", [name[1]]) if name else ("commands", [])


def names_of(tree):
    """The names of the packages that a piece of Python uses, dotted."""
    imported = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    used = {
        f"{imported[node.value.id]}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported
    }
    return {name for name in {*imported.values(), *used} if name.split(".")[0] in PACKAGES}


@pytest.fixture(scope="module")
def wrong():
    """What is wrong in each document: {file: [text, ...]}."""
    found = {file: [] for file in FILES}
    asked = {"lines": [], "flags": [], "names": []}
    places = {"lines": [], "flags": [], "names": []}

    def ask(kind, code, questions):
        asked[kind] += questions
        places[kind] += [code] * len(questions)

    def ask_commands(code, commands):
        for words in commands:
            try:
                ask("lines", code, questions_of(words))
            except (Wrong, SyntaxError) as error:
                found[code.file].append(f"{code.place}: {' '.join(words)}: {error}")

    for file in FILES:
        for block in documents.blocks(file):
            if block.language == "bash":
                ask_commands(block, documents.commands(block.text))
            elif block.language == "python":
                with contextlib.suppress(SyntaxError):  # test_code_can_be_read says it
                    ask("names", block, sorted(names_of(ast.parse(block.text))))
        for code in documents.inline_code(file):
            kind, questions = read_inline(code.text)
            ask_commands(code, questions) if kind == "commands" else ask(kind, code, questions)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    line = [sys.executable, str(ROOT / "tests" / "command_lines.py")]
    done = subprocess.run(line, env=environment, input=json.dumps(asked), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    for kind, of_kind in places.items():
        for index, (code, question) in enumerate(zip(of_kind, asked[kind], strict=True)):
            answer = answers[kind][index if kind == "lines" else question]
            if answer and str(question).partition("=")[0] not in OTHERS_FLAGS:
                found[code.file].append(f"{code.place}: {question}: {answer}")
    assert len(asked["lines"]) > 50 and len(asked["flags"]) > 50 and len(asked["names"]) > 5
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_commands_flags_and_names_exist(file, wrong):
    assert not wrong[file], "\n".join(wrong[file])


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_code_can_be_read(file):
    for block in documents.blocks(file):
        assert block.language in ("", "bash", "nginx", "python"), (
            f"{block.place}: a check for {block.language} is missing"
        )
        if block.language == "bash":
            done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
            assert done.returncode == 0 and not done.stderr, f"{block.place}: {done.stderr}"
        elif block.language == "python":
            compile(block.text, block.place, "exec")
