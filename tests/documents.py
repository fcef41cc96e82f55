"""Takes the Markdown documents of the repository apart: headings, links, code, and the commands in it.

For test_documents.py and the like, which load it by its path.
"""

import pathlib
import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ("benchmarks", "configs", "docker", "docs", "tclsta_tf", "tests", "tfrecords_tools")
FENCE = re.compile(r"^( *)(```+)([^\n`]*)\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)(`+)(?!`)((?:.|\n(?!\n))+?)(?<!`)\1(?!`)")
BREAKS = ("&&", "||", ";", "|", "&", "(", ")")
WORDS_OF_THE_SHELL = ("do", "then", "else", "time")


class Code(NamedTuple):
    """A piece of code in a document; `language` is that of a block, "" where none is said or it stands in a line."""

    file: pathlib.Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}"


def find() -> list[pathlib.Path]:
    """Finds the documents: Markdown at the top and in the project's own folders, none of a run or an environment."""
    return sorted([*ROOT.glob("*.md"), *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.md"))])


def blocks(file: pathlib.Path) -> list[Code]:
    """The fenced blocks of a document."""
    text = file.read_text(encoding="utf-8")
    return [
        Code(file, text.count("\n", 0, match.start()) + 1, match[3].strip(), match[4]) for match in FENCE.finditer(text)
    ]


def prose(text: str) -> str:
    """The document without its fenced blocks, line by line where it was."""
    return FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)


def without_code(text: str) -> str:
    """The prose with the code that stands in its lines blanked."""
    return INLINE.sub(_blank, prose(text))


def inline_code(file: pathlib.Path) -> list[Code]:
    """What stands between backticks in the lines of a document, also where it goes on in the next line."""
    text = prose(file.read_text(encoding="utf-8"))
    found = INLINE.finditer(text)
    return [Code(file, text.count("\n", 0, match.start()) + 1, "", _plain(match[2])) for match in found]


def code_in(text: str) -> list[str]:
    """What stands between backticks in a piece of prose."""
    return [_plain(match[2]) for match in INLINE.finditer(text)]


def _plain(code: str) -> str:
    return " ".join(code.split()).replace(r"\|", "|")


def anchors(text: str) -> set[str]:
    """The names by which GitHub lets a link lead to the headings of a document."""
    found: set[str] = set()
    for title in re.findall(r"^#{1,6} +(.*?)[ #]*$", prose(text), re.MULTILINE):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower()
        name = re.sub(r"[^\w\- ]", "", shown).strip().replace(" ", "-")
        copies = (f"{name}-{number}" if number else name for number in range(len(found) + 1))
        found.add(next(copy for copy in copies if copy not in found))
    return found


def links(text: str) -> list[str]:
    """The targets of the links and images of a document."""
    shown = without_code(text)
    inline = re.findall(r"\]\(\s*<?([^\s)>]*)", shown)
    return inline + re.findall(r"^ *\[[^]]+\]: *(\S+)", shown, re.MULTILINE)


def rows(text: str, first: str) -> list[list[str]]:
    """The cells of the tables whose header begins with the cell `first`, without header and rule."""
    bodies = re.findall(rf"^\| {re.escape(first)} \|.*\n\|[-| ]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    lines = [line.strip()[1:-1] for body in bodies for line in body.splitlines()]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]


def section(text: str, title: str) -> str:
    """The text under a heading, up to the next one of its level or above."""
    head = re.search(rf"^(#+) {re.escape(title)}$", text, re.MULTILINE)
    assert head, f"there is no section {title!r}"
    end = re.search(rf"^#{{1,{len(head[1])}}} ", FENCE.sub(_blank, text)[head.end() :], re.MULTILINE)
    return text[head.end() : head.end() + end.start() if end else None]


def _blank(match: re.Match) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def commands(script: str) -> list[list[str]]:
    """The words of every command of a shell script, without variables set for it, redirections and comments.

    Raises:
        ValueError: a quotation is not closed.
    """
    return [words for line in _logical_lines(script) for words in _split(line)]


def _logical_lines(script: str) -> Iterator[str]:
    # What another command or arithmetic gives is one word, whatever it holds.
    script = re.sub(r"\$\(\([^()]*\)\)|\$\([^()]*\)", "$VALUE", script)
    pending = ""
    for line in script.splitlines():
        pending = f"{pending}\n{line}" if pending else line
        try:
            shlex.split(pending, comments=True)
        except ValueError:  # "No closing quotation", or "No escaped character" at the end of a line that goes on
            continue
        if not re.search(r"(?<!\\)\\$", pending):
            yield pending.replace("\\\n", " ")
            pending = ""
    if pending:
        raise ValueError(f"unfinished: {pending!r}")


def _split(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();|&<>")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    tokens = [*lexer, ";"]
    for index, token in enumerate(tokens):
        if token in BREAKS:
            if _strip(words):
                yield _strip(words)
            words = []
        elif token[0] in "<>" or (index and tokens[index - 1][0] in "<>"):
            continue
        else:
            words.append(token)


def _strip(words: list[str]) -> list[str]:
    while words and (words[0] in WORDS_OF_THE_SHELL or re.match(r"[A-Z_]+=", words[0])):
        words = words[1:]
    return [] if words[:1] in (["export"], ["for"], ["done"], ["wait"]) else words
