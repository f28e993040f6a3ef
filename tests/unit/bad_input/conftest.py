"""The command line in this process, and files that are whole, to be broken by the tests."""

import copy
import logging
import sys
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import yaml

from vebi import cli

CONFIG = """
run: x
seeds: [0]
datasets:
  digits: {kind: digits}
  photos: {kind: image_folder, path: photos, layout: class_folders, n_classes: 2}
  flowers: {kind: an8flower, flower_set: single-6c, images: 120, views_per_base: 2}
models:
  net: {architecture: matconvnet, epochs: 1}
  gap: {architecture: vgg_gap, epochs: 1}
experiments:
  - {dataset: digits, model: net, heatmap_mu: 10}
  - {dataset: photos, model: gap, heatmap_mu: 10}
selection: {mu: [10]}
"""


@pytest.fixture
def vebi(capsys, monkeypatch, tmp_path):
    """Run the command line in an empty folder: exit code, standard output, standard error.

    An exception that the entry point lets through fails the test, as a traceback would.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    root = logging.getLogger()

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["vebi", *map(str, arguments)])
        capsys.readouterr()
        # As in a process of its own, where nobody has touched the log.
        handlers, level, root.handlers = root.handlers, root.level, []
        root.setLevel(logging.WARNING)
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code
        finally:
            root.handlers = handlers
            root.setLevel(level)
        said = capsys.readouterr()
        return SimpleNamespace(code=code, out=said.out, err=said.err)

    return run


def problems(done, *words):
    """What is wrong with a refusal: not exit code 2, not one line on standard error, a word missing."""
    found = [] if done.code == 2 else [f"exit code {done.code}"]
    lines = done.err.splitlines()
    if len(lines) != 1 or not lines[0].startswith(("error: ", "vebi ")):
        found.append(f"not one clear line: {done.err}")
    found += [f"'{word}' is said" for word in ("Traceback", "defect of vebi") if word in done.err]
    return found + [f"'{word}' is not said: {done.err}" for word in words if word not in done.err]


@pytest.fixture
def config():
    """A configuration that is right, to be broken."""
    return copy.deepcopy(yaml.safe_load(CONFIG))


def write_h5(path, **arrays):
    """An HDF5 file of arrays; what is callable makes its own, None leaves the name out."""
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            if callable(values):
                values(file, name)
            elif values is not None:
                file[name] = values
    return path


def declared(shape, dtype="f4", chunks=True):
    """An array that declares a shape and holds nothing of it."""

    def make(file, name):
        file.create_dataset(name, shape, dtype, chunks=chunks, compression="gzip")

    return make


RNG = np.random.default_rng(0)
X = RNG.random((20, 5)).astype(np.float32)
LABELS = np.arange(20) % 2
MASKS = np.zeros((3, 4, 4), bool)
MASKS[:, :2] = True
HEATMAPS = RNG.random((3, 4, 4)).astype(np.float32)


@pytest.fixture(scope="session")
def helpers():
    """What the tests of this folder share; test files can't import each other."""
    return SimpleNamespace(
        problems=problems,
        write_h5=write_h5,
        declared=declared,
        config=yaml.safe_load(CONFIG),
        X=X,
        labels=LABELS,
        masks=MASKS,
        heatmaps=HEATMAPS,
    )
