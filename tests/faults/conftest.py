"""The copy of the repository that the workflow's tests run in, here too."""

import importlib.util
from pathlib import Path

import pytest

_PLACE = Path(__file__).resolve().parents[1] / "workflow" / "conftest.py"
_spec = importlib.util.spec_from_file_location("workflow_conftest", _PLACE)
_workflow = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_workflow)


@pytest.fixture(scope="session")
def make_checkout(root, tmp_path_factory):
    """Makes copies of the repository, each under a name."""
    return lambda name: _workflow.copy_checkout(root, tmp_path_factory.mktemp(name))
