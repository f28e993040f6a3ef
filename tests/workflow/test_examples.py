"""The two worked examples: one's own network on one's own images, and the pipeline as a module."""

import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from PIL import Image

pytestmark = pytest.mark.slow
OWN = ("--configfile", "examples/own-model/config.yaml")


def lines_of(path):
    """Lines of a file that say something: neither empty, nor comments, nor docstrings."""
    text = re.sub(r'"""[^"]*"""', "", path.read_text())
    return [line for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]


def test_own_model_takes_less_than_30_lines(root):
    folder = root / "examples/own-model"
    files = [path for path in folder.iterdir() if path.suffix in (".py", ".yaml")]
    assert {path.name for path in files} == {"model.py", "config.yaml"}
    assert sum(len(lines_of(path)) for path in files) < 30


def write_photos(folder):
    """Three classes of JPEGs; a square of the class's colour stands anywhere in noise."""
    rng = np.random.default_rng(0)
    for k, name in enumerate(("red", "green", "blue")):
        (folder / name).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(0, 90, (70, 80, 3), np.uint8)
            y, x = rng.integers(4, 44, 2)
            pixels[y : y + 22, x : x + 22, k] += 150
            Image.fromarray(pixels).save(folder / name / f"{i}.jpg")


def test_own_model_goes_from_a_folder_of_photographs_to_the_report(root, checkout):
    shutil.copytree(root / "examples", checkout.folder / "examples")
    write_photos(checkout.folder / "photos")
    done = checkout.snakemake("--cores", "2", *OWN)
    assert "results/own-model/report.html (open it in a browser)" in done.stdout
    run = checkout.folder / "results/own-model"
    with (run / "tables/training.csv").open() as stream:
        [row] = csv.DictReader(stream)
    assert (row["dataset"], row["model"]) == ("photos", "mine")
    # Colour alone makes the class, and the network is the user's.
    assert float(row["test_accuracy"]) > 0.5
    with (run / "tables/selected_features.csv").open() as stream:
        selected = {row["class"] for row in csv.DictReader(stream)}
    assert selected == {"0", "1", "2"}
    assert (run / "figures/panels_photos_mine.png").is_file()
    report = (run / "report.html").read_text()
    assert all(name in report for name in ("photos", "mine", "red", "green", "blue"))
    assert "One image explained" in report
    manifest = json.loads((run / "manifest.json").read_text())
    # All that decided the run and all that it cost, in one place.
    assert manifest["config"]["models"]["mine"]["batch_size"] == 32
    assert {"torch", "snakemake", "render/bpy"} <= set(manifest["versions"])
    assert manifest["machine"]["cores_given"] == 2
    assert {"train", "describe", "select", "ablate"} <= set(manifest["measured"]["rules"])
    assert manifest["measured"]["rules"]["train"]["max_rss_mb"] > 0
    # What is compared knows no time of day, as ISO 8601 or as PDF and Unix write it.
    for name in manifest["results"]:
        content = (run / name).read_bytes()
        assert not re.search(rb"20\d\d-[01]\d-[0-3]\d[T ][0-2]\d:[0-5]\d|D:20\d{10}", content), name


@pytest.fixture
def project(root, checkout, tmp_path_factory):
    """Another project, with a copy of this repository below it as `vebi`."""
    folder = tmp_path_factory.mktemp("project") / "mine"
    shutil.copytree(root / "examples/as-module", folder)
    shutil.copytree(checkout.folder, folder / "vebi", symlinks=True)
    return folder


def snakemake(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_another_project_runs_the_workflow_as_a_module(project):
    done = snakemake(project)
    assert done.returncode == 0, done.stdout + done.stderr
    # Results are the other project's, and nothing is written into this repository.
    rows = (project / "results/at_mu_10.csv").read_text().splitlines()
    assert len(rows) == 3
    assert all(row.startswith("digits,matconvnet-digits,0,") for row in rows[1:])
    assert not (project / "vebi/results").exists()
    assert "Nothing to be done" in snakemake(project, "-n").stdout
    # An edit of the library below it reruns what depends on it, as it does here.
    source = project / "vebi/workflow/vebi/selection/select.py"
    text = source.read_text()
    assert text.count("SMALLEST_MU, LARGEST_MU = 1e-100") == 1
    source.write_text(text.replace("LARGEST_MU = 1e-100", "LARGEST_MU = 1e-99"))
    planned = re.findall(r"^(?:local)?rule (\w+):", snakemake(project, "-n").stdout, re.MULTILINE)
    assert set(planned) == {"vebi_select", "vebi_tabulate_selection", "count_selected"}


def test_two_modules_with_prefixes_keep_checksums_and_find_damage(project):
    own = project / "Snakefile"
    module = """
module {name}:
    snakefile:
        "vebi/Snakefile"
    config:
        config
    prefix:
        "{name}"


use rule * from {name} exclude all as {name}_*
"""
    text = own.read_text()
    own.write_text(
        text[: text.index("module vebi:")] + "".join(module.format(name=n) for n in ("one", "two"))
    )
    files = [f"{name}/results/digits/data/digits/dataset.h5" for name in ("one", "two")]
    done = snakemake(project, *files)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in files:
        name = path.partition("/")[0]
        kept = project / name / "results/digits/.checksums/data/digits/dataset.h5.sha256"
        assert kept.read_text().startswith(
            hashlib.sha256((project / path).read_bytes()).hexdigest()
        )
        with (project / path).open("r+b") as stream:
            stream.seek(5000)
            stream.write(b"damage")
    assert not (project / "results").exists()
    wanted = "two/results/digits/models/digits/matconvnet-digits/seed0/model.pt"
    done = snakemake(project, wanted)
    assert done.returncode != 0
    assert "dataset.h5 is damaged" in done.stdout + done.stderr
    assert (project / f"{files[1]}.broken").is_file()
    assert not (project / f"{files[0]}.broken").exists()


def test_the_module_has_every_rule_and_checks_the_configuration(project):
    listed = snakemake(project, "--list-rules").stdout.split()
    assert {"vebi_train", "vebi_select", "vebi_write_manifest", "count_selected"} <= set(listed)
    assert "vebi_all" not in listed
    settings = yaml.safe_load((project / "config.yaml").read_text())
    settings["selection"]["mus"] = [1]
    (project / "config.yaml").write_text(yaml.safe_dump(settings))
    done = snakemake(project, "-n")
    assert done.returncode != 0
    assert "selection.mus: unknown key" in done.stdout + done.stderr
