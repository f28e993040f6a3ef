"""What the names of `vebi` say of themselves: every argument, and examples that run."""

import doctest
import inspect
import re

import numpy as np
import pytest
import torch
from torch import nn

import vebi
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.descriptors import describe
from vebi.selection.select import solve_paths

NAMES = [name for name in dir(vebi) if not name.startswith("_")]
FUNCTIONS = {
    **{name: getattr(vebi, name) for name in NAMES},
    **{
        f"Explainer.{name}": getattr(vebi.Explainer, name)
        for name in ("explain", "panel", "save", "load")
    },
    "Attribution.attribute": vebi.Attribution.attribute,
}
FUNCTIONS.pop("VebiError")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the examples run: a network's descriptors.h5 and path.h5, as the pipeline makes them."""
    torch.manual_seed(0)
    conv, head = nn.Conv2d(3, 4, 3), nn.Linear(144, 2)
    model = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), head).eval()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)
    folder = tmp_path_factory.mktemp("examples")
    labels = np.arange(40) % 2
    write_dataset(folder / "d.h5", Images(pixels, labels, np.zeros(40), ["cat", "dog"]))
    describe(model, open_dataset(folder / "d.h5"), folder / "descriptors.h5")
    solve_paths(folder / "descriptors.h5", folder / "path.h5", mus=[5])
    return folder, {"vebi": vebi, "model": model, "pixels": pixels}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "VebiError"])
def test_examples_run(folder, monkeypatch, name):
    monkeypatch.chdir(folder[0])
    found = doctest.DocTestFinder(recurse=False).find(
        getattr(vebi, name), name, globs=dict(folder[1])
    )
    (example,) = found
    assert example.examples, f"vebi.{name} has no example"
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    assert not result.failed, "".join(said)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_argument_is_explained(name):
    function = FUNCTIONS[name]
    text = inspect.getdoc(function) or ""
    section = re.search(r"^Args:\n((?: .*\n|\n)*)", text + "\n", re.MULTILINE)
    arguments = [one for one in inspect.signature(function).parameters if one != "self"]
    explained = re.findall(r"^    (\w+): \S", section[1] if section else "", re.MULTILINE)
    assert arguments == explained
