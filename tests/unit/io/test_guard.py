"""Files that end the library that reads them are refused, and cost a child process."""

import io
import shutil

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from vebi.explanation.explainer import Explainer
from vebi.io import guard
from vebi.io.errors import VebiError
from vebi.io.guard import check_survives
from vebi.io.matlab import load_mat
from vebi.models.matconvnet import read_matconvnet
from vebi.run.checksums import check_files, record


@pytest.fixture
def endless(tmp_path):
    """HDF5 whose heap of texts has objects of size zero: the library goes round in it for ever."""
    path = tmp_path / "endless.h5"
    with h5py.File(path, "w") as file:
        file.attrs["solver"] = "path"
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    content[heap + 16 : heap + 40] = bytes(24)
    path.write_bytes(content)
    return path


@pytest.fixture
def crashing(tmp_path):
    """A .mat with an element of a type that there is not: scipy's reader ends the process."""
    stream = io.BytesIO()
    layers = np.empty((1, 1), object)
    layers[0, 0] = {"name": "c", "type": "relu"}
    savemat(stream, {"layers": layers})
    content = bytearray(stream.getvalue())
    text = content.index(b"\x10\x00\x04\x00relu")
    content[text] = 24
    path = tmp_path / "crashing.mat"
    path.write_bytes(content)
    return path


def test_a_file_that_never_ends_is_refused(endless, monkeypatch):
    monkeypatch.setattr(guard, "SECONDS", 1)
    with pytest.raises(VebiError, match=r"endless\.h5 is damaged: reading it never ends"):
        check_survives([endless])


def test_a_file_that_crashes_is_refused(crashing):
    with pytest.raises(VebiError, match=r"crashing\.mat is damaged: reading it crashes"):
        check_survives([crashing])
    with pytest.raises(VebiError, match="reading it crashes"):
        load_mat(crashing)
    with pytest.raises(VebiError, match=r"crashing\.mat is damaged: reading it crashes"):
        read_matconvnet(crashing)


def test_the_file_that_is_named_is_the_damaged_one(crashing, tmp_path):
    good = tmp_path / "good.mat"
    savemat(good, {"x": 1})
    check_survives([good, good])
    with pytest.raises(VebiError, match=r"crashing\.mat"):
        check_survives([good, crashing, good])


@pytest.mark.parametrize("content", [None, b"", b"a text", b"\x89HDF\r\n\x1a\nand no more"])
def test_what_is_no_such_file_is_left_to_its_reader(tmp_path, content):
    path = tmp_path / "x"
    if content is not None:
        path.write_bytes(content)
    check_survives([path, tmp_path])


def test_what_a_command_opens_is_looked_at(endless, crashing, monkeypatch):
    seen = []
    monkeypatch.setattr("vebi.run.checksums.check_survives", seen.extend)
    check_files(endless, crashing)
    assert seen == [endless, crashing]


def test_a_saved_explainer_is_looked_at(endless, monkeypatch):
    monkeypatch.setattr(guard, "SECONDS", 1)
    with pytest.raises(VebiError, match="reading it never ends"):
        Explainer.load(endless, None)


def test_a_file_with_a_checksum_needs_no_second_look(tmp_path, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(__file__, run / "x.h5")
    record([str(run / "x.h5")], run)
    seen = []
    monkeypatch.setattr("vebi.run.checksums.check_survives", seen.extend)
    check_files(run / "x.h5")
    assert seen == []
