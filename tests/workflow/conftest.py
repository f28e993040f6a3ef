"""A copy of the repository to run the workflow in, without touching the user's results."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TRACES = ".traces"


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

    def traced(self, *arguments: str):
        """Run Snakemake so that every Python writes down the files that it opens; see `trace`."""
        folder = self.folder / TRACES
        folder.mkdir()
        hook = str(Path(__file__).parent / "trace")
        places = os.pathsep.join(filter(None, [hook, os.environ.get("PYTHONPATH")]))
        return self.snakemake(*arguments, PYTHONPATH=places, VEBI_TRACE=str(folder))

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


# Read by jobs though no rule declares them, and why a change of them need not run the job again.
NO_INPUTS = (
    (r"workflow/.*", "code and the report's page: digests among the parameters"),
    (r"\.snakemake/.*", "Snakemake's own"),
    (r"results/[^/]+/\.checksums/.*", "they follow the files that are declared"),
    (r"resources/.*", "downloads, whose checksums are in the code"),
    (
        r"results/[^/]+/(benchmarks|logs)/.*",
        "what a run cost: no result depends on it",
    ),
)
# manifest.json lists every file that the run has, each made by a job before the tables.
READ_ALL = {"write_manifest"}


def undeclared_reads(folder: Path) -> dict[str, list[str]]:
    """Of each rule of a traced run, the files that its jobs read and no input of theirs declares.

    A job is known by its log file, which it alone writes, and its files by what Snakemake kept of it.
    """
    rules: dict[str, str] = {}
    declared: dict[str, set[str]] = {}
    place = folder / ".snakemake/metadata"
    for path in (path for path in place.rglob("*") if path.is_file()):
        record = json.loads(path.read_text())
        name = "".join(part.lstrip("@") for part in path.relative_to(place).parts)
        for log in record["log"]:
            rules[log] = record["rule"]
            # A job reads what it has made, for its checksum.
            own = base64.urlsafe_b64decode(name).decode()
            declared.setdefault(log, set()).update(record["input"], [own])
    found: dict[str, set[str]] = {}
    for text in (folder / TRACES).glob("*.txt"):
        lines = [line.split("\t", 1) for line in text.read_text().splitlines()]
        opened = [(kind, os.path.relpath(path, folder)) for kind, path in lines]
        log = next((path for kind, path in opened if kind == "w" and path in rules), "")
        if not log or rules[log] in READ_ALL:
            continue
        written = {path for kind, path in opened if kind == "w"}
        for file in {path for kind, path in opened if kind == "r"} - written:
            is_declared = any(file == one or file.startswith(f"{one}/") for one in declared[log])
            is_known = file.startswith("../") or any(
                re.fullmatch(pattern, file) for pattern, _ in NO_INPUTS
            )
            if (folder / file).is_file() and not (is_declared or is_known):
                found.setdefault(rules[log], set()).add(file)
    return {rule: sorted(paths) for rule, paths in found.items()}


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
    one.traced("--cores", "2", "--configfile", "config/smoke.yaml")
    return one


@pytest.fixture(scope="session")
def undeclared():
    """What jobs of a traced run read besides what their rules declare; see `undeclared_reads`."""
    return undeclared_reads
