"""Packages that only a part of vebi needs, and the extra that installs each."""

import importlib

from vebi.io.errors import VebiError

# By the name that is imported.
EXTRAS = {
    "jinja2": "report",
    "yaml": "report",
    "rocrate": "crate",
    "snakemake": "pipeline",
    "torchvision": "torchvision",
}


def install_hint(package: str) -> str:
    """The command that installs a package, by the name that is imported."""
    extra = EXTRAS.get(package)
    return f"pip install 'vebi[{extra}]'" if extra else f"pip install {package}"


def require(package: str) -> None:
    """Import a package that is not installed with vebi itself.

    Raises:
        VebiError: it is not installed; the message names the extra that installs it.
    """
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        missing = (error.name or package).partition(".")[0]
        raise VebiError(
            f"This needs the package {missing}, which is not installed: {install_hint(package)}."
        ) from error
