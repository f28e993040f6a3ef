"""Descriptors against numpy, and the file they are written to."""

import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from vebi.catalogue.descriptors import DESCRIPTORS
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.descriptors import (
    describe,
    describe_batch,
    layers_of,
    measured_layers,
    open_descriptors,
)
from vebi.io.errors import VebiError
from vebi.models.nets import NetSpec, build, initialise
from vebi.network import list_layers, responses


@pytest.fixture
def dataset(tmp_path: Path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (23, 28, 28, 1), dtype=np.uint8)
    labels, split = rng.integers(0, 10, 23), np.arange(23) % 3 == 0
    path = tmp_path / "dataset.h5"
    write_dataset(path, Images(images, labels, split, [str(i) for i in range(10)]))
    return open_dataset(path)


@pytest.fixture
def net() -> nn.Module:
    net = build(NetSpec("matconvnet", (1, 28, 28), 10, 64.0))
    initialise(net, 1)
    return net


NORMS = {
    "l2": lambda map_: np.sqrt((map_**2).sum()),
    "squared_l2": lambda map_: (map_**2).sum(),
    "spectral": lambda map_: np.linalg.norm(map_, 2) if map_.ndim == 2 else abs(map_),
}


@pytest.mark.parametrize("variant", DESCRIPTORS)
def test_against_numpy(variant: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(1, 5, 5), nn.ReLU(), nn.AvgPool2d(3), nn.Conv2d(5, 4, 3, 2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 2)),
    )
    images = torch.rand(3, 1, 28, 28)
    layers = list_layers(net, images)
    logits, x = describe_batch(net, images, layers, DESCRIPTORS[variant])
    chosen = measured_layers(DESCRIPTORS[variant], layers)
    logits_again, values = responses(net, images, layers, chosen)
    assert torch.equal(logits, logits_again)
    norm = NORMS[DESCRIPTORS[variant].statistic.rpartition(":")[2]]
    expected = []
    for value in values:
        part = np.array([[norm(np.float64(map_)) for map_ in image] for image in value.numpy()])
        part = part.reshape(3, -1)
        expected.append(part / part.sum(1, keepdims=True))
    np.testing.assert_allclose(x, np.concatenate(expected, 1), rtol=2e-5, atol=1e-7)


def test_the_layers_of_each_variant(net: nn.Module) -> None:
    layers = list_layers(net, torch.zeros(1, 28, 28))
    names = {
        key: [layer.name for layer in measured_layers(v, layers)] for key, v in DESCRIPTORS.items()
    }
    assert names["vebi_text"] == names["vebi_code"] == [layer.name for layer in layers]
    # 570 features in the McGill report: conv1, conv2 and the 500 ReLU outputs
    assert names["mcgill_matconvnet"] == ["conv1", "conv2", "relu3"]
    keras = nn.Sequential(
        *(nn.Sequential(nn.Conv2d(i, 128, 3, padding="same"), nn.ReLU()) for i in [1] + [128] * 4),
        *(nn.Flatten(), nn.Linear(128 * 49, 128), nn.ReLU(), nn.Linear(128, 10)),
    )
    chosen = measured_layers(DESCRIPTORS["mcgill_keras"], list_layers(keras, torch.zeros(1, 7, 7)))
    assert sum(layer.n_channels for layer in chosen) == 640


def test_file(net: nn.Module, dataset, tmp_path: Path) -> None:
    describe(net, dataset, tmp_path / "a.h5", batch_size=5)
    file = open_descriptors(tmp_path / "a.h5")
    images = torch.from_numpy(dataset.read("images").transpose(0, 3, 1, 2)).float()
    layers = list_layers(net, images)
    logits, x = describe_batch(net, images, layers, DESCRIPTORS["vebi_text"])
    np.testing.assert_allclose(file.rows(np.arange(23)), x, rtol=1e-5, atol=1e-8)
    assert np.array_equal(file.rows(np.array([3, 4, 9])), file.rows(np.arange(23))[[3, 4, 9]])
    assert np.array_equal(file.predictions, logits.argmax(1))
    assert np.array_equal(file.labels, dataset.labels)
    assert np.array_equal(file.split, dataset.split)
    assert file.layer_names == ("conv1", "pool1", "conv2", "pool2", "fc3", "relu3")
    assert file.layer_types == ("conv", "pool", "conv", "pool", "fc", "relu")
    assert file.layer_spatial.tolist() == [True] * 4 + [False] * 2
    assert np.bincount(file.feature_layer).tolist() == [20, 20, 50, 50, 500, 500]
    assert layers_of(layers, file) == layers
    with h5py.File(tmp_path / "a.h5") as raw:
        assert raw.attrs["descriptor"] == "vebi_text"
        assert raw["X"].dtype == np.float32
        assert all(raw[k].dtype == np.int64 for k in ("labels", "predictions", "feature_layer"))


def test_same_bytes_twice(net: nn.Module, dataset, tmp_path: Path) -> None:
    for name in ("a", "b"):
        describe(net, dataset, tmp_path / f"{name}.h5", "vebi_code", batch_size=8)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_layer_without_response_stays_zero(net: nn.Module) -> None:
    with torch.no_grad():
        net.get_submodule("conv2").weight.zero_()
    images = torch.rand(2, 1, 28, 28)
    layers = list_layers(net, images)
    _, x = describe_batch(net, images, layers, DESCRIPTORS["vebi_text"])
    assert not x[:, 40:140].any()
    assert x[:, :40].sum(1).tolist() == pytest.approx([2, 2])
    assert not x.isnan().any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bad_responses_name_their_layer(net: nn.Module, dataset, tmp_path: Path, value) -> None:
    with torch.no_grad():
        net.get_submodule("conv2").bias[7] = value
    with pytest.raises(VebiError, match="'conv2' responds with NaN or infinity"):
        describe(net, dataset, tmp_path / "a.h5")
    assert [p.name for p in tmp_path.iterdir()] == ["dataset.h5"]


def test_errors_for_people(net: nn.Module, dataset, tmp_path: Path) -> None:
    with pytest.raises(VebiError, match="'l3'; known: vebi_text"):
        describe(net, dataset, tmp_path / "a.h5", "l3")
    (tmp_path / "junk.h5").write_bytes(b"junk")
    with pytest.raises(VebiError, match="can't be read"):
        open_descriptors(tmp_path / "junk.h5")
    with pytest.raises(VebiError, match=r"lacks X, predictions"):
        open_descriptors(dataset.path)
    describe(net, dataset, tmp_path / "a.h5")
    other = build(NetSpec("an8flower_strided", (3, 112, 112), 10, 64.0))
    with pytest.raises(VebiError, match="'conv1' of 20 channels"):
        layers_of(list_layers(other, torch.zeros(3, 112, 112)), open_descriptors(tmp_path / "a.h5"))


def test_memory_does_not_grow_with_the_data_set(net: nn.Module, tmp_path: Path) -> None:
    peaks = []
    for n in (64, 1024):
        path = tmp_path / f"{n}.h5"
        zeros = np.zeros(n, np.int64)
        write_dataset(path, Images(np.zeros((n, 28, 28, 1), np.uint8), zeros, zeros, ["a"]))
        data = open_dataset(path)
        tracemalloc.start()
        describe(net, data, tmp_path / "x.h5", batch_size=32)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 100_000
