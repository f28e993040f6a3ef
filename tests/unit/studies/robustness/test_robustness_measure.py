"""The study of many settings at once, against the main line's one at a time."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from vebi.config.robustness import RobustnessConfig
from vebi.config.stages import AblationConfig, HeatmapConfig
from vebi.data.dataset import TEST, Images, open_dataset, write_dataset
from vebi.descriptors import describe, open_descriptors
from vebi.heatmaps import write_heatmaps
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.io.errors import VebiError
from vebi.selection.select import Problem, solve_paths
from vebi.selection.tables import selected_features_table
from vebi.studies.ablation.measure import run_study as ablate_one
from vebi.studies.iou.curve import area_under_curve, iou_curves
from vebi.studies.robustness.measure import Measures, pack_features, run_study
from vebi.studies.robustness.robustness_file import (
    METHODS,
    SCOPES,
    read_findings,
    settings_of,
    write_findings,
)

VARIANTS = RobustnessConfig(descriptors=["vebi_code", "vebi_text"], mu=[5.0, 1.0], repeats=3)
SETTINGS = settings_of(VARIANTS)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Stripes across, stripes down, or a plain patch, somewhere in the image; masks on the patch."""
    folder = tmp_path_factory.mktemp("robustness")
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    images = rng.integers(0, 40, (90, 14, 14, 1)).astype(np.uint8)
    masks = np.zeros((90, 14, 14), bool)
    for image, mask, label in zip(images, masks, labels, strict=True):
        y, x = rng.integers(0, 8, 2)
        patch = np.full((6, 6), 200)
        if label < 2:
            patch[::2] = 0
        patch = patch.T if label == 1 else patch
        image[y : y + 6, x : x + 6, 0] = patch
        mask[y : y + 6, x : x + 6] = True
    split = (np.arange(90) // 3) % 2
    extra = {"masks": masks}
    write_dataset(folder / "d.h5", Images(images, labels, split, ["across", "down", "flat"], extra))
    dataset = open_dataset(folder / "d.h5")
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2, 2, ceil_mode=True),
        nn.Conv2d(6, 8, 3),
        nn.ReLU(),
        nn.Conv2d(8, 3, 2),
        nn.Flatten(),
    )
    describe(net, dataset, folder / "descriptors.h5", "vebi_text")
    path, measures = folder / "descriptors.h5", Measures(heatmap_batch=16)
    findings = run_study(net, dataset, path, VARIANTS, measures, key=[0, 1])
    return net, dataset, folder, findings


@pytest.mark.parametrize("v", range(len(SETTINGS)))
def test_every_setting_is_what_the_main_line_finds(world, v):
    net, dataset, folder, findings = world
    setting = SETTINGS[v]
    path = folder / f"{setting.descriptor}.h5"
    describe(net, dataset, path, setting.descriptor)
    solutions = {
        scope: solve_paths(
            path,
            folder / "path.h5",
            Problem(scope=scope, nonnegative=setting.nonnegative),
            mus=[setting.mu],
        )
        for scope in SCOPES
    }

    heatmaps = {method: folder / f"{method}.h5" for method in METHODS}
    weights = solutions["all"].weights_at(setting.mu)
    network = InterpretedNetwork(net, dataset, open_descriptors(path), weights)
    write_heatmaps(network, heatmaps, HeatmapConfig())
    masks = dataset.read("masks", dataset.indices(TEST))
    for m, method in enumerate(METHODS):
        with h5py.File(heatmaps[method]) as file:
            expected = area_under_curve(iou_curves(file["heatmaps"][:], masks))
        np.testing.assert_allclose(findings.areas[v, m], expected, atol=2e-3)
        assert np.median(np.abs(findings.areas[v, m] - expected)) < 1e-6

    tables = {scope: selected_features_table(solved) for scope, solved in solutions.items()}
    ablated, hits = ablate_one(
        net, dataset, tables, AblationConfig(repeats=3), mus=[setting.mu], key=[0]
    )
    for s, scope in enumerate(SCOPES):
        rows = ablated.index[(ablated["scope"] == scope) & (ablated["condition"] == "selected")]
        assert np.array_equal(findings.selected[v, s], hits[rows[0]])
        assert findings.n_selected[v, s] == ablated["n_ablated"][rows[0]]
    assert np.array_equal(findings.whole, hits[0])


def test_the_world_tells_settings_apart(world):
    findings = world[-1]
    assert len(np.unique(findings.areas.mean(-1))) > len(METHODS) + 2
    assert len(np.unique(findings.n_selected)) > 2
    assert findings.random.shape == findings.random_layer_matched.shape == (8, 2, 3, 45)
    # Draws differ between repeats.
    assert (findings.random[:, :, 0] != findings.random[:, :, 1]).any()


def test_findings_survive_their_file(world, tmp_path):
    findings = world[-1]
    write_findings(tmp_path / "f.h5", findings)
    again = read_findings(tmp_path / "f.h5")
    assert again.settings == tuple(SETTINGS)
    for name in ("areas", "random", "selected", "whole", "labels", "image_index", "n_selected"):
        assert np.array_equal(getattr(again, name), getattr(findings, name))
    Path(tmp_path / "g.h5").write_text("nothing")
    with pytest.raises(VebiError, match="can't be read as HDF5"):
        read_findings(tmp_path / "g.h5")


@given(st.data())
def test_every_feature_is_drawn_once_and_found_again(data):
    n, k = data.draw(st.integers(1, 4)), 3
    feature = st.tuples(st.integers(0, 2), st.integers(0, 1))
    chosen = st.lists(feature, max_size=k, unique=True)
    choices = []
    for _ in range(data.draw(st.integers(1, 4))):
        choice = np.full((n, k, 2), -1, np.int64)
        for image in choice:
            for slot, value in enumerate(data.draw(chosen)):
                image[slot] = value
        choices.append(choice)
    features, places = pack_features(choices)
    for image in features:
        used = [tuple(f) for f in image.tolist() if f[0] >= 0]
        assert len(set(used)) == len(used)
    for choice, place in zip(choices, places, strict=True):
        for i in range(n):
            for slot in range(k):
                if choice[i, slot, 0] < 0:
                    assert place[i, slot] == -1
                else:
                    assert features[i, place[i, slot]].tolist() == choice[i, slot].tolist()
