"""The files between the stages, flipped and cut: whatever opens them names the file and the way out."""

import os

import numpy as np
import pytest

from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.descriptors.describe import describe
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.io.errors import VebiError
from vebi.models.model_file import load_model, save_model
from vebi.models.nets import NetSpec, build
from vebi.run import checksums
from vebi.selection.path_file import read_solution
from vebi.selection.select import select

READERS = {
    "dataset.h5": lambda path: open_dataset(path).read("images"),
    "model.pt": load_model,
    "descriptors.h5": open_descriptors,
    "path.h5": read_solution,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Bytes of each file, from a small run by hand."""
    folder = tmp_path_factory.mktemp("whole")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, 28, 28, 1), dtype=np.uint8)
    data = Images(images, np.arange(30) % 3, (np.arange(30) > 20) * 1, list("abc"))
    write_dataset(folder / "dataset.h5", data)
    spec = NetSpec("matconvnet", (1, 28, 28), 3, 64.0)
    save_model(folder / "model.pt", build(spec, 0), spec, list("abc"))
    net, _ = load_model(folder / "model.pt")
    describe(net, open_dataset(folder / "dataset.h5"), folder / "descriptors.h5")
    select(folder / "descriptors.h5", [1, 5], folder)
    return {name: (folder / name).read_bytes() for name in READERS}


@pytest.mark.parametrize("name", READERS)
def test_a_flipped_bit_anywhere_is_found_on_load(whole, tmp_path, name):
    file = tmp_path / "results/run" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(whole[name])
    checksums.record([file], tmp_path / "results/run")
    READERS[name](file)
    rng = np.random.default_rng(len(whole[name]))
    for _ in range(20):
        content = bytearray(whole[name])
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        file.write_bytes(content)
        with pytest.raises(VebiError, match=f"{name} is damaged: .* Delete it and run again"):
            READERS[name](file)
    file.write_bytes(whole[name])
    READERS[name](file)


@pytest.mark.parametrize("has_checksum", [True, False], ids=["checksum", "no checksum"])
@pytest.mark.parametrize("name", READERS)
def test_a_cut_file_is_named_on_load(whole, tmp_path, name, has_checksum):
    file = tmp_path / name
    file.write_bytes(whole[name])
    if has_checksum:
        checksums.record([file], tmp_path)
    rng = np.random.default_rng(1)
    lengths = [0, 1, len(whole[name]) - 1, *rng.integers(len(whole[name]), size=7)]
    for length in sorted(map(int, lengths), reverse=True):
        os.truncate(file, length)
        with pytest.raises(VebiError, match=name):
            READERS[name](file)
