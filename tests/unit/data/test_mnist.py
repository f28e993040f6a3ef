import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.data import mnist
from vebi.io.errors import VebiError

REAL = Path(os.environ.get("VEBI_DATA", Path(__file__).parents[4] / "shared" / "data"))


def squeeze(content):
    """gzip without the time of day: the workers of a parallel run must name their tests alike."""
    return gzip.compress(content, mtime=0)


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return squeeze(header + array.tobytes())


def test_idx_round_trip(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "a.gz").write_bytes(idx(array))
    assert np.array_equal(mnist.read_idx(tmp_path / "a.gz"), array)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"plain text",
        squeeze(b""),
        squeeze(b"\0\0\x08\x01"),
        squeeze(struct.pack(">HBBI", 0, 8, 1, 5) + b"\0"),
        squeeze(struct.pack(">HBBI", 0, 9, 1, 1) + b"\0"),
        idx(np.zeros(100, np.uint8))[:-12],
    ],
    ids=["empty", "text", "nothing", "no size", "too short", "signed", "truncated"],
)
def test_broken_idx_files_are_named(tmp_path, content):
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(VebiError, match=r"a\.gz"):
        mnist.read_idx(tmp_path / "a.gz")


def test_a_damaged_file_is_found_by_its_checksum(tmp_path, monkeypatch):
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name in mnist.FILES:
        (folder / name).write_bytes(idx(np.zeros(3, np.uint8)))
    monkeypatch.setenv("VEBI_DATA", str(tmp_path))
    with pytest.raises(VebiError, match="MD5") as raised:
        mnist.load(tmp_path / "cache")
    assert str(folder) in str(raised.value)


def test_without_data_and_network_the_remedies_are_named(tmp_path, monkeypatch):
    monkeypatch.delenv("VEBI_DATA", raising=False)
    # A closed port of this machine instead of the mirrors: the download fails at once, for real.
    declare_missing_ops()
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(VebiError) as raised:
        mnist.load(tmp_path / "cache")
    for remedy in ("VEBI_DATA", str(tmp_path / "cache"), "network"):
        assert remedy in str(raised.value)
    assert not list((tmp_path / "cache").iterdir())


def test_some_images_are_spread_over_the_classes(tmp_path, monkeypatch):
    """Image i is filled with i, its label is i mod 10."""
    sizes = {"train": 60, "t10k": 40}
    for name in mnist.FILES:
        n = sizes[name.split("-")[0]]
        values = np.arange(n, dtype=np.uint8)
        content = np.tile(values[:, None, None], (1, 2, 2)) if "images" in name else values % 10
        (tmp_path / name).write_bytes(idx(content))
        digest = hashlib.md5((tmp_path / name).read_bytes(), usedforsecurity=False).hexdigest()
        monkeypatch.setitem(mnist.FILES, name, digest)
    monkeypatch.delenv("VEBI_DATA", raising=False)
    data = mnist.load(tmp_path, 20, 10)
    assert np.bincount(data.labels[data.split == 0]).tolist() == [2] * 10
    assert np.bincount(data.labels[data.split == 1]).tolist() == [1] * 10
    assert np.array_equal(data.images[:, 0, 0, 0] % 10, data.labels)
    assert len(mnist.load(tmp_path, None, 10).labels) == 70


@pytest.mark.skipif(not (REAL / "mnist").is_dir(), reason=f"MNIST is not in {REAL}")
def test_the_original_files(tmp_path, monkeypatch):
    monkeypatch.setenv("VEBI_DATA", str(REAL))
    data = mnist.load(tmp_path)
    assert data.images.shape == (70000, 28, 28, 1)
    assert data.images.dtype == np.uint8
    # LeCun's page: 60,000 and 10,000; the first training labels are 5, 0, 4, 1, 9.
    assert (data.split == 0).sum() == 60000
    assert data.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(data.labels[60000:]).tolist() == [
        *(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
    ]
