"""Scores of whole networks where they are known, and the tables and figures made of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from vebi.config.artefacts import ArtefactScoreConfig
from vebi.config.stages import HeatmapConfig
from vebi.data.dataset import TRAIN, Images, open_dataset, write_dataset
from vebi.descriptors import describe, open_descriptors
from vebi.figures.style import save
from vebi.heatmaps.draw import feature_maps
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.heatmaps.write import write_heatmaps
from vebi.io.errors import VebiError
from vebi.io.tables import read_table, write_table
from vebi.models.nets import NetSpec, build, initialise
from vebi.network import feature_index, list_layers
from vebi.report.places import TABLES
from vebi.statistics import over_images
from vebi.studies.artefacts.artefacts_file import Artefacts, read_artefacts, write_artefacts
from vebi.studies.artefacts.examples import draw_features
from vebi.studies.artefacts.figures import draw_artefact_maps, draw_artefact_scores
from vebi.studies.artefacts.measure import (
    drawing_methods,
    feature_of_each_layer,
    lattices,
    measure,
)
from vebi.studies.artefacts.tables import HEATMAP, tabulate

METHODS = ("upsampled_activation", "deconv_gb", "vebi", "vebi_conv")


def positive(net: nn.Module) -> nn.Module:
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.weight.abs_().add_(0.1)
                assert module.bias is not None
                module.bias.zero_()
    return net.eval()


def strided() -> nn.Module:
    """One pixel in four goes through the convolution, the pooling picks one of four again."""
    torch.manual_seed(0)
    return positive(
        nn.Sequential(
            *(nn.Conv2d(3, 4, 1, stride=2), nn.ReLU(), nn.MaxPool2d(2), nn.ReLU()),
            *(nn.Conv2d(4, 3, 16), nn.Flatten()),
        )
    )


def unstrided() -> nn.Module:
    torch.manual_seed(0)
    return positive(
        nn.Sequential(
            *(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 1, 1)),
            *(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 62), nn.Flatten()),
        )
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """Images of one colour each, 3 classes, 24 of 36 for testing."""
    folder = tmp_path_factory.mktemp("plain")
    colours = np.random.default_rng(0).integers(50, 250, (36, 1, 1, 3), dtype=np.uint8)
    images = np.broadcast_to(colours, (36, 64, 64, 3))
    labels = np.arange(36) % 3
    data = Images(images, labels, np.arange(36) % 9 > 2, ["a", "b", "c"])
    write_dataset(folder / "dataset.h5", data)
    return folder


def scored(folder: Path, net: nn.Module, name: str, **options) -> Artefacts:
    dataset = open_dataset(folder / "dataset.h5")
    describe(net, dataset, folder / f"{name}-descriptors.h5")
    descriptors = open_descriptors(folder / f"{name}-descriptors.h5")
    weights = np.zeros((3, len(descriptors.feature_layer)))
    weights[:, 1] = 1.0
    files = {method: folder / name / f"{method}.h5" for method in METHODS}
    network = InterpretedNetwork(net, dataset, descriptors, weights)
    write_heatmaps(network, files, HeatmapConfig(top=1))
    settings = ArtefactScoreConfig(**({"images": 12, "layers": 12, "batch_size": 5} | options))
    out = folder / name / "artefacts.h5"
    measure(network, files, out, settings)
    return read_artefacts(out)


def test_where_the_scores_are_known(plain: Path) -> None:
    """On plain images guided backpropagation draws the bare lattice, the stride-1 rule a plain map."""
    found = scored(plain, strided(), "strided")
    assert found.layer_names == ("0", "1", "2", "3")
    assert found.period.tolist() == [[2, 2], [2, 2], [4, 4], [4, 4]]
    assert found.selected[:, 0].all()
    assert not found.selected[:, 1:].any()
    score = {m: found.scores[:, :, i] for i, m in enumerate(found.methods)}
    np.testing.assert_allclose(score["deconv_gb"], 1, atol=1e-6)
    np.testing.assert_allclose(score["vebi_conv"][:, :2], 0, atol=1e-6)
    # Only the convolution's stride is mended: the pooling's lattice, of 2 of the convolution's
    # outputs, is left, each point a block of 2 x 2 pixels.
    np.testing.assert_allclose(score["vebi_conv"][:, 2:], 1, atol=1e-3)
    np.testing.assert_allclose(score["vebi"][:, :2], 0, atol=1e-6)
    assert found.heatmap_period.tolist() == [4, 4]
    heatmap = dict(zip(found.heatmap_methods, found.heatmap_scores.T, strict=True))
    np.testing.assert_allclose(heatmap["deconv_gb"], 1, atol=1e-6)
    np.testing.assert_allclose(heatmap["vebi"], 0, atol=1e-6)


def test_maps_that_are_known_lie_on_their_masks_as_far_as_they_do(tmp_path: Path) -> None:
    """On plain images VEBI's first map is flat, so it marks nothing; the other's is a dot in four."""
    images = np.full((36, 64, 64, 3), 100, np.uint8)
    masks = np.zeros((36, 64, 64), bool)
    masks[::2, :, :16] = True
    data = Images(
        images, np.arange(36) % 3, np.arange(36) % 9 > 2, ["a", "b", "c"], {"masks": masks}
    )
    write_dataset(tmp_path / "dataset.h5", data)
    found = scored(tmp_path, strided(), "strided")
    marked = found.image_index % 2 == 0
    assert 0 < marked.sum() < len(marked)
    overlap = {m: found.overlap[:, 0, i] for i, m in enumerate(found.methods)}
    assert np.isnan(found.overlap[~marked]).all()
    # At threshold 0 a whole map counts, a quarter of it inside; above it only what is lit.
    inside = 16 * 64
    above = {"vebi": 0.0, "deconv_gb": inside / 4 / (inside + 3 * inside / 4)}
    for method, level in above.items():
        area = (0.25 + level) / 2 / 100 + 0.99 * level
        np.testing.assert_allclose(overlap[method][marked], area, atol=1e-6)


def test_the_pooling_s_lattice_is_gone_too() -> None:
    """The last row and column of the windows win nowhere, which leaves an edge: 2 pixels of zero."""
    net, images = strided(), torch.full((1, 3, 64, 64), 90.0)
    layers = list_layers(net, images)
    maps = feature_maps(net, images, layers, np.array([[[2, 0]]]), ["vebi", "vebi_conv"])
    expected = torch.zeros(64, 64)
    expected[:62, :62] = 1
    torch.testing.assert_close(maps["vebi"][0, 0], expected)
    blocks = torch.tensor([1.0, 1, 0, 0]).repeat(16)
    torch.testing.assert_close(maps["vebi_conv"][0, 0], blocks[:, None] * blocks)


def test_without_strides_there_is_nothing_to_mend(plain: Path) -> None:
    """All strides 1: no layer has a lattice, and the three backward rules draw the same maps."""
    net = unstrided()
    found = scored(plain, net, "unstrided")
    assert found.layer_names == ()
    assert found.heatmap_scores.shape == (12, 0)
    assert list(draw_features(net, open_dataset(plain / "dataset.h5"), found, 2)) == []
    images = torch.rand(2, 3, 64, 64) * 255
    layers = list_layers(net, images)
    features = np.array([[[layer.index, 2] for layer in layers]] * 2)
    maps = feature_maps(net, images, layers, features, METHODS[1:])
    assert maps["deconv_gb"].any()
    torch.testing.assert_close(maps["vebi"], maps["deconv_gb"])
    assert torch.equal(maps["vebi_conv"], maps["deconv_gb"])


@pytest.mark.parametrize(
    ("architecture", "shape", "expected"),
    [
        (
            "an8flower_strided",
            (3, 112, 112),
            {"conv1": 2, "relu1": 2, "pool1": 4, "conv2": 4, "relu2": 4}
            | {"pool2": 8, "conv3": 8, "relu3": 8},
        ),
        ("an8flower_inferred", (3, 112, 112), {"pool1": 3, "conv2": 3, "pool2": 9}),
        ("matconvnet", (1, 28, 28), {"pool1": 2, "conv2": 2, "pool2": 4}),
    ],
)
def test_lattices_of_the_project_s_networks(architecture: str, shape, expected) -> None:
    net = build(NetSpec(architecture, shape, 3, 64.0))
    initialise(net, 0)
    layers = list_layers(net, torch.zeros(shape))
    found = {x.name: period for x, period in lattices(net, torch.zeros(shape), layers, layers)}
    found = {name: period for name, period in found.items() if name in expected}
    assert found == {name: (period, period) for name, period in expected.items()}


def test_stride_1_convolutions_leave_vebi_conv_as_deconv_gb() -> None:
    """The inferred original network has strides in its poolings only."""
    net = build(NetSpec("an8flower_inferred", (3, 112, 112), 3, 64.0))
    initialise(net, 0)
    images = torch.rand(1, 3, 112, 112, generator=torch.Generator().manual_seed(0)) * 255
    layers = list_layers(net, images)
    features = np.array([[[layer.index, 2] for layer in layers if layer.spatial]])
    maps = feature_maps(net, images, layers, features, METHODS[1:])
    assert torch.equal(maps["vebi_conv"], maps["deconv_gb"])
    assert torch.equal(maps["vebi"][:, 0], maps["deconv_gb"][:, 0])
    assert not torch.allclose(maps["vebi"][:, -1], maps["deconv_gb"][:, -1])


@given(st.integers(0, 10_000))
def test_features_of_layers_against_a_search(seed: int) -> None:
    net = build(NetSpec("matconvnet", (1, 28, 28), 3, 64.0))
    layers = list_layers(net, torch.zeros(1, 28, 28))
    described = [layers[0], layers[2], layers[5]]
    positions, channels = feature_index(described)
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 5, (4, len(positions))) / 5
    weights = rng.integers(-1, 3, (3, len(positions))) * (rng.random((3, len(positions))) < 0.02)
    predictions = rng.integers(0, 3, 4)
    features, selected = feature_of_each_layer(
        x, weights, predictions, described, [layers[0], layers[2]]
    )
    for n in range(4):
        for place in (0, 1):
            mine = np.flatnonzero(positions == place)
            relevance = {i: weights[predictions[n], i] * x[n, i] for i in mine}
            taken = [i for i in mine if relevance[i] > 0]
            best = (
                min(taken, key=lambda i: (-relevance[i], i))
                if taken
                else min(mine, key=lambda i: (-x[n, i], i))
            )
            assert features[n, place].tolist() == [described[place].index, channels[best]]
            assert selected[n, place] == bool(taken)


def test_methods_that_draw_features() -> None:
    assert drawing_methods([*METHODS, "grad_cam", "integrated_gradients"]) == list(METHODS)


def test_fewer_layers(plain: Path) -> None:
    found = scored(plain, strided(), "fewer", layers=2)
    assert found.layer_names == ("0", "3")


def test_heatmaps_of_other_images(plain: Path) -> None:
    net = strided()
    scored(plain, net, "other")
    dataset = open_dataset(plain / "dataset.h5")
    descriptors = open_descriptors(plain / "other-descriptors.h5")
    weights = np.ones((3, len(descriptors.feature_layer)))
    network = InterpretedNetwork(net, dataset, descriptors, weights)
    files = {"vebi": plain / "train.h5"}
    write_heatmaps(network, files, HeatmapConfig(top=1), split=TRAIN)
    with pytest.raises(VebiError, match="no heatmaps of some test images"):
        measure(network, files, plain / "out.h5", ArtefactScoreConfig(images=4, layers=2))


def artefacts_of(seed: int, n: int = 40) -> Artefacts:
    rng = np.random.default_rng(seed)
    scores = rng.normal([0.0, 0.3, 0.1, 0.1], 0.05, (n, 2, 4))
    return Artefacts(
        image_index=np.arange(n),
        scene=np.arange(n) // 2,
        layer_names=("conv", "pool"),
        layer_numbers=np.array([1, 3]),
        period=np.array([[2.0, 2.0], [4.0, 8.0]]),
        features=np.zeros((n, 2, 2), np.int64),
        selected=np.stack([np.arange(n) < n // 4, np.zeros(n, bool)], axis=1),
        methods=METHODS,
        scores=scores,
        overlap=rng.uniform(0, 1, (n, 2, 4)),
        heatmap_methods=(*METHODS, "grad_cam"),
        heatmap_period=np.array([4.0, 8.0]),
        heatmap_scores=rng.normal(0.1, 0.05, (n, 5)),
    )


def test_tables_and_figures(tmp_path: Path) -> None:
    items = [artefacts_of(0), artefacts_of(1)]
    paths = [tmp_path / f"{i}.h5" for i in range(2)]
    for path, item in zip(paths, items, strict=True):
        write_artefacts(path, item)
        again = read_artefacts(path)
        assert (again.methods, again.layer_names) == (item.methods, item.layer_names)
        assert np.array_equal(again.scores, item.scores)
    runs = [{"dataset": "d", "model": "m", "seed": seed} for seed in (0, 1)]
    tables = tabulate(paths, runs)
    for name, frame in tables.items():
        write_table(tmp_path / f"{name}.csv", frame, TABLES[name])
        assert len(read_table(tmp_path / f"{name}.csv", TABLES[name])) == len(frame)

    table = tables["artefacts"].set_index(["seed", "layer", "method"])
    assert len(table) == 2 * (2 * 4 + 5)
    row = table.loc[(1, "pool", "vebi")]
    assert row["grid_artefact_score"] == pytest.approx(items[1].scores[:, 1, 2].mean())
    assert row["ci_low"] < row["grid_artefact_score"] < row["ci_high"]
    assert (row["cumulative_stride"], row["layer_number"], row["n_images"]) == (8, 3, 40)
    assert table.loc[(0, "conv", "vebi"), "share_selected"] == 0.25
    assert np.isnan(table.loc[(0, HEATMAP, "grad_cam"), "share_selected"])

    paired = tables["artefacts_paired"].set_index(["layer", "method", "reference"])
    row = paired.loc[("conv", "vebi", "deconv_gb")]
    both = np.array([item.scores[:, 0, 2] - item.scores[:, 0, 1] for item in items])
    assert row["score_difference"] == pytest.approx(both.mean())
    found = over_images(both, items[0].scene)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((found.low, found.high))
    assert row["p_value"] == pytest.approx(found.p_value())
    assert (row["n_seeds"], row["n_images"], row["n_scenes"]) == (2, 40, 20)
    assert row["over"] == "networks and scenes"
    assert set(tables["artefacts"]["over"]) == {"scenes"}
    assert np.isnan(paired.loc[(HEATMAP, "vebi", "deconv_gb"), "overlap_difference"])
    row = paired.loc[("pool", "vebi", "upsampled_activation")]
    both = np.array([item.overlap[:, 1, 2] - item.overlap[:, 1, 0] for item in items])
    found = over_images(both, items[0].scene)
    assert row["overlap_difference"] == pytest.approx(both.mean())
    ends = row[["overlap_ci_low", "overlap_ci_high", "overlap_p_value"]].tolist()
    assert ends == pytest.approx([found.low, found.high, found.p_value()])
    row = table.loc[(0, "conv", "deconv_gb")]
    found = over_images(items[0].overlap[None, :, 0, 1], items[0].scene)
    ends = row[["mask_overlap", "mask_overlap_ci_low", "mask_overlap_ci_high"]].tolist()
    assert ends == pytest.approx([items[0].overlap[:, 0, 1].mean(), found.low, found.high])
    # Vebi and vebi_conv are drawn from one distribution here; grad_cam has whole heatmaps only.
    assert paired.loc[(HEATMAP, "grad_cam", "deconv_gb"), "p_value"] > 0.01
    assert ("conv", "grad_cam", "deconv_gb") not in paired.index
    save(draw_artefact_scores(tables["artefacts"]), tmp_path / "scores.png")
    assert (tmp_path / "scores.png").stat().st_size > 10_000


def test_runs_without_lattices_leave_empty_tables(tmp_path: Path, plain: Path) -> None:
    scored(plain, unstrided(), "empty")
    runs = [{"dataset": "d", "model": "m", "seed": 0}]
    tables = tabulate([plain / "empty" / "artefacts.h5"], runs)
    for name, frame in tables.items():
        write_table(tmp_path / f"{name}.csv", frame, TABLES[name])
        assert read_table(tmp_path / f"{name}.csv", TABLES[name]).empty
    save(draw_artefact_scores(tables["artefacts"]), tmp_path / "scores.png")
    save(draw_artefact_maps([]), tmp_path / "maps.png")


def test_seeds_must_share_their_images(tmp_path: Path) -> None:
    items = [artefacts_of(0, 40), artefacts_of(1, 38)]
    for i, item in enumerate(items):
        write_artefacts(tmp_path / f"{i}.h5", item)
    runs = [{"dataset": "d", "model": "m", "seed": seed} for seed in (0, 1)]
    with pytest.raises(VebiError, match="same images"):
        tabulate([tmp_path / "0.h5", tmp_path / "1.h5"], runs)


def test_drawn_features_are_those_that_were_scored(plain: Path, tmp_path: Path) -> None:
    net = strided()
    found = scored(plain, net, "drawn")
    dataset = open_dataset(plain / "dataset.h5")
    drawn = list(draw_features(net, dataset, found, 2))
    assert [d.layer for d in drawn] == ["0", "3"] * 2
    assert [d.stride for d in drawn] == [2, 4] * 2
    for feature in drawn:
        assert set(feature.maps) == set(feature.scores) == set(METHODS)
        assert feature.scores["deconv_gb"] == pytest.approx(1, abs=1e-6)
        lit = feature.maps["deconv_gb"] > 0
        assert lit.mean() == pytest.approx(1 / feature.stride**2)
    save(draw_artefact_maps(drawn), tmp_path / "maps.png")
