"""What the wheel holds; tools/check_wheel.py installs it (`make wheel`), which takes minutes."""

import shutil
import subprocess
import sys
from zipfile import ZipFile

BUILD = "from setuptools.build_meta import build_wheel; build_wheel('.')"


def test_the_wheel_has_every_file_of_the_package(root, tmp_path):
    """Data as well as code: its commands work where there is no repository."""
    # A copy: what an earlier build left in the repository would be packed, too.
    shutil.copytree(
        root / "workflow/vebi",
        tmp_path / "workflow/vebi",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, tmp_path)
    subprocess.run([sys.executable, "-c", BUILD], cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("vebi-*.whl")
    packed = {name for name in ZipFile(wheel).namelist() if name.startswith("vebi/")}
    files = (tmp_path / "workflow/vebi").rglob("*")
    assert packed == {str(f.relative_to(tmp_path / "workflow")) for f in files if f.is_file()}
