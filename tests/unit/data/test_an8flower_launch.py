import sys

import pytest

from vebi.data.an8flower.launch import PACKAGE_ROOT, get_render_python, render
from vebi.io.errors import VebiError


def test_the_variable_wins_then_the_environment_beside_the_workflow(monkeypatch):
    monkeypatch.setenv("VEBI_RENDER_PYTHON", "/somewhere/python")
    assert get_render_python() == "/somewhere/python"
    monkeypatch.delenv("VEBI_RENDER_PYTHON")
    own = PACKAGE_ROOT.parent / ".venv-render/bin/python"
    assert get_render_python() == (str(own) if own.is_file() else sys.executable)


def test_a_failure_names_log_interpreter_and_remedy(tmp_path, monkeypatch):
    # This interpreter has no bpy, as on a machine where `make env` was not run.
    monkeypatch.setenv("VEBI_RENDER_PYTHON", sys.executable)
    arguments = [
        "--set",
        "single-6c",
        "--start",
        "0",
        "--stop",
        "1",
        "--out",
        str(tmp_path / "c.h5"),
    ]
    with pytest.raises(VebiError) as raised:
        render(arguments, tmp_path / "a.log")
    for part in (sys.executable, str(tmp_path / "a.log"), "make env", "bpy"):
        assert part in str(raised.value)
    assert not (tmp_path / "c.h5").exists()
