"""A user's own network: a function that they name as MODULE:FUNCTION or FILE.py:FUNCTION."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vebi.io.errors import VebiError
from vebi.models.user_code import source_of, user_function

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)


def call_factory(name: str, kwargs: Mapping[str, Any]) -> nn.Module:
    """Import what `name` says, call it with `kwargs` and return the network.

    A module is looked for among the installed ones, then in the working directory. Modules next to
    it can be imported by it. Raises VebiError for everything that can go wrong on the way.
    """
    # Rules look for a factory's file, and must not wait for torch.
    from torch import nn

    from vebi.network.running import as_written

    module_name, function_name = split_factory(name)
    log.info("running the code of '%s', which you named as a factory", module_name)
    expected = "a function or class that returns an nn.Module"
    with user_function(f"factory '{name}'", module_name, function_name, expected) as function:
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
    """The file in the working directory that a factory is in; None for installed modules.

    Nothing is imported.
    """
    return source_of(split_factory(name)[0])


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
