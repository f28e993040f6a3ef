"""The recipes of CONTRIBUTING.md, followed in a copy of the repository; what they add is run there."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

BLOCK = re.compile(
    r"^```\w+\n(?:# |<!-- )(\S+?)(?:, ([a-z ]+): (.+?))?(?: -->)?\n(.*?)^```$", re.M | re.S
)
# What the checks and the workflow read.
COPIED = (
    "Snakefile",
    "pyproject.toml",
    "workflow",
    "config",
    "envs",
    "profiles",
    "examples",
    "tests",
)
# What says whether a list, a page or a generated file was forgotten.
COMPLETENESS = (
    "tests/unit/config/test_config_files.py",
    "tests/unit/test_profiles.py",
    "tests/unit/report/test_report_texts.py",
)
# Everything that was added, in one small run.
CONFIGURATION = {
    "run": "added",
    "seeds": [0],
    "device": "cpu",
    "datasets": {"stripes": {"kind": "stripes", "size": 16}},
    "models": {"small": {"architecture": "tiny", "epochs": 2, "kwargs": {"width": 7}}},
    "experiments": [{"dataset": "stripes", "model": "small", "heatmap_mu": 10}],
    "selection": {"descriptor": "peak"},
    "heatmaps": {"methods": ["vebi", "loudest"]},
    "resampling": {
        "datasets": None,
        "perturbations": [{"name": "inversion", "strength": 1.0}],
        "copies": 3,
    },
    "mcgill": None,
    "panels": {"columns": 4},
}
# New and changed files, besides those that `python -m vebi.generated` writes and besides a test.
FILES = {
    "A heatmap method": (1, 1),
    "A kind of data set": (1, 1),
    "A network": (0, 2),
    "A descriptor": (0, 2),
    "A perturbation": (0, 1),
    "A table of a study": (0, 2),
    "A figure of a study": (0, 2),
    "A claim": (0, 1),
    "A key of the configuration": (0, 1),
    "A study": (4, 2),
}
TARGETS = [
    "results/added/tables/balance.csv",
    "results/added/tables/best_epoch.csv",
    "results/added/figures/best_epoch.png",
]


@dataclass(frozen=True)
class Block:
    """A block of a recipe: its text, its file, and where in it ("": the file is new)."""

    file: str
    where: str
    anchor: str
    text: str

    def put(self, folder: Path) -> None:
        """Write it into a copy of the repository."""
        path = folder / self.file
        if not self.where:
            assert not path.exists(), self.file
            path.parent.mkdir(exist_ok=True)
            path.write_text(self.text)
            return
        lines = path.read_text().splitlines(keepends=True)
        found = [number for number, line in enumerate(lines) if self.anchor in line]
        assert len(found) == 1, f"{self.anchor!r} is on {len(found)} lines of {self.file}"
        (number,) = found
        text = self.text
        if text.startswith(("@", "def ", "class ")):
            text = text + "\n\n" if self.where == "before" else "\n\n" + text
        first, last = {"before": (0, 0), "after": (1, 1), "instead of": (0, 1)}[self.where]
        lines[number + first : number + last] = [text]
        path.write_text("".join(lines))


def recipes(text: str) -> dict[str, list[Block]]:
    """The blocks of each recipe, by its heading."""
    parts = re.split(r"^### (.+)$", text, flags=re.M)
    return {
        heading: [Block(*found.groups(default="")) for found in BLOCK.finditer(part)]
        for heading, part in zip(parts[1::2], parts[2::2], strict=True)
    }


@dataclass(frozen=True)
class Copy:
    """A copy of the repository in which every recipe was followed."""

    folder: Path

    def run(self, *arguments: str) -> str:
        """Run a Python module there; returns what it writes."""
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.folder / "workflow")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-8000:]
        return done.stdout


@pytest.fixture(scope="module")
def followed(root: Path) -> dict[str, list[Block]]:
    return recipes((root / "CONTRIBUTING.md").read_text())


@pytest.fixture(scope="module")
def copy(root: Path, followed, tmp_path_factory) -> Copy:
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__", "faults")
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, folder / name, ignore=ignored)
        else:
            shutil.copy(root / name, folder / name)
    for blocks in followed.values():
        for block in blocks:
            block.put(folder)
    made = Copy(folder)
    made.run("vebi.generated")
    (folder / "added.json").write_text(json.dumps(CONFIGURATION))
    return made


def test_the_map_has_the_rooms_in_their_order(root) -> None:
    table = re.findall(r"^\| (`.+`) \|", (root / "CONTRIBUTING.md").read_text(), re.M)
    (layers, _) = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    found = [re.findall(r"`(\w+)`", row) for row in table]
    # An example's row of another table stands below.
    assert found[: len(layers["layers"])] == [row.split(" : ") for row in layers["layers"]]


def test_every_block_belongs_to_a_recipe(root, followed) -> None:
    text = (root / "CONTRIBUTING.md").read_text()
    fences = len(re.findall(r"^```(?:python|markdown)$", text, re.M))
    assert sum(map(len, followed.values())) == fences
    assert all(followed.values())


def test_a_recipe_touches_few_files(followed) -> None:
    found = {}
    for recipe, blocks in followed.items():
        new = {block.file for block in blocks if not block.where}
        found[recipe] = (len(new), len({block.file for block in blocks} - new))
    assert found == FILES


def test_what_is_added_is_in_the_style_of_the_house(copy) -> None:
    copy.run("ruff", "check", "workflow")
    copy.run("ruff", "format", "--check", "workflow")
    copy.run("snakefmt", "--check", "Snakefile", "workflow/rules/balance.smk")


def test_no_list_is_forgotten_and_what_is_added_does_what_it_says(copy) -> None:
    """recipes/added.py knows what the examples compute."""
    copy.run("pytest", "-q", "-p", "no:cacheprovider", *COMPLETENESS, "tests/unit/recipes/added.py")


def test_a_run_makes_what_is_added(copy) -> None:
    snakemake = ("snakemake", "--cores", "1", "--configfile", "added.json")
    plan = copy.run(*snakemake, "-n")
    counts = dict(re.findall(r"^(\w+) +(\d+)$", plan, re.M))
    assert {counts[rule] for rule in ("count_classes", "tabulate_balance", "draw_best_epoch")} == {
        "1"
    }
    copy.run(*snakemake, "--", *TARGETS)
    balance, best = ((copy.folder / target).read_text().splitlines() for target in TARGETS[:2])
    assert balance == ["dataset,class_name,n_images", "stripes,across,4", "stripes,up,4"]
    assert best[0] == "dataset,model,seed,best_epoch,test_accuracy"
    assert [line.split(",")[:3] for line in best[1:]] == [["stripes", "small", "0"]]
    assert (copy.folder / TARGETS[2]).read_bytes().startswith(b"\x89PNG")
