"""What used to end late, in a traceback, or with the wrong advice."""

import multiprocessing
import os

import h5py
import matplotlib as mpl
import numpy as np
import pytest
import torch
from torch import nn

from vebi.catalogue.methods import METHODS
from vebi.claims.merge import read_claims
from vebi.claims.table import CLAIMS_TABLE
from vebi.data.dataset import open_dataset
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.explanation.network_source import NetworkSource, find_network
from vebi.figures.style import new_figure, save, styled
from vebi.io.errors import VebiError
from vebi.io.hdf5 import create_hdf5, open_hdf5, read_array
from vebi.models.factory import call_factory
from vebi.models.weights import read_weights
from vebi.run.crate import write_crate
from vebi.run.manifest import build_manifest, write_manifest
from vebi.selection.statistics import Statistics
from vebi.studies.ablation.hits_file import read_hits
from vebi.studies.average.patches import read_average
from vebi.studies.iou.iou_file import read_curves
from vebi.studies.occlusion.occlusion_file import read_occlusion
from vebi.studies.perturbation.metrics_file import read_metrics
from vebi.studies.sanity.sanity_file import read_sanity

# --- HDF5 ---

RNG = np.random.default_rng(0)


def whole(path):
    """A file with something of every reader's: none of them is content with the rest."""
    with create_hdf5(path) as file:
        file["X"], file["labels"] = RNG.random((20, 5)).astype("f4"), np.arange(20) % 2
        file.create_dataset("split", data=np.arange(20) % 2, chunks=(4,), compression="gzip")
        file["images"], file["predictions"] = np.zeros((20, 4, 4, 3), np.uint8), np.arange(20) % 2
        file["feature_layer"], file["feature_channel"] = np.zeros(5, int), np.arange(5)
        text = h5py.string_dtype()
        for name in ("layer_names", "layer_types"):
            file.create_dataset(name, data=["conv"], dtype=text)
        file["layer_spatial"] = np.array([True])
        file["gram"], file["cross"], file["counts"] = np.eye(5), np.ones((5, 2)), np.array([9, 11])
        file.attrs["classes"], file.attrs["descriptor"] = ["a", "b"], "vebi_text"
        file.create_group("vebi")["heatmaps"] = np.ones((3, 4, 4), "f4")
    return path


READERS = {
    "data set": lambda path: open_dataset(path).read("images"),
    "descriptors": lambda path: open_descriptors(path).rows(np.arange(20)),
    "sums": Statistics.load,
    "hits": read_hits,
    "average": lambda path: list(read_average(path)),
    "iou": read_curves,
    "occlusion": read_occlusion,
    "metrics": read_metrics,
    "sanity": read_sanity,
}


def refusal(read, path):
    """What a reader says when it refuses a file; "" if it reads it."""
    try:
        read(path)
    except VebiError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_file_is_named_wherever_it_fails(tmp_path, reader):
    content = whole(tmp_path / "x.h5").read_bytes()
    rng = np.random.default_rng(sum(map(ord, reader)))
    path = tmp_path / "damaged.h5"
    for _ in range(40):
        damaged = bytearray(content)
        # Most of what HDF5 says of itself is at the start.
        for place in rng.integers(0, rng.choice([96, 2000, len(content)]), rng.integers(1, 5)):
            damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged[: rng.choice([len(content), len(content) - 1, 700])])
        said = refusal(READERS[reader], path)
        assert not said or ("damaged.h5" in said and len(said) < 600), said


def test_a_file_of_another_kind_is_named(tmp_path):
    path = whole(tmp_path / "x.h5")
    for reader in ("hits", "iou", "occlusion", "metrics", "sanity"):
        with pytest.raises(VebiError, match=r"x\.h5"):
            READERS[reader](path)


def test_errors_of_others_are_left_alone(tmp_path):
    with pytest.raises(KeyError, match="mine"), open_hdf5(whole(tmp_path / "x.h5")):
        raise KeyError("mine")
    # A full disk is not the damage of the file that is read meanwhile.
    with pytest.raises(OSError, match="No space"), open_hdf5(tmp_path / "x.h5"):
        os.write(os.open("/dev/full", os.O_WRONLY), b"x")


def test_a_missing_filter_is_no_damage(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.arange(100), chunks=(50,), compression="gzip")
    # The number of Blosc in the place of gzip's: a filter that h5py does not bring.
    content = path.read_bytes()
    at = content.index(b"deflate") - 8
    assert content[at : at + 2] == b"\x01\x00"
    path.write_bytes(content[:at] + (32001).to_bytes(2, "little") + content[at + 2 :])

    def read(path):
        with open_hdf5(path) as file:
            read_array(file, "x", ("n",), "i")

    said = refusal(read, path)
    assert "filter that this h5py does not have" in said
    assert "Delete" not in said


def _hold(path, ready, done):
    with h5py.File(path, "r+"):
        ready.set()
        done.wait(60)


def test_a_file_that_is_open_elsewhere_is_waited_for(tmp_path):
    path = whole(tmp_path / "x.h5")
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(path, ready, done))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(VebiError, match="Another program has it open for writing") as caught:
            open_hdf5(path)
        assert "Delete" not in str(caught.value)
    finally:
        done.set()
        other.join()
    with open_hdf5(path) as file:
        assert "X" in file


# --- networks ---


class Scripted(nn.Module):
    """A network that torch.jit can read."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, images):
        return self.fc(images.mean([2, 3]))


def test_torchscript_says_what_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.jit.script(Scripted()).save("net.pt")
    with pytest.raises(VebiError, match=r"net.pt.*TorchScript: save .*state_dict"):
        read_weights("net.pt")
    (tmp_path / "scripted_net.py").write_text(
        "import torch\n\ndef make():\n    return torch.jit.load('net.pt')\n"
    )
    with pytest.raises(VebiError, match="TorchScript module"):
        call_factory("scripted_net.py:make", {})


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import sys\nsys.exit(0)\n", "can't be imported: SystemExit: 0"),
        ("import sys\ndef make():\n    sys.exit()\n", "failed when called with {}: SystemExit"),
    ],
)
def test_a_factory_that_ends_the_process(tmp_path, monkeypatch, source, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaves.py").write_text(source)
    with pytest.raises(VebiError, match=says):
        call_factory("leaves.py:make", {})


def test_classes_that_stand_there_twice(tmp_path):
    for data in (None, tmp_path):
        source = NetworkSource(factory="a:b", data=data, classes=["a", "b", "a"])
        with pytest.raises(VebiError, match="--classes: 'a' stands there twice"):
            find_network(source, METHODS["lrp"], tmp_path)


# --- tables and manifests ---


def claims_row(**changed):
    row = dict.fromkeys(CLAIMS_TABLE.columns, "") | {"claim_id": "a", "networks": 0}
    return row | changed


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([claims_row(networks="many")], "networks must hold whole numbers"),
        ([claims_row(networks="")], "networks must hold whole numbers"),
        ([claims_row(measured="x")], "measured must hold numbers"),
        ([claims_row(), claims_row()], "'a' has two rows"),
    ],
)
def test_a_damaged_table_of_claims(tmp_path, rows, says):
    lines = [",".join(CLAIMS_TABLE.columns)]
    lines += [",".join(str(row[column]) for column in CLAIMS_TABLE.columns) for row in rows]
    (tmp_path / "claims.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(VebiError, match=says) as caught:
        read_claims(tmp_path)
    assert "claims.csv" in str(caught.value)


@pytest.mark.parametrize(
    "gone",
    [
        *("run", "versions", "config", "package", "machine", "threads", "seeds", "device"),
        *("package.version", "package.digest", "threads.compute"),
        *("machine.cpu", "machine.cpus", "machine.gpus", "machine.system"),
    ],
)
def test_a_manifest_that_lacks_a_part(tmp_path, gone):
    manifest = build_manifest(
        tmp_path, config={"compute_threads": 1}, package_digest="0", seeds=[0], device="cpu"
    )
    *parents, name = gone.split(".")
    part = manifest
    for parent in parents:
        part = part[parent]
    del part[name]
    write_manifest(tmp_path / "manifest.json", manifest)
    with pytest.raises(VebiError, match=f"manifest.json: '{gone}' is missing"):
        write_crate(tmp_path, tmp_path.parent / "out")


# --- figures ---


@styled
def _figure(name):
    figure, axes = new_figure(1, 2, figsize=(4, 2))
    axes[0, 0].set_title(name)
    axes[0, 0].set_yticks([0, 1], labels=[name, name])
    axes[0, 0].plot([0, 1], [0, 1], label=name)
    axes[0, 0].legend()
    axes[0, 1].loglog([1, 1000], [1, 1000])
    return figure


def test_a_dollar_in_a_name_is_a_dollar(tmp_path, monkeypatch):
    parsed = []
    parse = mpl.mathtext.MathTextParser.parse

    def noted(parser, text, *rest, **options):
        parsed.append(text)
        return parse(parser, text, *rest, **options)

    monkeypatch.setattr(mpl.mathtext.MathTextParser, "parse", noted)
    # As mathematics the first is not a formula, and the second would be in italics.
    for name in (r"$\frac$", "a$b$"):
        save(_figure(name), tmp_path / "x.png")
    assert parsed
    assert all(text.startswith(r"$\mathdefault") for text in parsed)
