"""What `vebi benchmark` does: anyone's methods beside those of a finished run, by every measure.

The run's networks, test images and interventions are the benchmark. Maps of the run's methods are read,
those of other methods made here; all are scored on the same images, the ones with interventions.
Controls stand next to them: three that must lose, since they know nothing of the network (a random map,
edges, brightness), and two that must win on one side (the true mask, and an oracle that knows the
interventions).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.ndimage import sobel
from torch import Tensor, nn

from vebi.catalogue.architectures import FACTORY
from vebi.catalogue.methods import BUILT_IN as BUILT_IN_NAMES
from vebi.catalogue.methods import (
    CHANCE,
    METHODS,
    Method,
    Negative,
    further_methods,
    get_method,
    in_order,
    user_method,
)
from vebi.data.dataset import open_dataset
from vebi.heatmaps.draw import Targets, merged_maps
from vebi.heatmaps.heatmap_file import read_heatmaps
from vebi.heatmaps.maps import scale_to_unit
from vebi.io.errors import VebiError
from vebi.models.factory import split_factory
from vebi.models.model_file import load_model
from vebi.models.train import TrainingSettings, first_network
from vebi.network.batches import map_batches, split_batches
from vebi.network.layers import list_layers
from vebi.network.passes import to_network_input
from vebi.network.running import run
from vebi.run.checksums import check_files
from vebi.statistics import check_same_images, over_networks_and_scenes, scene_means
from vebi.studies.artefacts.measure import lattices
from vebi.studies.artefacts.score import grid_artefact_score
from vebi.studies.interventions.effects_file import Effects, read_effects
from vebi.studies.interventions.interventions_file import Intervened, read_interventions
from vebi.studies.interventions.measure import effects_on, random_maps
from vebi.studies.interventions.parts import (
    OF_A_PART,
    effects_of_parts,
    meaningful,
    shares_on_parts,
)
from vebi.studies.interventions.tables import faithfulness_of
from vebi.studies.iou.curve import area_under_curve, iou_curves
from vebi.studies.iou.localisation import mass_shares, pointing, relevance_rank
from vebi.studies.sanity.randomise import cascade, weighted_stages
from vebi.studies.sanity.similarity import rank_correlation

BATCH = 32
# What the label says, by the mask of the part that carries the class; then what the network does.
LOCALISATION = ("auc", "best_iou", "relevance_mass", "relevance_rank", "pointing")
FAITHFULNESS = ("rank_correlation", "single_deletion", "wrong_order")
# What a map shows of the network's strides, and of a network that has learnt nothing.
ARTEFACTS = ("grid", "sanity")
MEASURES = (*LOCALISATION, *FAITHFULNESS, *ARTEFACTS)
LESS_IS_BETTER = ("wrong_order", *ARTEFACTS)
CONTROLS = (CHANCE.name, "brightness", "edges", "true_mask", "oracle")
YOURS, BUILT_IN, NEGATIVE, POSITIVE = "yours", "run", "negative control", "positive control"


@dataclass(eq=False)
class Bench:
    """One network of a run with its images (n), masks and true effects; `key` is its number."""

    model: nn.Module
    key: tuple[int, ...]
    pictures: Sequence[Intervened]
    masks: NDArray[np.bool_]
    effects: Effects
    # Files with the maps of the run's methods; None: they are made here.
    heatmaps: Mapping[str, Path | None]

    @cached_property
    def inputs(self) -> Tensor:
        """The images as the network takes them: float32 (n, C, H, W)."""
        return to_network_input(self.images)

    @cached_property
    def predictions(self) -> NDArray[np.int64]:
        """The classes that the network predicts: int64 (n)."""
        parts = map_batches(
            split_batches(self.inputs, BATCH), lambda _, some: run(self.model, some).argmax(1)
        )
        return torch.cat([part for _, part in parts]).cpu().numpy()

    @cached_property
    def period(self) -> tuple[float, float]:
        """The widest lattice of the network's layers that maps of this size show, in pixels; 1: none."""
        layers = list_layers(self.model, self.inputs[:1])
        periods = [period for _, period in lattices(self.model, self.inputs[:1], layers, layers)]
        widest = np.array([(1.0, 1.0), *periods]).max(0)
        return float(widest[0]), float(widest[1])

    @cached_property
    def unlearnt(self) -> nn.Module:
        """The network with new random weights in every layer (Adebayo et al. 2018)."""
        stages = weighted_stages(self.model, self.inputs[:1])
        *_, (_, network) = cascade(self.model, stages, self.key)
        return network

    @property
    def images(self) -> NDArray[np.uint8]:
        """uint8 (n, H, W, C)."""
        return np.stack([one.image for one in self.pictures])


def methods_of(texts: Sequence[str], negative: Negative = "positive") -> list[Method]:
    """Methods as the command line names them: `FUNCTION`, or `NAME: FUNCTION`.

    Raises:
        VebiError: another form, a name that is listed twice or is taken, or a built-in method.
    """
    found: dict[str, Method] = {}
    for place, text in enumerate(texts):
        name, _, function = text.rpartition(": ")
        one = user_method(name or function, function, negative, place)
        if one.name in found or one.name in (*BUILT_IN_NAMES, *CONTROLS):
            raise VebiError(
                f"'{one.name}' stands for another method: write --method 'NAME: {function}'."
            )
        found[one.name] = one
    return list(found.values())


def benchmark(
    run_folder: Path,
    methods: Sequence[Method],
    *,
    dataset: str,
    model: str,
    factories: Sequence[str] = (),
    weights: str | None = None,
) -> pd.DataFrame:
    """Score methods, the run's methods and controls on every network of an experiment.

    With a network of the user's the run gives the images and the interventions, whose effects on that
    network are measured here; of the run's methods those are scored that explain a class.

    Args:
        run_folder: of a finished run with the study `interventions`.
        methods: those that explain the predicted class; their maps are made here.
        dataset, model: the experiment; or as `model` the user's network: `module:function` or
            `file.py:function`, which returns it.
        factories: the user's code that the run's networks may be made with.
        weights: of the user's network: a file with its state dict.

    Returns:
        A row per method: name, kind, every measure with its interval over networks and scenes, the
        seconds that its maps took per image (NaN for those that were read).

    Raises:
        VebiError: no such experiment in the run, or a method that fails.
    """
    if weights is not None and ":" not in model:
        raise VebiError(
            "--weights are of a network of yours: name it with --model file.py:function."
        )
    if ":" in model:
        benches = [_open_own(run_folder, dataset, model, weights)]
    else:
        benches = _open_all(run_folder, dataset, model, factories)
    return _score_all(benches, methods)


def _open_all(
    run_folder: Path, dataset: str, model: str, factories: Sequence[str]
) -> list["Bench"]:
    """All networks of an experiment."""
    folders = sorted((run_folder / "interventions" / dataset / model).glob("seed*/effects.h5"))
    if not folders:
        found = sorted(
            path.parents[1].relative_to(run_folder / "interventions").as_posix()
            for path in (run_folder / "interventions").glob("*/*/seed*/effects.h5")
        )
        raise VebiError(
            f"{run_folder} has no interventions on {dataset}/{model}; it has "
            f"{', '.join(dict.fromkeys(found)) or 'none: run config/interventions.yaml first'}."
        )
    benches = [_open(run_folder, path, factories) for path in folders]
    check_same_images("all networks", [bench.effects.image_index for bench in benches])
    return benches


def _score_all(benches: Sequence["Bench"], methods: Sequence[Method]) -> pd.DataFrame:
    if taken := [one.name for one in methods if one.name in benches[0].heatmaps]:
        raise VebiError(f"the run has a method '{taken[0]}' already: give yours another name.")
    scores: dict[str, list[dict[str, NDArray[np.float64]]]] = {}
    kinds: dict[str, str] = {}
    seconds: dict[str, list[float]] = {}
    with further_methods(methods):
        for bench in benches:
            for name, kind, make in _entries(bench, methods):
                if kind == YOURS and name not in seconds:
                    # What a first call alone does, such as imports, is not the method's time.
                    explain(bench.model, bench.inputs[:1], bench.predictions[:1], name)
                started = time.perf_counter()
                maps = make()
                took = (time.perf_counter() - started) / len(maps)
                kinds[name] = kind
                found = score(bench, maps) | {"sanity": _sanity(bench, name, kind, maps)}
                scores.setdefault(name, []).append(found)
                if kind == YOURS:
                    seconds.setdefault(name, []).append(took)
    scene = benches[0].effects.scene
    rows = [
        {
            "method": name,
            "kind": kinds[name],
            **_summary(found, scene),
            "seconds_per_image": float(np.mean(seconds[name])) if name in seconds else np.nan,
            "n_networks": len(benches),
            "n_images": len(scene),
        }
        for name, found in scores.items()
    ]
    return pd.DataFrame(rows).sort_values("rank_correlation", ascending=False, ignore_index=True)


def _open(run_folder: Path, path: Path, factories: Sequence[str]) -> Bench:
    """The network of an effects.h5, found by the same place in the run's other folders."""
    place = path.parent.relative_to(run_folder / "interventions")
    data = run_folder / "data" / place.parts[0]
    weights = run_folder / "models" / place / "model.pt"
    check_files(path, weights, data / "dataset.h5", data / "interventions.h5")
    pictures = list(read_interventions(data / "interventions.h5"))
    index = np.array([one.index for one in pictures])
    effects = read_effects(path)
    check_same_images(f"{path} and {data}", [effects.image_index, index])
    return Bench(
        model=load_model(weights, factories=factories)[0],
        key=(int(path.parent.name.removeprefix("seed")),),
        pictures=pictures,
        masks=open_dataset(data / "dataset.h5").read("masks", index),
        effects=effects,
        heatmaps={
            name: run_folder / "heatmaps" / place / f"{name}.h5"
            for name in effects.density
            if name != CHANCE.name
        },
    )


def _open_own(run_folder: Path, dataset: str, factory: str, weights: str | None) -> Bench:
    """A network of the user's, on the images and interventions of a run's data set."""
    split_factory(factory)
    data = run_folder / "data" / dataset
    check_files(data / "dataset.h5", data / "interventions.h5")
    images = open_dataset(data / "dataset.h5")
    settings = TrainingSettings(0, 1, "sgd", 1.0, scale=None, weights=weights)
    network, _ = first_network(images, f"{FACTORY}{factory}", settings, 0)
    network = network.eval().requires_grad_(False)
    experiments = (run_folder / "interventions" / dataset).glob("*/seed*/effects.h5")
    known = {name for path in experiments for name in read_effects(path).density}
    pictures = list(read_interventions(data / "interventions.h5"))
    return Bench(
        model=network,
        key=(0,),
        pictures=pictures,
        masks=images.read("masks", np.array([one.index for one in pictures])),
        effects=effects_on(network, images, data / "interventions.h5"),
        heatmaps={
            name: None
            for name in in_order(known & set(METHODS))
            if METHODS[name].explains == "class"
        },
    )


def _entries(
    bench: Bench, methods: Sequence[Method]
) -> list[tuple[str, str, Callable[[], NDArray[np.floating]]]]:
    """Name, kind and maps (n, H, W) in [0, 1] of everything that is scored."""
    index = bench.effects.image_index
    return [
        *(
            (
                one.name,
                YOURS,
                lambda one=one: explain(bench.model, bench.inputs, bench.predictions, one.name),
            )
            for one in methods
        ),
        *(
            (
                name,
                BUILT_IN,
                lambda name=name, path=path: (
                    explain(bench.model, bench.inputs, bench.predictions, name)
                    if path is None
                    else read_heatmaps(path, index)
                ),
            )
            for name, path in bench.heatmaps.items()
        ),
        (CHANCE.name, NEGATIVE, lambda: random_maps(index, bench.masks.shape[1:], 0)),
        ("brightness", NEGATIVE, lambda: scaled(_brightness(bench))),
        ("edges", NEGATIVE, lambda: scaled(_edges(bench))),
        ("true_mask", POSITIVE, lambda: bench.masks.astype(np.float32)),
        ("oracle", POSITIVE, lambda: oracle(bench)),
    ]


def explain(
    model: nn.Module, images: Tensor, classes: NDArray[np.int64], method: str
) -> NDArray[np.float32]:
    """A method's maps of images (n, C, H, W) for these classes (n): float32 (n, H, W)."""
    layers = list_layers(model, images[:1])

    def draw(rows: NDArray[np.int64], some: Tensor) -> NDArray[np.float32]:
        found = merged_maps(model, some, layers, Targets(classes[rows], {}), [method])
        return found[method].cpu().numpy()

    parts = map_batches(split_batches(images, BATCH), draw)
    return np.concatenate([part for _, part in parts])


def _sanity(bench: Bench, name: str, kind: str, maps: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rank correlation (n) of a method's maps with those of the network that has learnt nothing.

    What does not look at the network is 1. Methods that explain selected features are left out (NaN), as
    these have to be selected again: study `sanity` does that.
    """
    if kind in (YOURS, BUILT_IN):
        if get_method(name).explains == "features":
            return np.full(len(maps), np.nan)
        other = explain(bench.unlearnt, bench.inputs, bench.predictions, name)
        return rank_correlation(maps, other)
    return np.full(len(maps), np.nan if name == "oracle" else 1.0)


def scaled(maps: NDArray[np.floating]) -> NDArray[np.floating]:
    """Each map (n, H, W) from 0 to 1, as every method's are."""
    return scale_to_unit(torch.from_numpy(maps)).numpy()


def _brightness(bench: Bench) -> NDArray[np.float32]:
    return bench.images.mean(3, dtype=np.float32)


def _edges(bench: Bench) -> NDArray[np.float32]:
    """Length of the brightness's gradient, by Sobel's filters."""
    grey = _brightness(bench)
    return np.hypot(sobel(grey, 1), sobel(grey, 2))


def oracle(bench: Bench) -> NDArray[np.float32]:
    """Maps that show at each pixel the true effect of its part, as far as it was measured."""
    effects = bench.effects
    true = effects_of_parts(
        effects.score_drop,
        list(effects.change_parts),
        list(effects.change_kinds),
        list(effects.parts),
        OF_A_PART,
    )
    true = meaningful(true)
    low = np.nanmin(true, axis=1, keepdims=True)
    shown = np.where(np.isnan(true), low, true)
    parts = np.stack([np.stack(list(one.masks.values())) for one in bench.pictures])
    return scaled(np.einsum("np,nphw->nhw", shown, parts).astype(np.float32))


def score(bench: Bench, maps: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """Every measure of maps (n, H, W) in [0, 1], image by image (n); `best_iou`: curves (n, T)."""
    curves = iou_curves(maps, bench.masks)
    parts = np.stack([np.stack(list(one.masks.values())) for one in bench.pictures])
    mass, density = shares_on_parts(maps, parts)
    faithful = faithfulness_of(bench.effects, mass, density)
    return {
        "auc": area_under_curve(curves),
        "best_iou": curves,
        "relevance_mass": mass_shares(maps, bench.masks[:, None])[:, 0],
        "relevance_rank": relevance_rank(maps, bench.masks),
        "pointing": pointing(maps, bench.masks),
        **{name: faithful[name] for name in FAITHFULNESS},
        "grid": _grid(maps, bench.period),
    }


def _grid(maps: NDArray[np.floating], period: tuple[float, float]) -> NDArray[np.float64]:
    """Share of each map's energy (n) that the network's widest lattice makes; NaN without strides."""
    if max(period) <= 1:
        return np.full(len(maps), np.nan)
    return grid_artefact_score(maps, period)


def _summary(
    networks: Sequence[Mapping[str, NDArray[np.float64]]], scene: NDArray[np.int64]
) -> dict[str, float]:
    """Mean and interval of each measure over networks and scenes, as columns.

    The best IoU is that of one threshold for all images of a network, the best one, and has no
    interval: it is chosen on the images that it is scored on.
    """
    row: dict[str, float] = {}
    for name in MEASURES:
        if name == "best_iou":
            curves = [one[name].mean(0) for one in networks]
            row[name] = float(np.mean([curve.max() for curve in curves]))
            best = [int(curve.argmax()) / (len(curve) - 1) for curve in curves]
            row["best_threshold"] = float(np.mean(best))
            continue
        found = over_networks_and_scenes(
            np.stack([scene_means(one[name], scene) for one in networks])
        )
        row |= {
            name: float(found.value),
            f"{name}_ci_low": float(found.low),
            f"{name}_ci_high": float(found.high),
        }
    return row
