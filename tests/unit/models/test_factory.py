"""A user's own network, found where they work; nothing but what they named is run."""

import sys
import zlib

import pytest
import torch
from torch import nn

from vebi.io.errors import VebiError
from vebi.models.factory import call_factory, find_source
from vebi.models.model_file import load_model, save_model
from vebi.models.nets import NetSpec, build

SOURCE = """
from torch import nn
import {sibling}

NUMBER = 3

def make(n_classes=4, width=6):
    return nn.Sequential(
        nn.Conv2d(3, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(width, {sibling}.TWICE * n_classes),
    )

def text():
    return "no network"

def fails():
    raise RuntimeError("the disk is on fire")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch, request):
    """A project folder with a module and one next to it that it imports; names differ per test."""
    mark = f"m{zlib.crc32(request.node.nodeid.encode())}"
    (tmp_path / f"{mark}_nets.py").write_text(SOURCE.format(sibling=f"{mark}_sizes"))
    (tmp_path / f"{mark}_sizes.py").write_text("TWICE = 2\n")
    package = tmp_path / f"{mark}_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "sizes.py").write_text("WIDTH = 5\n")
    (package / "nets.py").write_text(
        "from torch import nn\nfrom .sizes import WIDTH\n"
        "def make():\n    return nn.Sequential(nn.Conv2d(1, WIDTH, 3), nn.Flatten())\n"
    )
    monkeypatch.chdir(tmp_path)
    yield mark
    for name in [name for name in sys.modules if mark in name]:
        del sys.modules[name]


@pytest.mark.parametrize("form", ["{}_nets:make", "{}_nets.py:make", "./{}_nets.py:make"])
def test_a_function_of_the_working_directory(folder, form, caplog):
    caplog.set_level("INFO")
    before = list(sys.path), list(sys.meta_path)
    net = call_factory(form.format(folder), {"n_classes": 3})
    assert net(torch.zeros(1, 3, 8, 8)).shape == (1, 6)
    assert (list(sys.path), list(sys.meta_path)) == before
    assert f"{folder}_nets.py" in caplog.text


def test_a_package_with_relative_imports(folder):
    net = call_factory(f"{folder}_package.nets:make", {})
    assert net[0].out_channels == 5


def test_an_installed_module():
    assert isinstance(call_factory("torch.nn:ReLU", {"inplace": True}), nn.ReLU)


@pytest.mark.parametrize(
    ("name", "kwargs", "says"),
    [
        ("{}_absent:make", {}, "No module named '{}_absent'.*looked for among installed"),
        ("{}_absent.py:make", {}, "there is no file"),
        ("{}_nets:made", {}, "has no 'made'; it has make, text, fails"),
        ("{}_nets:NUMBER", {}, "'NUMBER' is a int"),
        ("{}_nets:text", {}, "returned a str, a torch.nn.Module is expected"),
        ("{}_nets:fails", {}, "RuntimeError: the disk is on fire"),
        ("{}_nets:make", {"height": 3}, "TypeError.*height"),
        ("{}_nets", {}, "not of the form"),
        ("{}_nets:make()", {}, "not of the form"),
    ],
)
def test_each_mistake_has_its_message(folder, name, kwargs, says):
    with pytest.raises(VebiError, match=says.format(folder)):
        call_factory(name.format(folder), kwargs)


def test_a_module_that_fails_on_import_is_named(folder, tmp_path):
    (tmp_path / f"{folder}_broken.py").write_text("1 / 0\n")
    with pytest.raises(VebiError, match="ZeroDivisionError"):
        call_factory(f"{folder}_broken:make", {})


@pytest.mark.parametrize(
    ("n_classes", "shape", "says"),
    [(3, (3, 8, 8), "it gives 8 outputs"), (8, (1, 8, 8), "channels")],
)
def test_a_network_that_does_not_fit_the_data_is_refused(folder, n_classes, shape, says):
    with pytest.raises(VebiError, match=f"factory:{folder}_nets:make.*{says}"):
        build(NetSpec(f"factory:{folder}_nets:make", shape, n_classes, 1.0))


def test_a_network_that_returns_no_scores_is_refused(folder, tmp_path):
    (tmp_path / f"{folder}_maps.py").write_text(
        "from torch import nn\ndef make():\n    return nn.Conv2d(3, 2, 3)\n"
    )
    with pytest.raises(VebiError, match=r"returns \(1, 2, 6, 6\) instead of scores"):
        build(NetSpec(f"factory:{folder}_maps:make", (3, 8, 8), 2, 1.0))


def test_the_source_is_found_without_running_it(folder, tmp_path):
    assert find_source(f"{folder}_nets:make") == find_source(f"{folder}_nets.py:make")
    assert find_source(f"{folder}_package.nets:make") is not None
    assert find_source("torch.nn:ReLU") is None
    assert not any(folder in name for name in sys.modules)


def test_a_file_runs_code_only_if_the_user_names_it_too(folder, tmp_path):
    factory = f"{folder}_nets:make"
    spec = NetSpec(f"factory:{factory}", (3, 8, 8), 6, 2.0, (1.0, 2.0, 3.0), {"n_classes": 3})
    net = build(spec, seed=4)
    save_model(tmp_path / "m.pt", net, spec, list("abcdef"))
    for name in [name for name in sys.modules if folder in name]:
        del sys.modules[name]

    for named in ([], ["other:make"], [f"{factory}s"]):
        with pytest.raises(VebiError, match=f"pass --factory {factory}"):
            load_model(tmp_path / "m.pt", factories=named)
    assert not any(folder in name for name in sys.modules)

    images = torch.rand(2, 3, 8, 8)
    loaded, classes = load_model(tmp_path / "m.pt", factories=["other:make", factory])
    assert torch.equal(loaded(images), net(images))
    assert classes == list("abcdef")
