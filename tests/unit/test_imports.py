"""Every module can be the first that is imported."""

import subprocess
import sys

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
