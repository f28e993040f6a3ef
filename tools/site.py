"""What mkdocs makes next to the pages of docs/ (a hook of mkdocs.yml).

- README.md, CHANGELOG.md and their like are pages, too, each from its own file. Links between files of
  the repository become links between pages; figures that a page shows come along; anything else (code, a
  folder of results) is named, not linked.
- The tutorials are notebooks in docs/tutorials/*.py. They are executed, and shown with their output.
- The commands' and the Python reference are made from the code.
"""

import importlib
import os
import pkgutil
import posixpath
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

import vebi

ROOT = Path(__file__).resolve().parents[1]
# Pages that stand elsewhere in the repository, by their place in the site.
ELSEWHERE = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "examples.md": "examples/README.md",
    "reference/configuration.md": "config/README.md",
}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
OPTIONS = "    options: {heading_level: 3}"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, those from elsewhere, and the figures that pages show."""
    for name, source in ELSEWHERE.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))
    for notebook in sorted((ROOT / "docs/tutorials").glob("*.py")):
        executed = execute(notebook)
        _add_notebook(files, config, notebook.stem, executed)
    files.append(File.generated(config, "reference/commands.md", content=commands()))
    files.append(File.generated(config, "reference/python.md", content=python_reference()))
    for page in list(files.documentation_pages()):
        _add_figures(files, config, page)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links of the repository as links of the site."""
    source = _source(page.file)
    if source is None:
        return markdown
    return LINK.sub(lambda match: _link(match, source, page.file, files), markdown)


def _source(file: File) -> Path | None:
    """Where a page is in the repository; None for one that is made."""
    if file.src_uri in ELSEWHERE:
        return ROOT / ELSEWHERE[file.src_uri]
    notebook = (ROOT / "docs" / file.src_uri).with_suffix(".py")
    if notebook.is_file():
        return notebook
    return Path(file.abs_src_path) if file.abs_src_path else None


def _link(match: re.Match[str], source: Path, here: File, files: Files) -> str:
    image, text, target = match.groups()
    if re.match(r"https?:|mailto:|#", target):
        return match[0]
    path, mark, heading = target.partition("#")
    found = (source.parent / path).resolve()
    pages = {ROOT / place: name for name, place in ELSEWHERE.items()}
    name = pages.get(found)
    if name is None and found.is_relative_to(ROOT / "docs"):
        name = found.relative_to(ROOT / "docs").as_posix()
    if name is None and image:
        name = _figure_name(found)
    if name is None or files.get_file_from_path(name) is None:
        return f"{text} (`{found.relative_to(ROOT)}`)" if f"`{path}`" not in text else text
    relative = posixpath.relpath(name, posixpath.dirname(here.src_uri) or ".")
    return f"{image}[{text}]({relative}{mark}{heading})"


def _figure_name(path: Path) -> str:
    return f"figures/{path.relative_to(ROOT).as_posix().replace('/', '-')}"


def _add_figures(files: Files, config: MkDocsConfig, page: File) -> None:
    source = _source(page)
    if source is None:
        return
    for image, _, target in LINK.findall(source.read_text(encoding="utf-8")):
        path = (source.parent / target).resolve()
        inside = path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / "docs")
        if image and inside and path.is_file():
            name = _figure_name(path)
            if files.get_file_from_path(name) is None:
                files.append(File.generated(config, name, abs_src_path=str(path)))


def execute(notebook: Path) -> nbformat.NotebookNode:
    """A notebook with its output, run in an empty folder; without output if VEBI_DRAFT is set.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    content = jupytext.read(notebook)
    if os.environ.get("VEBI_DRAFT"):
        return content
    content.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    # The kernel is another process: it finds this copy of the library and its commands.
    os.environ["PYTHONPATH"] = f"{ROOT / 'workflow'}:{os.environ.get('PYTHONPATH', '')}"
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(content, timeout=1200, startup_timeout=600, resources=resources).execute()
    return content


def _add_notebook(
    files: Files, config: MkDocsConfig, name: str, notebook: nbformat.NotebookNode
) -> None:
    for cell in notebook.cells:
        # Progress bars and the like.
        cell["outputs"] = [
            output for output in cell.get("outputs", []) if output.get("name") != "stderr"
        ]
    body, resources = MarkdownExporter().from_notebook_node(
        notebook, resources={"unique_key": name, "output_files_dir": name}
    )
    download = f"[This page as a notebook]({name}.ipynb), to run and change.\n\n"
    title, _, rest = body.partition("\n\n")
    text = f"{title}\n\n{download}{rest}"
    files.append(File.generated(config, f"tutorials/{name}.md", content=text))
    for place, content in resources["outputs"].items():
        files.append(File.generated(config, f"tutorials/{place}", content=content))
    plain = nbformat.writes(notebook)
    files.append(File.generated(config, f"tutorials/{name}.ipynb", content=plain))


def commands() -> str:
    """The reference of the command line, by typer's own means."""
    asked = ("-m", "typer", "vebi.cli", "utils", "docs", "--name", "vebi", "--title", "Commands")
    done = subprocess.run(
        [sys.executable, *asked], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout


def python_reference() -> str:
    """A page with every public name of the packages: what each lists in `__all__`."""
    lines = ["# Python", "", "Every public name. `import vebi` is enough for most uses.", ""]
    rooms = [f"vebi.{module.name}" for module in pkgutil.iter_modules(vebi.__path__)]
    for name in ("vebi", *rooms):
        package: Any = importlib.import_module(name)
        offered = [one for one in getattr(package, "__all__", []) if one[0] != "_"]
        if not offered:
            continue
        lines += [f"## {name} {{ #{name.replace('.', '-')} }}", "", package.__doc__ or "", ""]
        values = {one: getattr(package, one) for one in offered}
        documented = [value for value in values.values() if _is_ours(value)]
        for value in documented:
            lines += [f"::: {value.__module__}.{value.__qualname__}", OPTIONS, ""]
        plain = [one for one, value in values.items() if not _is_ours(value)]
        if plain:
            lines += ["Values: " + ", ".join(f"`{one}`" for one in plain) + ".", ""]
    return "\n".join(lines)


def _is_ours(value: Any) -> bool:
    """Whether a value is a class or function of this package, and no constant or alias of a type."""
    return hasattr(value, "__qualname__") and value.__module__.startswith("vebi.")
