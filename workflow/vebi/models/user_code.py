"""Code of the user's: a function that they name as MODULE:FUNCTION or FILE.py:FUNCTION.

Nothing is run but what the user has named, in the configuration or on the command line.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from vebi.data.roots import is_file
from vebi.io.errors import VebiError

log = logging.getLogger(__name__)


@contextmanager
def user_function(
    name: str, module_name: str, function_name: str, expected: str
) -> Iterator[Callable[..., Any]]:
    """Import a function; while the block runs, modules next to it can be imported by it.

    A module is looked for among the installed ones, then in the working directory.

    Args:
        name: what the function is to the user, for errors: "factory 'nets.py:make'".
        module_name: an importable module, or a path that ends in .py.
        function_name: the function's name there.
        expected: what is expected of it, for errors.

    Raises:
        VebiError: no such module or function, or one that can't be imported.
    """
    is_path = module_name.endswith(".py")
    folder = Path(module_name).resolve().parent if is_path else Path.cwd()
    with _importable_from(folder):
        module = _import(name, module_name, is_path, folder)
        function = getattr(module, function_name, None)
        if function is None:
            raise VebiError(
                f"{name}: {place_of(module)} has no '{function_name}'; "
                f"it has {', '.join(_callables(module)) or 'no function'}."
            )
        if not callable(function):
            raise VebiError(
                f"{name}: '{function_name}' is a {type(function).__name__}, {expected} is expected."
            )
        log.info("%s: '%s' of %s", name, function_name, place_of(module))
        yield function


def source_of(module_name: str) -> Path | None:
    """The file in the working directory that a module is in; None for installed modules.

    Nothing is imported.
    """
    if module_name.endswith(".py"):
        return Path(module_name)
    base = Path(*module_name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if is_file(path):
            return path
    return None


class _FolderFinder(MetaPathFinder):
    """Finds top-level modules in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, [self._folder]) if path is None else None


@contextmanager
def _importable_from(folder: Path) -> Iterator[None]:
    """Modules of `folder` can be imported inside the block, after the installed ones."""
    finder = _FolderFinder(folder)
    sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def _import(name: str, module_name: str, is_path: bool, folder: Path) -> ModuleType:
    try:
        if not is_path:
            importlib.invalidate_caches()
            return importlib.import_module(module_name)
        path = Path(module_name)
        if not is_file(path):
            raise VebiError(f"{name}: there is no file {path.resolve()}.")
        spec = importlib.util.spec_from_file_location(f"vebi_user_{path.stem}", path.resolve())
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # Dataclasses and annotations of the file look it up by its name.
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    except VebiError:
        raise
    except ModuleNotFoundError as error:
        hint = f"It was looked for among installed modules and in {folder}."
        raise VebiError(f"{name} can't be imported: {error}. {hint}") from error
    except (Exception, SystemExit) as error:
        raise VebiError(f"{name} can't be imported: {type(error).__name__}: {error}") from error
    return module


def place_of(module: ModuleType) -> str:
    """The file of a module, or its name."""
    return str(getattr(module, "__file__", None) or module.__name__)


def _callables(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if callable(value) and name[0] != "_"][:20]
