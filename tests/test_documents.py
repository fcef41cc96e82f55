"""What the documents say of the repository is so: links, files, code and tests, error messages, requirements."""

import ast
import fnmatch
import importlib.util
import pathlib
import re
import urllib.parse

import pytest

from tclsta_tf.training import preemption
from tfrecords_tools import cli

_spec = importlib.util.spec_from_file_location("documents", pathlib.Path(__file__).with_name("documents.py"))
documents = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(documents)

ROOT = documents.ROOT
FILES = documents.find()
each_document = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
SOURCES = {path: path.read_text() for name in ("tclsta_tf", "tfrecords_tools") for path in (ROOT / name).rglob("*.py")}


def repository():
    """Every file and folder of the repository that a document may name, by its path."""
    found = {path.name for path in ROOT.iterdir()}
    for folder in (*documents.FOLDERS, ".ci", ".github"):
        for path in (ROOT / folder).rglob("*"):
            if "__pycache__" not in path.parts:
                found.add(path.relative_to(ROOT).as_posix())
    return found


@each_document
def test_links_lead_somewhere(file):
    wrong = [(target, why) for target in documents.links(file.read_text()) if (why := judge_link(file, target))]
    assert not wrong, "\n".join(f"{target}: {why}" for target, why in wrong)


def judge_link(file, target):
    """What is wrong with a link; of one to another site no more than its form is looked at."""
    parts = urllib.parse.urlsplit(target)
    if parts.scheme:
        is_address = parts.scheme in ("http", "https") and re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc)
        return "" if is_address else "no address of a page"
    aim = (file.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else file
    if not aim.is_relative_to(ROOT) or not aim.exists():
        return "there is no such file"
    if not parts.fragment:
        return ""
    headings = documents.anchors(aim.read_text()) if aim.suffix == ".md" else ()
    return "" if parts.fragment in headings else "there is no such heading"


@each_document
def test_files_named_in_the_text_exist(file):
    paths = repository()
    tops = {path.partition("/")[0] for path in paths}
    written = "".join(SOURCES.values())
    missing = []
    for code in documents.inline_code(file):
        name = re.sub(r"<\w+>", "*", code.text.partition("::")[0].removesuffix("/"))
        is_path = re.fullmatch(r"[\w.*/-]+", name) and (
            re.search(r"\.(py|cfg|md|toml|ya?ml|pbtxt|config|in|js|css|cff)$", name)
            or name.startswith("requirements")
            or ("/" in name and name.partition("/")[0] in tops)
        )
        if file.name == "comparison.md" and name.partition("/")[0] not in ("tclsta_tf", "tfrecords_tools"):
            continue  # files of the projects that this one is compared with
        is_there = is_path and any(fnmatch.fnmatch(f"/{path}", f"*/{name}") for path in paths)
        # What is not of the repository is of a run or of an exported model, and some line of code writes it.
        if is_path and not is_there and f'{name.rpartition("/")[2]}"' not in written:
            missing.append(f"{code.place}: there is no {name}")
    assert not missing, "\n".join(missing)


def test_equations_stand_where_the_table_says():
    folder, tests = ROOT / "tclsta_tf", ROOT / "tests" / "tclsta_tf"
    rows = documents.rows((folder / "README.md").read_text(), "equation")
    assert len(rows) > 12
    for equation, _, names, places, checks in rows:
        files = documents.code_in(places)
        assert files and all((folder / file).is_file() for file in files), f"{equation}: {places}"
        code = "\n".join((folder / file).read_text() for file in files)
        for name in documents.code_in(names):
            for part in re.findall(r"\w+", name.partition("(")[0]):
                # A name is defined there, or it is that of a module among them, of an output or of a weight.
                defined = rf"^ *(?:class|def) {part}\b|[\"']{part}[\"']|\b(?:self\.)?{part}\b[^=\n]*="
                is_module = f"{part}.py" in [pathlib.PurePath(file).name for file in files]
                assert is_module or re.search(defined, code, re.MULTILINE), (
                    f"{equation}: there is no {part} in {places}"
                )
        number = re.match(r"\((\d+)\)", equation)
        assert not number or re.search(rf"Eqs?\. .*\({number[1]}\)", code), f"{places}: Eq. ({number[1]}) is not named"
        file = None
        assert checks
        for check in documents.code_in(checks):
            path, _, test = check.partition("::")
            file = tests / path if path else file
            assert file.is_file(), f"{equation}: there is no {check}"
            assert not test or f"\ndef {test}(" in file.read_text(), f"{equation}: there is no {check}"


def messages():
    """The texts in the code of both packages, docstrings left out; "\0" is what differs from case to case."""
    found = [line.strip() for line in (ROOT / "Makefile").read_text().splitlines()]
    for text in SOURCES.values():
        tree = ast.parse(text)
        docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "\0" for part in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
                found.append(node.value)
    return found


def test_quoted_messages_are_those_of_the_code():
    rows = documents.rows((ROOT / "docs" / "troubleshooting.md").read_text(), "message")
    quoted = [message for row in rows for message in documents.code_in(row[0])]
    assert len(quoted) > 50
    said = messages()
    for message in quoted:
        pattern = re.compile(".*".join(map(re.escape, message.split("..."))))
        assert len(message.replace("...", "").strip()) > 10, f"{message!r} could be anything"
        assert any(pattern.search(text) for text in said), f"no code says {message!r}"


def test_exit_statuses_are_those_of_the_code():
    told = documents.section((ROOT / "BUILD.md").read_text(), "Exit statuses").partition("`--traceback`")[0]
    statuses = {0, cli.FAILURE, cli.USAGE, cli.INTERRUPTED, preemption.Preempted.exit_status}
    assert {int(number) for number in re.findall(r"\b\d+\b", told)} == statuses


def test_every_requirement_has_its_reason():
    files = {file.name: file.read_text() for file in ROOT.glob("requirements*.txt")}
    required = {name: set(re.findall(r"^([\w.-]+)(?:\[.*\])?==", text, re.MULTILINE)) for name, text in files.items()}
    given = documents.rows((ROOT / "BUILD.md").read_text(), "package")
    explained = {}
    for names, *columns in given:
        for name in re.sub(r"\(.*?\)", "", names).split(","):
            explained.setdefault(name.strip(), set()).update(documents.code_in(columns[0]) if len(columns) > 1 else ())
    assert set(explained) == set().union(*required.values())
    for name, places in explained.items():
        for place in places:
            assert name in required[place], f"{name} is not in {place}"


def test_every_target_of_make_is_explained():
    targets = set(re.findall(r"^([a-z-]+):.*  ## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    rows = documents.rows((ROOT / "BUILD.md").read_text(), "target")
    assert {code.removeprefix("make ") for names, _ in rows for code in documents.code_in(names)} == targets


def test_the_site_has_every_document():
    pages = re.findall(r"[\w./]+\.md", (ROOT / "mkdocs.yml").read_text())
    assert {file.relative_to(ROOT).as_posix() for file in FILES} == {page for page in pages if "api/" not in page}
