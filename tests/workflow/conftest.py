"""A copy of the repository to run the workflow in, without touching the user's results."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


class Checkout:
    """A working copy with its own results folder; `snakemake` runs in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def snakemake(self, *arguments: str, check: bool = True, **environment: str):
        """Run Snakemake; returns the finished process with its output as text."""
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def plan(self, *arguments: str) -> dict[str, int]:
        """Rules that a dry run would run, with their numbers of jobs."""
        output = self.snakemake("-n", "--cores", "2", *arguments).stdout
        counts = re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)
        return {rule: int(n) for rule, n in counts if rule != "total"}

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {name}"
        path.write_text(text.replace(old, new))


def copy_checkout(root: Path, folder: Path) -> Checkout:
    """Copy what Snakemake reads; link the rendering environment."""
    for name in ("Snakefile", "workflow", "config", "envs", "profiles"):
        source = root / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    (folder / ".venv-render").symlink_to(root / ".venv-render")
    return Checkout(folder)


@pytest.fixture
def checkout(root, tmp_path):
    return copy_checkout(root, tmp_path)


@pytest.fixture(scope="session")
def make_checkout(root, tmp_path_factory):
    """Makes copies that live as long as the tests, each under a name."""
    return lambda name: copy_checkout(root, tmp_path_factory.mktemp(name))


@pytest.fixture(scope="session")
def smoke(root, tmp_path_factory):
    """The smoke run, finished once with two cores, for all tests that look at it."""
    one = copy_checkout(root, tmp_path_factory.mktemp("smoke"))
    one.snakemake("--cores", "2", "--configfile", "config/smoke.yaml")
    return one
