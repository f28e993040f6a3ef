"""Shared by all tests: one thread, so that numbers are the pipeline's."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import hypothesis
import pytest

# Before numpy and torch are imported by a test module.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# What `make test` and a job around the tests hand down is theirs, not that of what a test starts.
for variable in ("VEBI_COMMAND", "VEBI_JOB", "VEBI_DEBUG", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
    os.environ.pop(variable, None)

# A busy machine must not fail a property; examples are the same on every run.
hypothesis.settings.register_profile("vebi", deadline=None, derandomize=True)
hypothesis.settings.load_profile("vebi")


@pytest.fixture(autouse=True)
def deterministic_kernels_end_with_the_test() -> Iterator[None]:
    """A job's setting is the whole process's: without this, later tests depend on which ran before."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].use_deterministic_algorithms(False)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def load_tool(root):
    """Import a script of tools/ by its name."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"tool_{name}", root / f"tools/{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
