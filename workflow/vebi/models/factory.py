"""A user's own network: a function that they name as MODULE:FUNCTION or FILE.py:FUNCTION."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from vebi.data.roots import is_file
from vebi.io.errors import VebiError
from vebi.network.running import as_written

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)


def call_factory(name: str, kwargs: Mapping[str, Any]) -> nn.Module:
    """Import what `name` says, call it with `kwargs` and return the network.

    A module is looked for among the installed ones, then in the working directory. Modules beside
    it can be imported by it. Raises VebiError for everything that can go wrong on the way.
    """
    from torch import nn

    module_name, function_name = split_factory(name)
    is_path = module_name.endswith(".py")
    folder = Path(module_name).resolve().parent if is_path else Path.cwd()
    log.info("running the code of '%s', which you named as a factory", module_name)
    with _importable_from(folder):
        module = _import(name, module_name, is_path, folder)
        function = getattr(module, function_name, None)
        if function is None:
            raise VebiError(
                f"factory '{name}': {_place(module)} has no '{function_name}'; "
                f"it has {', '.join(_callables(module)) or 'no function'}."
            )
        if not callable(function):
            raise VebiError(
                f"factory '{name}': '{function_name}' is a {type(function).__name__}, "
                "a function or class that returns an nn.Module is expected."
            )
        log.info("network from '%s' of %s", function_name, _place(module))
        try:
            net = function(**kwargs)
        except (Exception, SystemExit) as error:
            raise VebiError(
                f"factory '{name}' failed when called with {dict(kwargs)}: "
                f"{type(error).__name__}: {error}"
            ) from error
    if not isinstance(net, nn.Module):
        raise VebiError(
            f"factory '{name}' returned a {type(net).__name__}, a torch.nn.Module is expected."
        )
    # What can't be looked into is refused before it is trained.
    as_written(net)
    return net


def split_factory(name: str) -> tuple[str, str]:
    """MODULE:FUNCTION or FILE.py:FUNCTION in its two parts."""
    module_name, _, function_name = name.rpartition(":")
    if not module_name or not function_name.isidentifier():
        raise VebiError(
            f"factory '{name}' is not of the form package.module:function or path/file.py:function."
        )
    return module_name, function_name


def find_source(name: str) -> Path | None:
    """The file in the working directory that a factory stands in; None for installed modules.

    Nothing is imported.
    """
    module_name, _ = split_factory(name)
    if module_name.endswith(".py"):
        return Path(module_name)
    base = Path(*module_name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if is_file(path):
            return path
    return None


def check_allowed(name: str, path: str | Path, named: Collection[str]) -> None:
    """Refuse to run code only because a file names it: the user must have named it as well.

    Args:
        name: the factory that the model file at `path` names.
        named: the factories that the user named, in the configuration or on the command line.

    Raises:
        VebiError: `name` is not among `named`.
    """
    if name not in named:
        raise VebiError(
            f"{path} holds the weights of a network that the code '{name}' makes. Code is only run if "
            f"you name it: pass --factory {name} if you trust it."
        )


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
            raise VebiError(f"factory '{name}': there is no file {path.resolve()}.")
        spec = importlib.util.spec_from_file_location(f"vebi_factory_{path.stem}", path.resolve())
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
        raise VebiError(f"factory '{name}' can't be imported: {error}. {hint}") from error
    except (Exception, SystemExit) as error:
        raise VebiError(
            f"factory '{name}' can't be imported: {type(error).__name__}: {error}"
        ) from error
    return module


def _place(module: ModuleType) -> str:
    return str(getattr(module, "__file__", None) or module.__name__)


def _callables(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if callable(value) and name[0] != "_"][:20]
