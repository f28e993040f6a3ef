"""Every module can be the first that is imported, and packages offer what they say."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vebi

CODE = """
import importlib, pkgutil, sys
import torch, vebi

names = [m.name for m in pkgutil.walk_packages(vebi.__path__, "vebi.") if "__main__" not in m.name]
blender = ("bpy", "mathutils")
assert len(names) > 250
for name in names:
    for loaded in [m for m in sys.modules if m.partition(".")[0] == "vebi"]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert error.name in blender, f"{name}: {error}"
    except ImportError as error:
        raise SystemExit(f"{name}: {error}")
"""


def test_each_module_imports_what_it_needs_without_a_circle() -> None:
    found = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr[-2000:]


PACKAGES = ["vebi"] + [
    module.name for module in pkgutil.walk_packages(vebi.__path__, "vebi.") if module.ispkg
]


def typed_names(source: str) -> list[str]:
    """The names that a package imports for type checkers only."""
    blocks = [node for node in ast.parse(source).body if isinstance(node, ast.If)]
    lines = [line for block in blocks for line in block.body if isinstance(line, ast.ImportFrom)]
    return [alias.name for line in lines for alias in line.names]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_offers_what_it_says(name: str) -> None:
    package = importlib.import_module(name)
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert package.__doc__
    offered = getattr(package, "__all__", [])
    for one in offered:
        assert getattr(package, one) is not None, one
    late = typed_names(Path(package.__file__).read_text(encoding="utf-8"))
    assert set(late) <= set(offered)
    assert not set(late) & modules, "an import of the module would take the name's place"
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = package.no_such_name


def test_packages_of_light_modules_import_nothing_heavy() -> None:
    names = "compute, data, explanation, io, models, perturbation, run, selection, studies"
    code = (
        f"import sys; from vebi import {names}\n"
        "heavy = {'h5py', 'matplotlib', 'numba', 'numpy', 'pandas', 'scipy', 'torch'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "from vebi.selection import ClassPath\n"
        "assert ClassPath.__module__ == 'vebi.selection.path' and 'torch' not in sys.modules"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr[-2000:]


def test_what_the_rules_import_loads_nothing_heavy(root: Path) -> None:
    files = [root / "Snakefile", *sorted((root / "workflow").rglob("*.smk"))]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    modules = sorted(set(re.findall(r"^(?:from|import) (vebi[\w.]*)", text, re.MULTILINE)))
    assert "vebi.studies.registry" in modules
    code = (
        f"import sys, {', '.join(modules)}\n"
        "heavy = {'h5py', 'matplotlib', 'numba', 'numpy', 'pandas', 'scipy', 'sklearn', 'torch'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr[-2000:]


# What these may import that is not Python's, and which rooms of ours: start-up takes 0.02 s and
# 0.25 s of CPU time with them.
AT_IMPORT = {"lazy_loader"}
AT_HELP = AT_IMPORT | {
    *("typer", "click", "annotated_doc", "shellingham", "colorama"),
    *("rich", "pygments", "markdown_it", "mdurl", "attr"),
    # markdown_it takes it along where another package has installed it.
    *("linkify_it", "uc_micro"),
}
ROOMS_AT_HELP = {"catalogue", "cli", "io", "record", "version"}


@pytest.mark.parametrize(
    ("code", "allowed", "rooms"),
    [
        ("import vebi", AT_IMPORT, set()),
        (
            "import vebi.cli; vebi.cli.app(['--help'], standalone_mode=False)",
            AT_HELP,
            ROOMS_AT_HELP,
        ),
    ],
)
def test_start_up_imports_nothing_that_it_does_not_use(code, allowed, rooms) -> None:
    # A site's own modules, such as those of editable installs, are there before.
    code = (
        f"import sys; before = set(sys.modules)\n{code}\n"
        "print(*sorted(set(sys.modules) - before), file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr[-2000:]
    names = [name.split(".") for name in found.stderr.split()]
    foreign = {name[0] for name in names} - set(sys.stdlib_module_names) - {"vebi"}
    assert foreign <= allowed, foreign - allowed
    ours = {name[1] for name in names if name[0] == "vebi" and len(name) > 1}
    assert ours <= rooms, ours - rooms


def test_the_logger_plugin_leaves_it_to_the_snakefile_which_copy_is_imported() -> None:
    code = (
        "import sys, snakemake_logger_plugin_vebi as plugin\n"
        "assert not [m for m in sys.modules if m.partition('.')[0] == 'vebi']\n"
        "from vebi.run.job_context import VARIABLE\n"
        "assert plugin.JOB_CONTEXT == VARIABLE"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
