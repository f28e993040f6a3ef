"""Packages that are not installed with vebi are named with what installs them."""

import importlib
import tomllib

import pytest

from vebi.io.errors import VebiError
from vebi.io.optional import EXTRAS, install_hint, require

DISTRIBUTIONS = {"yaml": "pyyaml"}


def test_every_extra_that_is_named_brings_the_package(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    for package, extra in EXTRAS.items():
        brought = project["optional-dependencies"][extra]
        name = DISTRIBUTIONS.get(package, package)
        assert any(one.startswith(f"{name}>=") for one in brought), package
        assert not any(one.startswith(f"{name}>=") for one in project["dependencies"]), package


def test_what_is_missing_is_named_with_its_extra(monkeypatch):
    def find(name, *_):
        raise ModuleNotFoundError(f"No module named '{name}'", name=name)

    monkeypatch.setattr(importlib, "import_module", find)
    with pytest.raises(
        VebiError, match=r"rocrate, which is not installed: pip install 'vebi\[crate\]'"
    ):
        require("rocrate")


def test_what_a_package_itself_lacks_is_named(monkeypatch):
    def find(*_):
        raise ModuleNotFoundError("No module named 'arcp.parse'", name="arcp.parse")

    monkeypatch.setattr(importlib, "import_module", find)
    with pytest.raises(VebiError, match="the package arcp,"):
        require("rocrate")


def test_what_is_there_says_nothing():
    require("jinja2")
    assert install_hint("spams") == "pip install spams"
