"""The text's descriptor from the code's and back, against computing them from a network."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.descriptors.convert import can_convert, convert, convert_rows
from vebi.descriptors.describe import describe
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.io.errors import VebiError


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 4, 5), nn.ReLU(), nn.Flatten()
    )
    net.append(nn.Linear(4, 2))
    # A layer without any response to some images: its part of the descriptor is zero.
    net[3].bias.data -= 5
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 12, 12, 3), dtype=np.uint8)
    images[:10] //= 100
    write_dataset(
        tmp_path / "d.h5", Images(images, np.arange(50) % 2, np.arange(50) % 3 == 0, ["a", "b"])
    )
    dataset = open_dataset(tmp_path / "d.h5")
    paths = {}
    for variant in ("vebi_text", "vebi_code", "mcgill_matconvnet"):
        paths[variant] = tmp_path / f"{variant}.h5"
        describe(net, dataset, paths[variant], variant)
    return paths


@pytest.mark.parametrize(("source", "target"), [("text", "code"), ("code", "text")])
def test_equals_the_descriptor_of_the_network(files, tmp_path, source, target):
    path = tmp_path / "converted.h5"
    convert(files[f"vebi_{source}"], path, f"vebi_{target}")
    with h5py.File(path) as ours, h5py.File(files[f"vebi_{target}"]) as expected:
        assert set(ours) == set(expected)
        assert dict(ours.attrs)["descriptor"] == f"vebi_{target}"
        assert (ours["X"][:].sum(1) < 4.5).any()  # 5 layers, of which the last ones may be silent
        np.testing.assert_allclose(ours["X"][:], expected["X"][:], rtol=2e-6, atol=1e-12)
        for key in set(expected) - {"X"}:
            assert np.array_equal(ours[key][:], expected[key][:])
    assert open_descriptors(path).variant == f"vebi_{target}"


@given(st.integers(0, 999))
def test_there_and_back(seed):
    rng = np.random.default_rng(seed)
    feature_layer = np.repeat([0, 1, 2], [3, 1, 5])
    rows = rng.random((4, 9)).astype(np.float32)
    rows[0, :3] = 0
    for layer in range(3):
        part = rows[:, feature_layer == layer]
        rows[:, feature_layer == layer] = part / np.maximum(part.sum(1, keepdims=True), 1e-30)
    there = convert_rows(rows, feature_layer, "vebi_text", "vebi_code")
    assert (there[0, :3] == 0).all()
    back = convert_rows(there, feature_layer, "vebi_code", "vebi_text")
    np.testing.assert_allclose(back, rows, rtol=1e-5)


def test_what_does_not_follow_is_refused(files, tmp_path):
    assert can_convert("mcgill_matconvnet", "mcgill_matconvnet")
    assert not can_convert("mcgill_keras", "vebi_text")
    with pytest.raises(VebiError, match="does not follow"):
        convert(files["mcgill_matconvnet"], tmp_path / "x.h5", "vebi_text")
    with pytest.raises(VebiError, match="Unknown descriptor 'vebi'"):
        convert(files["vebi_text"], tmp_path / "x.h5", "vebi")
