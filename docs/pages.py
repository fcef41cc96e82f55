"""Pages of the documentation site: the repository's Markdown files under their own paths, and the API from docstrings.

Because a page keeps the path of its file, links lead to the right place on the site as they do in the repository.
"""

from pathlib import Path, PurePath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
# What the pages show or link to.
BESIDE = ("CITATION.cff", "LICENSE", "docs/*.ipynb", "docs/*.jpg", "docs/*.png", "benchmarks/*.png")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Takes in the pages that mkdocs.yml names under `nav`; called by mkdocs."""
    for file in list(files):
        if file.src_dir == config.docs_dir:  # comes again below, by its path in the repository
            files.remove(file)
    beside = [path.relative_to(ROOT).as_posix() for pattern in BESIDE for path in sorted(ROOT.glob(pattern))]
    for name in (*_names(config.nav), *beside):
        if name.startswith("api/"):
            files.append(File.generated(config, name, content=_write_page(PurePath(name).stem)))
        else:
            files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def _names(nav: Any) -> list[str]:
    """The pages of `nav`, at whatever depth they stand."""
    if isinstance(nav, str):
        return [nav]
    return [name for entry in (nav.values() if isinstance(nav, dict) else nav) for name in _names(entry)]


def _write_page(package: str) -> str:
    """Writes the page of a package and of its modules, without those that are commands: they have --help."""
    folder = ROOT.joinpath(*package.split("."))
    text = f"# {package}\n\n::: {package}\n"
    if "__all__" in (folder / "__init__.py").read_text():  # all that is in it comes from its modules and stands there
        text += "    options: {members: false}\n"
    modules = [path.stem for path in sorted(folder.glob("[!_]*.py")) if "\n    cli.run(main" not in path.read_text()]
    return text + "".join(f"\n::: {package}.{module}\n" for module in modules)
