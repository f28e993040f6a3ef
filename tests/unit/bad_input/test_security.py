"""Files from strangers run no code, open no other file, leave their folder nowhere and fill no memory."""

import io
import logging
import os
import pickle
import stat
import struct
import tarfile
import zipfile
import zlib
from itertools import pairwise

import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat

from vebi.config import parse_config
from vebi.data.dataset import open_dataset
from vebi.descriptors import open_descriptors
from vebi.diff.folders import compare
from vebi.io.errors import VebiError
from vebi.io.matlab import load_mat
from vebi.models.factory import call_factory
from vebi.models.model_file import load_model, save_model
from vebi.models.nets import NetSpec, build
from vebi.models.weights import read_weights
from vebi.selection.path_file import read_solution


class Bomb:
    """Unpickling it makes the file `mark`."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return (open, (self.mark, "w"))


@pytest.fixture
def mark(tmp_path):
    path = tmp_path / "code-was-run"
    yield path
    assert not path.exists()


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "model.pt", "w.mat", "w.npz", "w.h5", "w.bin"])
def test_a_pickle_under_any_name_is_not_run(mark, tmp_path, name):
    path, bomb = tmp_path / name, Bomb(mark)
    for write in (
        lambda: path.write_bytes(pickle.dumps(bomb)),
        lambda: torch.save(bomb, path),
        lambda: torch.save({"spec": bomb, "state": {}, "classes": []}, path),
        lambda: np.savez(path.open("wb"), w=np.array([bomb], object)),
        lambda: np.save(path.open("wb"), np.array([bomb], object)),
    ):
        write()
        for read in (read_weights, load_model):
            with pytest.raises(VebiError, match=name):
                read(path)


def test_pickles_in_results_to_be_compared_are_not_run(mark, tmp_path):
    for side, extra in (("a", b""), ("b", b" ")):
        folder = tmp_path / side
        folder.mkdir()
        torch.save([Bomb(mark), extra], folder / "model.pt")
        (folder / "other.pkl").write_bytes(pickle.dumps(Bomb(mark)) + extra)
        with h5py.File(folder / "objects.h5", "w") as file:
            file["X"] = np.void(pickle.dumps(Bomb(mark)) + extra)
    report = compare(tmp_path / "a", tmp_path / "b")
    assert report.exit_code == 2
    assert {r.name: bool(r.error) for r in report.files} == {
        **{"model.pt": True, "objects.h5": False, "other.pkl": False}
    }


def test_objects_in_hdf5_are_bytes_and_no_descriptors(mark, vebi, helpers, tmp_path):
    def objects(file, name):
        data = file.create_dataset(name, (2, 1), h5py.vlen_dtype(np.uint8))
        data[0, 0] = np.frombuffer(pickle.dumps(Bomb(mark)), np.uint8)

    path = helpers.write_h5(tmp_path / "x.h5", X=objects, labels=[0, 1])
    assert (
        helpers.problems(
            vebi("select", path, "--mu", 1, "--out", "o"), "matrix of floats", "object"
        )
        == []
    )


@pytest.fixture
def elsewhere(tmp_path):
    """Ways to take an array's values from another file, which is there and would fit."""
    arrays = {
        **{"X": np.eye(4, dtype="f4"), "labels": np.arange(4), "masks": np.ones((4, 2, 2), bool)},
        **{"heatmaps": np.zeros((4, 2, 2), "f4"), "images": np.zeros((4, 2, 2, 1), np.uint8)},
    }
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        for name, values in arrays.items():
            file[name] = values
        places = {name: file[name].id.get_offset() for name in arrays}

    def link(file, name):
        file[name] = h5py.ExternalLink(str(tmp_path / "secret.h5"), name)

    def link_behind_a_link(file, name):
        file[f"far_{name}"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/")
        file[name] = h5py.SoftLink(f"/far_{name}/{name}")

    def storage(file, name):
        values = arrays[name]
        outside = [(str(tmp_path / "secret.h5"), places[name], values.nbytes)]
        file.create_dataset(name, values.shape, values.dtype, external=outside)

    def virtual(file, name):
        values = arrays[name]
        layout = h5py.VirtualLayout(values.shape, values.dtype)
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), name, values.shape)
        file.create_virtual_dataset(name, layout)

    return arrays, [link, link_behind_a_link, storage, virtual]


def test_no_array_is_taken_from_another_file(vebi, helpers, elsewhere, tmp_path):
    arrays, ways = elsewhere
    for make in ways:
        for name in ("X", "labels"):
            wanted = {key: arrays[key] for key in ("X", "labels")} | {name: make}
            path = helpers.write_h5(tmp_path / "x.h5", **wanted)
            assert (
                helpers.problems(
                    vebi("select", path, "--mu", 1, "--out", "o"), name, "another file"
                )
                == []
            )
        for name in ("heatmaps", "masks"):
            both = {key: arrays[key] for key in ("heatmaps", "masks")} | {name: make}
            path = helpers.write_h5(tmp_path / "h.h5", **both)
            assert helpers.problems(vebi("iou", path, path), name, "another file") == []
        path = helpers.write_h5(
            tmp_path / "d.h5", images=make, labels=arrays["labels"], split=[0, 0, 1, 1]
        )
        with pytest.raises(VebiError, match="another file"):
            open_dataset(path)


HUGE = [
    ("select", {"X": (10**7, 10**6), "labels": (10**7,)}),
    ("select", {"labels": (10**12,)}),
    ("select", {"X": (20, 10**10)}),
    ("iou", {"heatmaps": (10**6, 10**4, 10**4), "masks": (10**6, 10**4, 10**4)}),
    ("iou", {"heatmaps": (1, 50_000, 50_000), "masks": (1, 50_000, 50_000)}),
]


@pytest.mark.parametrize(("name", "shapes"), HUGE)
def test_declared_terabytes_are_not_allocated(vebi, helpers, tmp_path, name, shapes):
    kinds = {"labels": "i8", "masks": "?"}
    arrays = {key: helpers.declared(shape, kinds.get(key, "f4")) for key, shape in shapes.items()}
    if name == "select":
        arrays = {"X": helpers.X, "labels": helpers.labels} | arrays
    path = helpers.write_h5(tmp_path / "x.h5", **arrays)
    assert path.stat().st_size < 100_000
    arguments = (path, "--mu", 1, "--out", "o") if name == "select" else (path, path)
    done = vebi(name, *arguments)
    assert helpers.problems(done, "x.h5") == []
    assert "GiB" in done.err


@pytest.mark.parametrize("read", [open_dataset, open_descriptors, read_solution])
def test_declared_terabytes_of_a_runs_own_files(helpers, tmp_path, read):
    names = ("images", "labels", "split", "X", "predictions", "feature_layer", "feature_channel")
    names += ("layer_names", "layer_types", "layer_spatial", "class_0/l1_norm", "columns")
    shapes = {"images": (10**9, 100, 100, 3), "X": (10**9, 1000)}
    arrays = {name: helpers.declared(shapes.get(name, (10**12,))) for name in names}
    path = helpers.write_h5(tmp_path / "x.h5", **arrays)
    with h5py.File(path, "r+") as file:
        file.attrs["classes"] = ["a"]
        for name in ("m", "mu_max", "n_classes", "n_samples"):
            file.attrs[name] = 1
        for name in ("nonnegative", "scope", "labels", "solver"):
            file.attrs[name] = "x"
    with pytest.raises(VebiError, match="promises"):
        read(path)


def test_weights_that_unpack_to_more_than_they_are(tmp_path):
    torch.save({"w": torch.zeros(3)}, tmp_path / "good.pt")
    with (
        zipfile.ZipFile(tmp_path / "good.pt") as good,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in good.namelist():
            bomb.writestr(name, good.read(name))
        bomb.writestr("archive/data/1", bytes(1 << 26))
    with pytest.raises(VebiError, match="unpacks to"):
        read_weights(tmp_path / "bomb.pt")
    # A view of one number that claims to be four million millions.
    torch.save({"w": torch.zeros(1).expand(2**21, 2**21)}, tmp_path / "view.pt")
    assert (tmp_path / "view.pt").stat().st_size < 10_000
    for read in (read_weights, lambda path: compare(path, path)):
        with pytest.raises(VebiError, match="fewer values"):
            read(tmp_path / "view.pt")
        break
    torch.save({"w": torch.ones(1).expand(2**21, 2**21)}, tmp_path / "other.pt")
    report = compare(tmp_path / "view.pt", tmp_path / "other.pt")
    assert report.exit_code == 2


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(kind, sides, rest=b""):
    shape = element(5, struct.pack(f"<{len(sides)}i", *sides))
    return element(14, element(6, struct.pack("<II", kind, 0)) + shape + element(1, b"a") + rest)


def nested(n):
    inner = matrix(6, (1, 1), element(9, struct.pack("<d", 1)))
    for _ in range(n):
        inner = matrix(1, (1, 1), inner)
    return inner


MATLAB = {
    "nested": (nested(500), "nested deeper"),
    "nested and packed": (struct.pack("<II", 15, len(zlib.compress(nested(500))))
                          + zlib.compress(nested(500)), "nested deeper"),
    "cells": (matrix(1, (30_000, 30_000)), "30000 x 30000"),
    "numbers": (matrix(6, (2**31 - 1, 2**31 - 1), element(9, bytes(8))), "larger than its bytes"),
    "negative": (matrix(6, (-3, -5), element(9, bytes(8))), "-3 x -5"),
    "fields": (matrix(2, (10**6, 10**6), element(5, bytes(4))), "larger than its bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", MATLAB)
def test_files_of_matlab_that_would_crash_the_reader(tmp_path, name):
    savemat(tmp_path / "w.mat", {"x": 1.0})
    head = (tmp_path / "w.mat").read_bytes()[:128]
    body, says = MATLAB[name]
    (tmp_path / "w.mat").write_bytes(head + body)
    with pytest.raises(VebiError, match=says):
        read_weights(tmp_path / "w.mat")


@pytest.mark.parametrize("packed", [False, True])
def test_files_of_matlab_that_are_right_are_read(tmp_path, packed):
    cells = np.empty((2, 3), object)
    for place in range(6):
        cells.flat[place] = np.arange(place + 1.0)
    content = {
        **{"a": np.arange(60.0).reshape(3, 4, 5), "text": "näme", "cells": cells, "none": []},
        **{"s": {"x": [1, 2], "y": {"z": np.zeros((0, 3))}}, "small": np.int8(3)},
    }
    savemat(tmp_path / "x.mat", content, do_compression=packed)
    found = load_mat(tmp_path / "x.mat")
    assert set(content) <= set(found)
    np.testing.assert_array_equal(found["a"], content["a"])
    np.testing.assert_array_equal(found["cells"][1, 2][0], np.arange(6.0))


def tar_with(path, *members):
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, target in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            content = b"a,b\n1,2\n" if kind == tarfile.REGTYPE else b""
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


FILE, LINK, HARD, PIPE = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE
TARS = [
    ([("../evil.csv", FILE, "")], "points out"),
    ([("tables/../../evil.csv", FILE, "")], "points out"),
    ([("/evil.csv", FILE, "")], "points out"),
    ([("tables", LINK, "/etc"), ("tables/evil.csv", FILE, "")], "a link"),
    ([("tables/x.csv", LINK, "/etc/passwd")], "a link"),
    ([("tables/x.csv", HARD, "/etc/passwd")], "a link"),
    ([("tables/x.csv", PIPE, "")], "a device"),
    ([("tables/x.csv", tarfile.CHRTYPE, "")], "a device"),
]


@pytest.mark.parametrize(("members", "says"), TARS)
def test_archives_stay_in_their_folder(vebi, tmp_path, members, says):
    inside = tmp_path / "inside"
    inside.mkdir()
    path = tar_with(inside / "run.tar.gz", *members)
    before = sorted(tmp_path.rglob("*"))
    done = vebi("diff", path, path)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "says"),
    [("../evil.csv", "points out"), ("/evil.csv", "points out"), ("..\\evil.csv", "points out"),
     ("C:/evil.csv", "points out"), ("tables/x.csv", "is a link")],
)  # fmt: skip
def test_zip_archives_stay_in_their_folder(vebi, tmp_path, name, says):
    with zipfile.ZipFile(tmp_path / "run.zip", "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = (stat.S_IFLNK | 0o777) << 16 if "link" in says else 0o644 << 16
        archive.writestr(info, "/etc/passwd")
    done = vebi("diff", "run.zip", "run.zip")
    assert done.code == 2
    assert says in done.err


def test_archives_that_unpack_to_too_much(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tables/x.csv", bytes(5 << 20))
    with tarfile.open(tmp_path / "a.tar.xz", "w:xz") as tar:
        info = tarfile.TarInfo("tables/x.csv")
        info.size = 5 << 20
        tar.addfile(info, io.BytesIO(bytes(5 << 20)))
    for name in ("a.zip", "a.tar.xz"):
        with pytest.raises(VebiError, match="unpacks to more"):
            compare(tmp_path / name, tmp_path / name, archive_limit=1 << 20)


LEVELS = "abcdefghijklm"
YAML_BOMB = "run: &a [x, x]\nseeds: [0]\n" + "".join(
    f"k{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n" for before, after in pairwise(LEVELS)
)
TAGS = [
    "!!python/object/apply:os.mkdir [evil]",
    "!!python/name:os.system ''",
    "!!python/module:os ''",
]


def test_yaml_of_snakemake_makes_no_objects_and_no_bombs(tmp_path, monkeypatch):
    from snakemake.common.configfile import load_configfile
    from snakemake_interface_common.exceptions import WorkflowError

    monkeypatch.chdir(tmp_path)
    for tag in TAGS:
        (tmp_path / "c.yaml").write_text(f"run: {tag}\n")
        # Names of what is imported already become that object, which nobody calls.
        with pytest.raises((WorkflowError, VebiError), match=r"YAML|string"):
            parse_config(load_configfile(tmp_path / "c.yaml"))
        assert not (tmp_path / "evil").exists()
    (tmp_path / "c.yaml").write_text(YAML_BOMB)
    values = load_configfile(tmp_path / "c.yaml")
    with pytest.raises(VebiError, match="aliases") as caught:
        parse_config(values)
    assert len(str(caught.value)) < 1000


def test_only_the_named_factory_is_imported_and_it_is_announced(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    for name in ("named", "beside"):
        (tmp_path / f"{name}.py").write_text(
            f"from pathlib import Path\nfrom torch import nn\nPath('{name}-ran').touch()\n"
            "def make():\n    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten())\n"
        )
    with caplog.at_level(logging.INFO):
        call_factory("named.py:make", {})
    assert "running the code of 'named.py', which you named" in caplog.text
    assert str(tmp_path / "named.py") in caplog.text
    assert (tmp_path / "named-ran").exists()
    assert not (tmp_path / "beside-ran").exists()


def test_checking_a_configuration_or_loading_a_model_runs_no_factory(tmp_path, monkeypatch, config):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    config["models"]["net"] = {"factory": "evil.py:make", "epochs": 1}
    parse_config(config)
    spec = NetSpec("vgg_gap", (1, 16, 16), 2, 64.0)
    save_model(tmp_path / "model.pt", build(spec), spec, ["a", "b"])
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    content["spec"]["architecture"] = "factory:evil.py:make"
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(VebiError, match=r"pass --factory evil\.py:make"):
        load_model(tmp_path / "model.pt")
    assert not (tmp_path / "ran").exists()


def test_a_model_asks_for_no_download(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: os.abort())
    spec = NetSpec("torchvision:squeezenet1_1", (3, 32, 32), 2, 64.0)
    save_model(tmp_path / "model.pt", build(spec), spec, ["a", "b"])
    for kwargs in ({"weights": "DEFAULT"}, {"weights": "IMAGENET1K_V1"}, {"pretrained": True}):
        content = torch.load(tmp_path / "model.pt", weights_only=True)
        content["spec"]["kwargs"] = kwargs
        torch.save(content, tmp_path / "evil.pt")
        with pytest.raises(VebiError):
            load_model(tmp_path / "evil.pt")
