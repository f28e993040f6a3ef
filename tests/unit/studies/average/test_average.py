"""Average images: which images, where they are cut, and what their mean is."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from vebi.config.average import AverageConfig
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.descriptors import describe, open_descriptors
from vebi.figures.style import save
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.io.errors import VebiError
from vebi.network import feature_index, list_layers, responses, to_network_input
from vebi.studies.average import patches
from vebi.studies.average.figures import (
    draw_average_rows,
    draw_average_sheet,
    place_in_rows,
    sheet_name,
)
from vebi.studies.average.patches import crop_patch, read_average, write_average
from vebi.studies.average.strongest import Strongest, choose_features

SIZE = 24


class Spotter(nn.Module):
    """Finds red, green and blue 4 x 4 spots: channel c of the pooled sums is highest on them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 4, stride=2, padding=1)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(108, 5)
        self.out = nn.Linear(5, 3)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(3)[:, :, None, None].expand(3, 3, 4, 4))
            self.conv.bias.zero_()
            self.fc.weight.fill_(0.01)
            self.fc.bias.zero_()

    def forward(self, images):
        return self.out(self.fc(self.pool(self.relu(self.conv(images))).flatten(1)))


@pytest.fixture(scope="module")
def spots(tmp_path_factory):
    """60 dark images of 3 classes with one spot each, where a unit of the convolution sees it whole."""
    folder = tmp_path_factory.mktemp("average")
    rng = np.random.default_rng(0)
    n = 60
    labels = np.arange(n) % 3
    images = rng.integers(0, 20, (n, SIZE, SIZE, 3), dtype=np.uint8)
    places = 2 * rng.integers(-1, 11, (n, 2)) + 1
    places[:3] = -1  # reaching over the corner, where the convolution has its padding
    for image, label, (y, x), brightness in zip(
        images, labels, places, rng.permutation(np.arange(100, 100 + n)), strict=True
    ):
        image[max(y, 0) : y + 4, max(x, 0) : x + 4, label] = brightness
    data = Images(images, labels, (np.arange(n) % 5 == 4).astype(int), ["red", "green", "blue"])
    write_dataset(folder / "dataset.h5", data)
    torch.manual_seed(0)
    net = Spotter().eval()
    dataset = open_dataset(folder / "dataset.h5")
    describe(net, dataset, folder / "descriptors.h5")
    descriptors = open_descriptors(folder / "descriptors.h5")
    layers = list_layers(net, torch.zeros(3, SIZE, SIZE))
    return folder, net, dataset, descriptors, layers, places


def weights_for(descriptors, chosen: dict[int, dict[tuple[str, int], float]]) -> np.ndarray:
    weights = np.zeros((3, len(descriptors.feature_layer)))
    names = np.array(descriptors.layer_names)[descriptors.feature_layer]
    for label, features in chosen.items():
        for (layer, channel), weight in features.items():
            at = (names == layer) & (descriptors.feature_channel == channel)
            weights[label, at] = weight
    return weights


def write(spots, weights: np.ndarray, name: str, **options) -> Path:
    folder, net, dataset, descriptors, _, _ = spots
    path = folder / name
    values = {"features": 3, "patches": 100, "examples": 2, "batch_size": 7} | options
    network = InterpretedNetwork(net, dataset, descriptors, weights)
    write_average(network, path, AverageConfig(**values))
    return path


def test_mean_of_spots_is_the_spot(spots) -> None:
    """Each patch is the spot, exactly: convolution units see 4 x 4 pixels at 2 i - 1."""
    _, _, dataset, descriptors, _, places = spots
    weights = weights_for(descriptors, {c: {("relu", c): 1.0} for c in range(3)})
    path = write(spots, weights, "spots.h5")
    images = dataset.read("images").astype(float)
    fill = images[dataset.split == 0].mean((0, 1, 2))
    with h5py.File(path) as file:
        np.testing.assert_allclose(file.attrs["fill"], fill)
        for label in range(3):
            item = file[f"class_{label}/feature_0"]
            assert item["mean"].shape == (4, 4, 3)
            mine = np.flatnonzero((dataset.labels == label) & (dataset.split == 0))
            assert sorted(item["image_index"]) == mine.tolist()
            assert (np.diff(item["response"]) <= 0).all()
            assert np.array_equal(item["corner"], places[item["image_index"][:]])
            patches = np.stack(
                [crop_patch(images[i], places[i], (4, 4), fill) for i in item["image_index"]]
            )
            np.testing.assert_allclose(item["mean"], patches.mean(0), rtol=1e-6)
            np.testing.assert_array_equal(item["examples"], patches[:2].round())
            mean = item["mean"][:]
            # Spots over a border bring some of the mean colour in.
            assert mean[..., label].min() > 80
            assert np.delete(mean, label, 2).max() < 20


def test_brute_force_twin(spots) -> None:
    """Every image through the network one by one, sorted in Python, patches by plain indexing."""
    _, net, dataset, descriptors, layers, _ = spots
    chosen = {0: {("pool", 2): 2.0, ("fc", 1): 1.0, ("conv", 0): -1.0}, 1: {("pool", 0): 1.0}}
    path = write(spots, weights_for(descriptors, chosen), "twin.h5", patches=5)
    images = dataset.read("images")
    index = {layer.name: layer for layer in layers}
    with h5py.File(path) as file:
        assert [len(file[f"class_{j}"]) for j in range(3)] == [2, 1, 0]
        for label, features in ((0, [("pool", 2), ("fc", 1)]), (1, [("pool", 0)])):
            mine = np.flatnonzero((dataset.labels == label) & (dataset.split == 0))
            for rank, (name, channel) in enumerate(features):
                item = file[f"class_{label}/feature_{rank}"]
                assert (item.attrs["layer"], item.attrs["channel"]) == (name, channel)
                assert item.attrs["weight"] == chosen[label][name, channel]
                found = []
                for i in mine:
                    batch = to_network_input(images[i : i + 1])
                    value = responses(net, batch, layers, [index[name]])[1][0][0, channel]
                    place = divmod(int(value.argmax()), value.shape[-1] if value.ndim else 1)
                    found.append((-float(value.max()), int(i), place))
                best = sorted(found)[:5]
                assert item["image_index"][:].tolist() == [i for _, i, _ in best]
                # Two units of the convolution, 2 pixels apart, see 6 x 6 pixels from 4 i - 1 on.
                corners = [
                    (4 * y - 1, 4 * x - 1) if name == "pool" else (0, 0) for _, _, (y, x) in best
                ]
                assert item["corner"][:].tolist() == [list(c) for c in corners]
                assert item["mean"].shape == ((6, 6, 3) if name == "pool" else (SIZE, SIZE, 3))
                total = np.zeros(item["mean"].shape)
                for (_, i, _), (y, x) in zip(best, corners, strict=True):
                    for dy in range(total.shape[0]):
                        for dx in range(total.shape[1]):
                            inside = 0 <= y + dy < SIZE and 0 <= x + dx < SIZE
                            total[dy, dx] += (
                                images[i, y + dy, x + dx] if inside else file.attrs["fill"]
                            )
                np.testing.assert_allclose(item["mean"], total / len(best), rtol=1e-5)


def test_batches_do_not_matter(spots) -> None:
    weights = weights_for(spots[3], {c: {("pool", 0): 1.0, ("relu", c): 0.5} for c in range(3)})
    paths = [write(spots, weights, f"b{n}.h5", batch_size=n) for n in (1, 13, 64)]
    contents = [path.read_bytes() for path in paths]
    assert contents[0] == contents[1] == contents[2]


def test_classes_averaged_one_at_a_time_give_the_same_bytes(spots, monkeypatch) -> None:
    chosen = {label: {("relu", c): 1.0 + c for c in range(3)} for label in (0, 2)}
    weights = weights_for(spots[3], chosen)
    whole = write(spots, weights, "whole.h5").read_bytes()
    sizes = []
    averaged = patches.average_patches
    monkeypatch.setattr(patches, "AVERAGED_BYTES", 0)

    def counted(*args, **options):
        sizes.append(len(args[1]))
        return averaged(*args, **options)

    monkeypatch.setattr(patches, "average_patches", counted)
    assert write(spots, weights, "parts.h5").read_bytes() == whole
    assert sizes == [3, 3]


def test_a_feature_that_nothing_excites(spots) -> None:
    _, net, _, descriptors, _, _ = spots
    with torch.no_grad():
        net.conv.bias[1] = -1e6
    try:
        path = write(spots, weights_for(descriptors, {1: {("relu", 1): 1.0}}), "dead.h5")
    finally:
        with torch.no_grad():
            net.conv.bias[1] = 0
    ((_, _, none), (_, _, (tile,)), _) = read_average(path)
    assert none == []
    assert tile.n_patches == 0
    assert tile.examples.shape == (0, 4, 4, 3)
    assert np.ptp(tile.mean.reshape(-1, 3), axis=0).max() == 0


@given(
    st.lists(st.lists(st.integers(-2, 4), min_size=1, max_size=4), max_size=5), st.integers(1, 4)
)
def test_strongest_against_sorting(batches: list[list[int]], n: int) -> None:
    strongest, seen = Strongest(n), []
    for batch in batches:
        images = np.arange(len(seen), len(seen) + len(batch))
        maps = np.zeros((len(batch), 2, 2)) - 5
        maps[:, 1, 0] = batch
        strongest.see(images, maps)
        seen += batch
    best = sorted((-value, i) for i, value in enumerate(seen) if value > 0)[:n]
    assert strongest.image.tolist() == [i for _, i in best]
    assert strongest.response.tolist() == [-value for value, _ in best]
    assert strongest.position.tolist() == [[1, 0]] * len(best)


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_features_against_sorting(seed: int, top: int) -> None:
    net = Spotter()
    layers = list_layers(net, torch.zeros(3, SIZE, SIZE))
    positions, channels = feature_index(layers)
    rng = np.random.default_rng(seed)
    weights = rng.integers(-2, 3, (2, len(positions))) * (rng.random((2, len(positions))) < 0.4)
    for row, chosen in zip(weights, choose_features(weights, layers, top), strict=True):
        best = sorted((-w, i) for i, w in enumerate(row) if w > 0)[:top]
        assert [(f.layer.index, f.channel, f.weight) for f in chosen] == [
            (positions[i], channels[i], -w) for w, i in best
        ]


@given(st.integers(-6, 8), st.integers(-6, 8), st.integers(1, 7), st.integers(1, 7))
def test_cutting_against_padding_first(y: int, x: int, height: int, width: int) -> None:
    image = np.arange(5 * 4 * 2, dtype=float).reshape(5, 4, 2)
    fill = np.array([-1.0, -2.0])
    padded = np.broadcast_to(fill, (40, 40, 2)).copy()
    padded[15:20, 15:19] = image
    expected = padded[15 + y : 15 + y + height, 15 + x : 15 + x + width]
    assert np.array_equal(crop_patch(image, np.array([y, x]), (height, width), fill), expected)


def test_no_training_images(spots, tmp_path) -> None:
    _, net, dataset, descriptors, _, _ = spots
    data = Images(dataset.read("images"), dataset.labels, np.ones(len(dataset)), list("abc"))
    write_dataset(tmp_path / "dataset.h5", data)
    weights = np.zeros((3, len(descriptors.feature_layer)))
    dataset = open_dataset(tmp_path / "dataset.h5")
    network = InterpretedNetwork(net, dataset, descriptors, weights)
    with pytest.raises(VebiError, match="no training images"):
        write_average(network, tmp_path / "average.h5", AverageConfig())


def test_figures_of_all_kinds_of_sheets(spots, tmp_path) -> None:
    weights = weights_for(spots[3], {0: {("relu", 0): 1.0, ("fc", 1): 0.5}})
    path = write(spots, weights, "figure.h5")
    sheets = list(read_average(path))
    assert [name for _, name, _ in read_average(path, 2)] == [sheets[0][1], sheets[-1][1]]
    save(draw_average_rows([(name, tiles) for _, name, tiles in sheets] * 8), tmp_path / "rows.png")
    for number, name, tiles in sheets:
        save(draw_average_sheet(name, tiles), tmp_path / sheet_name(number, name))
    assert sheet_name(7, "cup / mug ünit") == "007_cup-mug-nit.png"
    assert sheet_name(0, "../..") == "000_class.png"
    assert len(list(tmp_path.glob("*.png"))) == 4


@given(st.lists(st.integers(1, 9), min_size=1, max_size=24), st.integers(1, 7))
def test_classes_fill_the_rows_of_a_page(sizes: list[int], most: int) -> None:
    places = place_in_rows(sizes, most)
    cells = [cell for some in places for cell in some]
    assert [len(some) for some in places] == sizes
    # In reading order, each cell once, and no class is torn that fits into a row.
    assert cells == sorted(set(cells))
    rows, columns = (1 + max(cell[i] for cell in cells) for i in (0, 1))
    assert columns <= most
    torn = [some for some in places if len({row for row, _ in some}) > 1]
    assert all(len(some) > columns and some[0][1] == 0 for some in torn)
    # A row of its own for each class is one of the layouts.
    if max(sizes) <= most:
        assert rows * columns <= len(sizes) * max(sizes)


def test_classes_of_one_size_leave_no_cell_empty() -> None:
    for n in (1, 2, 3, 5, 6):
        cells = [cell for some in place_in_rows([n] * 12) for cell in some]
        assert (1 + max(cells)[0]) * (1 + max(c for _, c in cells)) == 12 * n
