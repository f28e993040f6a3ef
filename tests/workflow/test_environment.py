"""What `make` says and does about system packages, on a machine that lacks them."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def bare():
    """A PATH on which no library is known and no Python has venv, and apt only tells what it is asked."""
    # Not pytest's folder: another user can't look into that.
    folder = Path(tempfile.mkdtemp())
    scripts = {"ldconfig": "exit 0", "python3": "exit 1", "apt-get": 'echo "$@" >> "$APT_LOG"'}
    for name, body in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    folder.chmod(0o755)
    yield {"PATH": f"{folder}:/usr/bin:/bin", "APT_LOG": str(folder / "apt.log")}
    shutil.rmtree(folder)


def run(root, environment, *prefix):
    # From a file that everybody may read: another user can't look into this one's home.
    script = f"{environment['PATH'].split(':')[0]}/script.sh"
    shutil.copy(root / "envs/system-packages.sh", script)
    command = [*prefix, "bash", script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_somebody_else_than_root_gets_the_line_to_run(root, bare):
    done = run(root, bare, "setpriv", "--reuid=65534", "--clear-groups")
    assert done.returncode == 1
    line = done.stderr.splitlines()[1]
    assert line.strip().startswith("sudo sh -c 'apt-get update && apt-get install -y")
    for package in ("python3-venv", "libxrender1", "libgl1"):
        assert package in line
    assert done.stdout == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs packages")
def test_root_installs_with_one_line_of_output(root, bare):
    done = run(root, bare)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert "libxkbcommon0" in done.stdout
    with Path(bare["APT_LOG"]).open() as stream:
        assert [line.split()[0] for line in stream] == ["update", "install"]


def test_nothing_missing_says_nothing(root):
    done = subprocess.run(
        ["bash", root / "envs/system-packages.sh"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def pins(lines):
    return {line.strip(" -\n") for line in lines if "==" in line}


@pytest.mark.parametrize(
    ("conda", "pip"), [("torch", "requirements.txt"), ("render", "requirements-render.txt")]
)
def test_conda_and_pip_pin_the_same_versions(root, conda, pip):
    in_conda = pins((root / f"envs/{conda}.yaml").read_text().splitlines())
    in_pip = pins((root / pip).read_text().splitlines())
    # Snakemake runs outside of the rules' environments.
    outside = {pin for pin in in_pip if pin.lower().startswith(("snakemake", "pygments"))}
    assert in_conda == in_pip - outside
    assert len(in_conda) >= 4
