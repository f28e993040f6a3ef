"""The files between the stages, flipped and cut: every door finds it, and says which file and what to do.

The doors are a job of the workflow and the commands of the command line. What opens a file inside, and
the Python API, looks at its form only.
"""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from snakemake.iocontainers import Params
from typer.testing import CliRunner

from vebi.claims.facts import facts_of
from vebi.claims.tabulate import tabulate
from vebi.cli import app
from vebi.config import parse_config
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.descriptors.describe import describe
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.heatmaps.write import HeatmapConfig, write_heatmaps
from vebi.io.errors import VebiError
from vebi.io.tables import write_table
from vebi.models.model_file import load_model, save_model
from vebi.models.nets import NetSpec, build
from vebi.report.places import TABLES
from vebi.run import checksums
from vebi.run.job import job
from vebi.run.job_context import VARIABLE, JobContext
from vebi.run.manifest import FORMAT, canonical_json
from vebi.selection.path_file import read_solution
from vebi.selection.select import select

READERS: dict[str, Callable[[Path], Any]] = {
    "dataset.h5": lambda path: open_dataset(path).read("images"),
    "model.pt": load_model,
    "descriptors.h5": open_descriptors,
    "path.h5": read_solution,
}
# Where they are in a run.
DATASET = "data/d/dataset.h5"
MODEL = "models/d/m/seed0/model.pt"
DESCRIPTORS = "descriptors/d/m/seed0/descriptors.h5"
PATH = "selection/d/m/seed0/all/path.h5"
HEATMAPS = "heatmaps/d/m/seed0/vebi.h5"
CLAIMS = "tables/claims.csv"
MANIFEST = "manifest.json"

CONFIG = {
    "run": "one",
    "seeds": [0],
    "datasets": {"d": {"kind": "digits", "size": 28}},
    "models": {"m": {"architecture": "matconvnet", "epochs": 1}},
    "experiments": [{"dataset": "d", "model": "m", "heatmap_mu": 5.0}],
    "selection": {"mu": [1.0, 5.0]},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A small run by hand: `one`, and an image next to it."""
    folder = tmp_path_factory.mktemp("whole")
    run = folder / "one"
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 28, 28, 1), dtype=np.uint8)
    split = (np.arange(30) > 20) * 1
    extra = {"masks": rng.random((30, 28, 28)) < 0.3}
    write_dataset(run / DATASET, Images(images, np.arange(30) % 3, split, list("abc"), extra))
    spec = NetSpec("matconvnet", (1, 28, 28), 3, 64.0)
    save_model(run / MODEL, build(spec, 0), spec, list("abc"))
    net, dataset = load_model(run / MODEL)[0], open_dataset(run / DATASET)
    describe(net, dataset, run / DESCRIPTORS)
    weights = select(run / DESCRIPTORS, [1, 5], (run / PATH).parent).weights_at(5.0)
    network = InterpretedNetwork(net, dataset, open_descriptors(run / DESCRIPTORS), weights)
    write_heatmaps(network, {"vebi": run / HEATMAPS}, HeatmapConfig())
    config = parse_config(CONFIG)
    write_table(run / CLAIMS, tabulate({}, facts_of(config)), TABLES["claims"])
    manifest = {"format": FORMAT, "config": config.model_dump(mode="json"), "results": {}}
    (run / MANIFEST).write_text(canonical_json(manifest))
    Image.fromarray(images[0, ..., 0]).save(folder / "image.png")
    return folder


@pytest.fixture
def run(whole, tmp_path, monkeypatch) -> Path:
    """A copy of the run, with checksums of all its files, in the working directory."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "one"
    for path in (DATASET, MODEL, DESCRIPTORS, PATH, HEATMAPS, CLAIMS, MANIFEST):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes((whole / "one" / path).read_bytes())
        checksums.record([folder / path], folder)
    (tmp_path / "image.png").write_bytes((whole / "image.png").read_bytes())
    return folder


def flip(path: Path, rng: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    path.write_bytes(content)


EXPLAIN = ["explain", "image.png", "--out", "out", "--top", "1"]
OF_RUN = [*EXPLAIN, "--run", "one", "--dataset", "d", "--model", "m"]
OWN = [*EXPLAIN, "--weights", f"one/{MODEL}", "--data", f"one/{DATASET}"]
# Each command, and the files of a run that it opens.
COMMANDS = {
    "select": (["select", f"one/{DESCRIPTORS}", "--mu", "1", "--out", "out"], [DESCRIPTORS]),
    "iou": (["iou", f"one/{HEATMAPS}", f"one/{DATASET}"], [HEATMAPS, DATASET]),
    "explain a run": (OF_RUN, [MANIFEST, MODEL, DESCRIPTORS, PATH]),
    "explain a run by resampling": (
        [*OF_RUN, "--method", "resampling_precision"],
        [MANIFEST, MODEL],
    ),
    "explain a model file": (OWN, [MODEL, DATASET]),
    "claims": (["claims", "one"], [CLAIMS]),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_finds_a_flipped_bit_in_each_file_that_it_opens(run, command):
    arguments, files = COMMANDS[command]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    for path in files:
        content, rng = (run / path).read_bytes(), np.random.default_rng(len(path))
        for _ in range(3):
            flip(run / path, rng)
            error = CliRunner().invoke(app, arguments).exception
            assert isinstance(error, checksums.DamagedFileError), (path, error)
            assert f"one/{path} is damaged: " in str(error)
            assert "Delete it and run again" in str(error)
            (run / path).write_bytes(content)


def test_claims_of_a_run_without_their_table_are_read_from_checked_files(run):
    (run / CLAIMS).unlink()
    table = run / "tables/iou_auc.csv"
    table.write_text(",".join(TABLES["iou_auc"].columns) + "\n")
    checksums.record([table], run)
    assert CliRunner().invoke(app, ["claims", "one"], catch_exceptions=False).exit_code == 0
    for path in (table, run / MANIFEST):
        content = path.read_bytes()
        flip(path, np.random.default_rng(0))
        error = CliRunner().invoke(app, ["claims", "one"]).exception
        assert isinstance(error, checksums.DamagedFileError), error
        path.write_bytes(content)


@pytest.mark.parametrize("path", [DATASET, MODEL, DESCRIPTORS, PATH])
def test_a_job_finds_a_flipped_bit_anywhere_in_its_inputs(run, path, monkeypatch, capsys):
    monkeypatch.setenv(VARIABLE, "")
    JobContext(runs=(str(run),)).publish()
    rng = np.random.default_rng(len(path))
    content = (run / path).read_bytes()
    rule = SimpleNamespace(
        rule="any",
        input=[str(run / path)],
        output=[],
        log=["a.log"],
        params=Params(fromdict={"compute_threads": 1}),
    )
    with job(rule):
        pass
    for _ in range(20):
        flip(run / path, rng)
        with pytest.raises(SystemExit), job(rule):
            pytest.fail("the job ran")
        said = capsys.readouterr().err
        assert f"{path} is damaged: " in said
        assert "run Snakemake again" in said
        assert not (run / path).exists()
        (run / path).write_bytes(content)
    with job(rule):
        pass


def test_the_python_api_looks_at_the_form_of_a_file_only(run):
    """No door: who opens a file by a function of the library is not stopped by a run's records."""
    checksums.record([run / DATASET], run)
    images = open_dataset(run / DATASET).read("images")
    content = (run / DATASET).read_bytes()
    at = content.index(images[7].tobytes())
    (run / DATASET).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    assert open_dataset(run / DATASET).read("images")[7, 0, 0, 0] == images[7, 0, 0, 0] ^ 1
    with pytest.raises(checksums.DamagedFileError):
        checksums.check_files(run / DATASET)


@pytest.mark.parametrize("path", [DATASET, MODEL, DESCRIPTORS, PATH])
def test_a_cut_file_is_named_by_what_opens_it(run, path):
    file = run / path
    size = file.stat().st_size
    lengths = [0, 1, size - 1, *np.random.default_rng(1).integers(size, size=7)]
    for length in sorted(map(int, lengths), reverse=True):
        os.truncate(file, length)
        with pytest.raises(VebiError, match=file.name):
            READERS[file.name](file)
