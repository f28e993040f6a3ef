"""Shared by all tests: one thread, so that numbers are the pipeline's."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from tests import repository_tools

# Before numpy and torch are imported by a test module.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# What `make test` and a job around the tests hand down is theirs, not that of what a test starts.
for variable in ("VEBI_COMMAND", "VEBI_JOB", "VEBI_DEBUG", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
    os.environ.pop(variable, None)

# A busy machine must not fail a property. Examples are the same on every run with the same modules in the
# process, whose constants are among them.
hypothesis.settings.register_profile("vebi", deadline=None, derandomize=True)
hypothesis.settings.load_profile("vebi")


@pytest.hookimpl(trylast=True)  # Hypothesis marks its tests in the same place.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make soak`: properties on so many times as many examples, which are others on every run."""
    times = float(os.environ.get("VEBI_SOAK", "0"))
    for item in items if times else []:
        if item.get_closest_marker("hypothesis"):
            test = item.obj  # type: ignore[attr-defined]
            test = getattr(test, "__func__", test)
            own = test._hypothesis_internal_use_settings
            test._hypothesis_internal_use_settings = hypothesis.settings(
                own, max_examples=int(own.max_examples * times), derandomize=False
            )


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
def load_tool():
    """Import a script of tools/ by its name."""
    return repository_tools.load_tool
