"""One network under every variant of the method: heatmaps against masks, and ablation."""

import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from vebi.catalogue.methods import get_method
from vebi.config.robustness import RobustnessConfig
from vebi.data.dataset import TEST, Dataset
from vebi.descriptors.descriptor_file import layers_of, open_descriptors
from vebi.heatmaps.draw import feature_maps
from vebi.heatmaps.maps import merge
from vebi.heatmaps.ranking import top_features
from vebi.network.batches import map_batches
from vebi.network.layers import Layer, list_layers
from vebi.network.passes import to_network_input
from vebi.selection.path_file import Solution
from vebi.selection.statistics import Labels, Scope
from vebi.selection.tables import selected_features_table
from vebi.selection.variants import as_variant, solve_forms
from vebi.statistics import draw_key
from vebi.studies.ablation.ablate import ablate
from vebi.studies.ablation.measure import draw_control, get_pool, get_selected
from vebi.studies.iou.curve import area_under_curve, iou_curves
from vebi.studies.robustness.robustness_file import (
    CONTROLS,
    METHODS,
    SCOPES,
    Findings,
    Setting,
    settings_of,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measures:
    """How selections, heatmaps and ablation are measured: as in the main line.

    Attributes:
        labels: what the mu-Lasso regresses on.
        top: features per heatmap.
        thresholds: of the IoU curve, equally spaced.
        heatmap_batch: images at a time.
        ablation_batch: images at a time.
    """

    labels: Labels = "annotations"
    top: int = 3
    thresholds: int = 101
    heatmap_batch: int = 32
    ablation_batch: int = 128


def run_study(
    model: nn.Module,
    dataset: Dataset,
    descriptors: str | Path,
    variants: RobustnessConfig,
    measures: Measures,
    *,
    key: Sequence[int],
    device: torch.device | str = "cpu",
) -> Findings:
    """Select, explain and ablate in every setting, on the test images of `dataset`.

    The features that explain come from scope All, as in the paper; ablation is done for All and
    OnlyConv.

    Args:
        model: the network.
        dataset: its images, with masks.
        descriptors: a descriptor file of all images, from which the settings' descriptors follow (see
            `convert`).
        variants: the settings (`settings_of`), and the draws of each control.
        measures: what stays the same in all of them.
        key: names the network; part of the key of every draw of the controls.
        device: where to compute.
    """
    settings, repeats = settings_of(variants), variants.repeats
    model = model.to(device)
    rows = dataset.indices(TEST)
    example = next(dataset.batches(rows[:1], 1))[1]
    layers = list_layers(model, to_network_input(example, device))
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            name: as_variant(descriptors, name, folder)
            for name in dict.fromkeys(setting.descriptor for setting in settings)
        }
        with _timed("selection"):
            solutions = _select(paths, settings, measures.labels)
        weights = {
            setting: (paths[setting.descriptor], solved["all"].weights_at(setting.mu))
            for setting, solved in solutions.items()
        }
        with _timed("heatmaps"):
            areas = measure_areas(
                model, dataset, rows, layers, weights, measures=measures, device=device
            )
    with _timed("ablation"):
        conditions = draw_conditions(solutions, layers, repeats, key)
        predictions = ablate(
            model, dataset, rows, conditions, measures.ablation_batch, device=device, layers=layers
        )
    labels = dataset.labels[rows]
    sizes = np.array([len(removed) for removed in conditions[1 :: 1 + 2 * repeats]], np.int64)
    return Findings(
        settings=tuple(settings),
        areas=areas,
        n_selected=sizes.reshape(len(settings), len(SCOPES)),
        **_hits_by_kind(predictions == labels, len(settings), repeats),
        labels=labels,
        image_index=rows.astype(np.int64),
    )


def _hits_by_kind(
    hits: NDArray[np.bool_], n_settings: int, repeats: int
) -> dict[str, NDArray[np.bool_]]:
    """The fields of `Findings` that hold `hits` (conditions, N), in the order of `draw_conditions`."""
    drawn = hits[1:].reshape(n_settings, len(SCOPES), 1 + 2 * repeats, -1)
    return {
        "whole": hits[0],
        "selected": drawn[:, :, 0],
        "random": drawn[:, :, 1 : 1 + repeats],
        "random_layer_matched": drawn[:, :, 1 + repeats :],
    }


def _select(
    paths: Mapping[str, Path], settings: Sequence[Setting], labels: Labels
) -> dict[Setting, dict[Scope, Solution]]:
    """The selections of every setting, from descriptor files by variant."""
    mus = sorted({setting.mu for setting in settings})
    signs = sorted({setting.nonnegative for setting in settings})
    forms = {name: solve_forms(path, SCOPES, signs, mus, labels) for name, path in paths.items()}
    return {
        setting: {s: forms[setting.descriptor][s, setting.nonnegative] for s in SCOPES}
        for setting in settings
    }


def draw_conditions(
    solutions: Mapping[Setting, Mapping[Scope, Solution]],
    layers: Sequence[Layer],
    repeats: int,
    key: Sequence[int],
) -> list[NDArray[np.int64]]:
    """Features to remove, arrays (n, 2): none; then for every setting and scope the selected ones,
    `repeats` uniform draws of as many, and `repeats` that have as many per layer.
    """
    conditions = [np.zeros((0, 2), np.int64)]
    for setting, solved in solutions.items():
        for scope in SCOPES:
            pool = get_pool(layers, scope)
            table = selected_features_table(solved[scope], [setting.mu])
            selected = get_selected(table, setting.mu, layers)
            conditions.append(selected)
            # Each setting draws its own, wherever it stands in the list.
            of_setting = f"{setting.descriptor}, {'W >= 0' if setting.nonnegative else 'signed'}"
            for control in CONTROLS:
                for repeat in range(repeats):
                    purpose = f"robustness, {of_setting}, {scope}: {control}"
                    numbers = (*key, round(1e6 * setting.mu), repeat)
                    rng = np.random.default_rng(draw_key(purpose, *numbers))
                    conditions.append(draw_control(control, selected, pool, rng))
    return conditions


def measure_areas(
    model: nn.Module,
    dataset: Dataset,
    rows: NDArray[np.int64],
    layers: Sequence[Layer],
    weights: Mapping[Setting, tuple[Path, NDArray[np.float64]]],
    *,
    measures: Measures,
    device: torch.device | str,
) -> NDArray[np.float64]:
    """Area under the IoU curve of every setting, method and image: float64 (V, M, N).

    `weights` has for each setting its descriptor file and the weights (classes, m) that choose the
    features. A feature that several settings choose for an image is drawn once for all of them.
    """
    files = {path: open_descriptors(path) for path, _ in weights.values()}
    described = {path: layers_of(layers, file) for path, file in files.items()}
    areas = np.empty((len(weights), len(METHODS), len(rows)))

    def measure_batch(chosen: NDArray[np.int64], raw: NDArray[np.uint8]) -> NDArray[np.float64]:
        images, mask = to_network_input(raw, device), dataset.read("masks", chosen)
        found = np.empty((len(weights), len(METHODS), len(chosen)))
        values = {path: file.rows(chosen) for path, file in files.items()}
        for spatial_only in (False, True):
            names = [name for name in METHODS if get_method(name).spatial_only == spatial_only]
            choices = [
                top_features(
                    values[path],
                    weight,
                    files[path].predictions[chosen],
                    described[path],
                    measures.top,
                    spatial_only=spatial_only,
                )[0]
                for path, weight in weights.values()
            ]
            features, places = pack_features(choices)
            for name, maps in feature_maps(model, images, layers, features, names).items():
                for v, place in enumerate(places):
                    merged = merge(_pick(maps, place)).cpu().numpy()
                    curves = iou_curves(merged, mask, measures.thresholds)
                    found[v, METHODS.index(name)] = area_under_curve(curves)
        return found

    batches = dataset.batches(rows, measures.heatmap_batch)
    total = -(-len(rows) // measures.heatmap_batch)
    progress = tqdm(batches, "heatmaps", total, unit="batch", disable=None)
    start = 0
    for chosen, found in map_batches(progress, measure_batch):
        areas[:, :, start : start + len(chosen)] = found
        start += len(chosen)
    return areas


def pack_features(
    choices: Sequence[NDArray[np.int64]],
) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """Each image's features from several choices (N, k, 2), every one once.

    Returns features int64 (N, u, 2), -1 where an image has fewer than u, and for each choice the
    places (N, k) of its features there, -1 for none.
    """
    together = np.concatenate(choices, axis=1)
    images = [
        np.unique(one[one[:, 0] >= 0], axis=0) if (one[:, 0] >= 0).any() else one[:0]
        for one in together
    ]
    features = np.full((len(images), max(map(len, images)), 2), -1, np.int64)
    for one, unique in zip(features, images, strict=True):
        one[: len(unique)] = unique
    places = []
    for choice in choices:
        same = (choice[:, :, None] == features[:, None]).all(-1) & (choice[:, :, None, 0] >= 0)
        found = same.any(-1)
        places.append(np.where(found, same.argmax(-1) if same.shape[-1] else 0, -1))
    return features, places


def _pick(maps: Tensor, places: NDArray[np.int64]) -> Tensor:
    """The maps (N, k, H, W) at `places` (N, k) of the maps (N, u, H, W); zero where it is -1."""
    padded = torch.cat([maps, maps.new_zeros(len(maps), 1, *maps.shape[2:])], 1)
    images = torch.arange(len(maps), device=maps.device)[:, None]
    return padded[images, torch.from_numpy(places).to(maps.device)]


@contextmanager
def _timed(what: str) -> Iterator[None]:
    before = time.process_time()
    yield
    log.info("%s: %.1f CPU seconds", what, time.process_time() - before)
