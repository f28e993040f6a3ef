"""Do the claims of the work hold: influence, transfer and overlap of the channels that it selects.

The rule of the verdicts, for each network and perturbation, with the top k of every layer together:
a claim says that one choice of channels has more of something than another (`CLAIMS`). The difference is
taken image by image, its 95 % interval is Student's t over base scenes. The claim `holds` against a
reference if the interval lies above zero, is `reversed` if it lies below, and `undecided` else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.data.dataset import TEST, Dataset
from vebi.data.scenes import read_scenes
from vebi.data.subset import spread_over_classes
from vebi.io.errors import VebiError
from vebi.network.layers import Layer, list_layers
from vebi.network.passes import to_network_input
from vebi.perturbation.choose import CHOICES, METRICS, similarity
from vebi.perturbation.resample import Sampling
from vebi.statistics import Estimate, judge_difference, mean_over_networks, over_images
from vebi.studies.perturbation.chosen_channels import (
    Measured,
    Sets,
    StudySettings,
    choose_sets,
    layers_to_choose_from,
    measure_images,
    perturbation_table,
    repeats_of,
)
from vebi.studies.perturbation.influence import ALL_LAYERS, Drop, measure_drops
from vebi.studies.perturbation.overlap import measure_overlap, vebi_channels
from vebi.studies.perturbation.transfer import (
    Activations,
    Firing,
    mean_activations,
    measure_firing,
)

# Claim: what is compared, the choice that should have more of it, and the choices that should have less.
CLAIMS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "correlation_influences": (
        "score_drop",
        "correlation",
        ("random", "random_active", "precision"),
    ),
    "precision_generalises": ("fires_same", "precision", ("random_active", "correlation")),
    # Ours: the same of a precision that does not depend on a channel's scale.
    "relative_precision_generalises": (
        "fires_same",
        "relative_precision",
        ("random_active", "correlation", "precision"),
    ),
    "correlation_is_specific": ("selectivity", "correlation", ("random_active", "precision")),
}
PAIRS = (("correlation", "precision"), ("correlation", "vebi"), ("precision", "vebi"))


@dataclass(frozen=True)
class Selected:
    """VEBI's selection, to compare with: `weights` (classes, m) of features by layer name and channel."""

    weights: NDArray[np.float64]
    feature_layer: NDArray[np.str_]
    feature_channel: NDArray[np.int64]


@dataclass(frozen=True)
class Findings:
    """Tables of a network, each without the run's keys, and the metrics of each perturbation."""

    resampling: pd.DataFrame
    transfer: pd.DataFrame
    overlap: pd.DataFrame
    claims: pd.DataFrame
    measured: dict[str, Measured]


def run_study(
    model: nn.Module,
    dataset: Dataset,
    selected: Selected,
    samplings: Sequence[Sampling],
    settings: StudySettings,
    *,
    seed: int,
    key: Sequence[int],
    device: torch.device | str = "cpu",
) -> Findings:
    """Everything about one network.

    Args:
        model: the network.
        dataset: its images, of which test images are perturbed.
        selected: VEBI's selection, to compare with.
        samplings: the perturbations.
        settings: numbers of images, channels and draws.
        seed: root of the draws of perturbed copies, which all networks share.
        key: names the network; part of the key of every draw of random channels.
        device: where to compute.

    Raises:
        VebiError: no test images, or no convolution with maps.
    """
    model = model.to(device)
    chosen = spread_over_classes(dataset.labels, dataset.indices(TEST), settings.images)
    if not len(chosen):
        raise VebiError(f"{dataset.path} has no test images to resample.")
    images = to_network_input(dataset.read("images", chosen), device)
    layers = list_layers(model, images[:1])
    wanted = layers_to_choose_from(layers)
    labels = dataset.labels[chosen]
    activations = _activations(
        model, dataset, chosen, images, settings, layers=layers, wanted=wanted
    )
    scenes = read_scenes(dataset, chosen)
    parts: dict[str, list[pd.DataFrame]] = {
        name: [] for name in ("resampling", "transfer", "overlap", "claims")
    }
    measured = {}
    for sampling in samplings:
        found = measure_images(
            model, images, chosen, layers, wanted=wanted, sampling=sampling, seed=seed, key=key
        )
        measured[sampling.perturbation] = found
        drops = measure_drops(model, images, labels, layers, found, settings=settings)
        firings = _firings(found, settings, activations)
        tables = {
            "resampling": _influence_rows(found, drops, settings, scenes),
            "transfer": _transfer_rows(firings, scenes),
            "overlap": _overlap_rows(found, layers, selected, settings, scenes),
            "claims": _claim_rows(drops, firings, settings, scenes),
        }
        for name, rows in tables.items():
            parts[name].append(perturbation_table(rows, sampling.perturbation))
    stacked = {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
    return Findings(**stacked, measured=measured)


def _activations(
    model: nn.Module,
    dataset: Dataset,
    chosen: NDArray[np.int64],
    images: Tensor,
    settings: StudySettings,
    *,
    layers: Sequence[Layer],
    wanted: Sequence[Layer],
) -> Activations:
    """Activations of `images` (N, C, H, W), those at `chosen` (N), and of the test images."""
    others = spread_over_classes(dataset.labels, dataset.indices(TEST), settings.reference)
    reference = to_network_input(dataset.read("images", others), images.device)
    return Activations(
        own=mean_activations(model, images, layers, wanted, settings.batch_size),
        reference=mean_activations(model, reference, layers, wanted),
        labels=dataset.labels[chosen],
        reference_labels=dataset.labels[others],
        same_image=chosen[:, None] == others[None, :],
    )


def _influence_rows(
    measured: Measured, drops: Sequence[Drop], settings: StudySettings, scenes: NDArray[np.int64]
) -> list[dict[str, object]]:
    """Rows of resampling.csv, and next to each metric how much its sets share with the other's."""
    shared = {k: _shares(measured, k) for k in settings.ks}
    rows: list[dict[str, object]] = []
    for drop in drops:
        score, hit = (_over_scenes(values, scenes) for values in (drop.score, drop.hit))
        overlap, null = shared[drop.k][drop.layer] if drop.choice in METRICS else (np.nan, np.nan)
        rows.append(
            {
                "layer": drop.layer,
                "metric": drop.choice,
                "k": drop.k,
                **score.columns("score_drop_mean"),
                "accuracy_drop": hit.value,
                "overlap": overlap,
                "overlap_null": null,
                "accuracy_drop_ci_low": hit.low,
                "accuracy_drop_ci_high": hit.high,
                "n_removed": drop.removed,
                "n_images": len(drop.score),
            }
        )
    return rows


def _over_scenes(values: NDArray[np.float64], scenes: NDArray[np.int64]) -> Estimate:
    """Mean of one network's `values` (N), NaN where there is none, with its interval over scenes."""
    return over_images(values[None], scenes)


def _shares(measured: Measured, k: int) -> dict[str, tuple[float, float]]:
    """Dice coefficient of the two metrics' sets per layer and in all, and what chance gives."""
    sets = [choose_sets(measured, metric, k) for metric in METRICS]
    found, totals = {}, np.zeros(3)
    for layer in measured.layers:
        first, second = (one[layer.index] for one in sets)
        overlap = measure_overlap(first, second, layer.n_channels)
        sizes = sum(len(one) for one in (*first, *second))
        counts = np.array([2 * overlap.common.sum(), 2 * overlap.expected.sum(), sizes])
        totals += counts
        found[layer.name] = _dice(counts)
    return found | {ALL_LAYERS: _dice(totals)}


def _dice(counts: NDArray[np.float64]) -> tuple[float, float]:
    common, expected, sizes = counts.tolist()
    return (common / sizes, expected / sizes) if sizes else (0.0, 0.0)


def _firings(
    measured: Measured,
    settings: StudySettings,
    activations: Activations,
) -> dict[tuple[str, str, int], Firing]:
    """Firing by layer name (or all), choice and k; random choices averaged over their repeats."""
    found = {}
    for choice in CHOICES:
        for k in settings.ks:
            sets = [
                choose_sets(measured, choice, k, repeat)
                for repeat in range(repeats_of(choice, settings.repeats))
            ]
            parts = {layer.name: [layer.index] for layer in measured.layers}
            for name, indices in {**parts, ALL_LAYERS: [x.index for x in measured.layers]}.items():
                per_repeat = [
                    measure_firing({index: one[index] for index in indices}, activations)
                    for one in sets
                ]
                found[name, choice, k] = Firing(
                    mean_over_networks([one.same for one in per_repeat]),
                    mean_over_networks([one.other for one in per_repeat]),
                )
    return found


def _transfer_rows(
    firings: Mapping[tuple[str, str, int], Firing], scenes: NDArray[np.int64]
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for (layer, choice, k), firing in firings.items():
        known = ~np.isnan(firing.same) & ~np.isnan(firing.other)
        same, other = (np.where(known, one, np.nan) for one in (firing.same, firing.other))
        row: dict[str, object] = {"layer": layer, "metric": choice, "k": k}
        for name, values in (
            ("fires_same", same),
            ("fires_other", other),
            ("selectivity", same - other),
        ):
            row |= _over_scenes(values, scenes).columns(name, f"{name}_")
        rows.append({**row, "n_images": int(known.sum())})
    return rows


def _overlap_rows(
    measured: Measured,
    layers: Sequence[Layer],
    selected: Selected,
    settings: StudySettings,
    scenes: NDArray[np.int64],
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for k in settings.ks:
        sets = {metric: choose_sets(measured, metric, k) for metric in METRICS}
        for layer in measured.layers:
            by_class = vebi_channels(
                layers,
                layer,
                selected.weights,
                selected.feature_layer,
                selected.feature_channel,
            )
            of_layer: dict[str, Sets] = {metric: sets[metric][layer.index] for metric in METRICS}
            of_layer["vebi"] = [by_class[label] for label in measured.predicted]
            for first, second in PAIRS:
                a, b = of_layer[first], of_layer[second]
                overlap = measure_overlap(a, b, layer.n_channels)
                rows.append(
                    {
                        "layer": layer.name,
                        "first": first,
                        "second": second,
                        "k": k,
                        "n_channels": layer.n_channels,
                        "size_first": float(np.mean([len(one) for one in a])),
                        "size_second": float(np.mean([len(one) for one in b])),
                        **_over_scenes(overlap.common, scenes).columns("common"),
                        "common_null": overlap.expected.mean(),
                        "share_beyond_chance": (overlap.tail <= 0.05).mean(),
                        **similarity(list(zip(a, b, strict=True))),
                        "n_images": len(a),
                    }
                )
    return rows


def _claim_rows(
    drops: Sequence[Drop],
    firings: Mapping[tuple[str, str, int], Firing],
    settings: StudySettings,
    scenes: NDArray[np.int64],
) -> list[dict[str, object]]:
    k = settings.ks[0]
    values: dict[str, dict[str, NDArray[np.float64]]] = {
        "score_drop": {d.choice: d.score for d in drops if (d.layer, d.k) == (ALL_LAYERS, k)},
        "fires_same": {c: firings[ALL_LAYERS, c, k].same for c in CHOICES},
        "selectivity": {
            c: firings[ALL_LAYERS, c, k].same - firings[ALL_LAYERS, c, k].other for c in CHOICES
        },
    }
    rows: list[dict[str, object]] = []
    for claim, (measure, choice, references) in CLAIMS.items():
        for reference in references:
            difference = values[measure][choice] - values[measure][reference]
            found = _over_scenes(difference, scenes)
            rows.append(
                {
                    "claim": claim,
                    "reference": reference,
                    "k": k,
                    "measure": measure,
                    **found.columns("difference"),
                    "n_images": int((~np.isnan(difference)).sum()),
                    "verdict": judge_difference(float(found.low), float(found.high)),
                }
            )
    return rows
