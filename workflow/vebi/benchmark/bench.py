"""A network with what its explanations are scored on, from the package, a run, or the user's code."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.catalogue.architectures import FACTORY
from vebi.catalogue.methods import CHANCE, METHODS
from vebi.data.an8flower.scene import get_flower_set
from vebi.heatmaps.draw import Targets, merged_maps
from vebi.heatmaps.heatmap_file import read_heatmaps
from vebi.io.errors import VebiError
from vebi.models.factory import split_factory
from vebi.models.model_file import load_model
from vebi.models.train import ImageTask, TrainingSettings, given_network
from vebi.network.batches import map_batches, split_batches
from vebi.network.layers import list_layers
from vebi.network.passes import to_network_input
from vebi.network.running import run
from vebi.run.checksums import check_files
from vebi.statistics import check_same_images
from vebi.studies.artefacts.measure import lattices
from vebi.studies.interventions.effects_file import Effects, read_effects
from vebi.studies.interventions.interventions_file import (
    Intervened,
    read_changes,
    read_interventions,
)
from vebi.studies.interventions.measure import effects_on
from vebi.studies.sanity.randomise import cascade, weighted_stages

Maps = NDArray[np.floating]
BATCH = 32


@dataclass(eq=False)
class Bench:
    """A network with images (n), masks and true effects.

    Attributes:
        name: of the network, in tables.
        seed: its number among those of this name.
        model: in evaluation mode.
        pictures: the images, with the masks of their parts.
        effects: what the interventions do to this network.
        known: maps (n, H, W) in [0, 1] of the methods to score alongside the user's, made when asked for.
    """

    name: str
    seed: int
    model: nn.Module
    pictures: Sequence[Intervened]
    effects: Effects
    known: Mapping[str, Callable[[], Maps]] = field(default_factory=dict)

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """uint8 (n, H, W, C)."""
        return np.stack([one.image for one in self.pictures])

    @cached_property
    def inputs(self) -> Tensor:
        """The images as the network takes them: float32 (n, C, H, W)."""
        return to_network_input(self.images)

    @cached_property
    def parts(self) -> NDArray[np.bool_]:
        """Masks of the parts that `effects` names: bool (n, P, H, W)."""
        return np.stack([np.stack(list(one.masks.values())) for one in self.pictures])

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """Of the part that carries each image's class: bool (n, H, W)."""
        return self.parts[np.arange(len(self.parts)), self.effects.class_part]

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
        *_, (_, network) = cascade(self.model, stages, (self.seed,))
        return network

    def first(self, n: int) -> "Bench":
        """The same with the first n images alone."""
        return replace(self, pictures=self.pictures[:n], known={})

    def explain(self, method: str, *, unlearnt: bool = False) -> Maps:
        """A method's maps of the images for the predicted classes: float32 (n, H, W) in [0, 1].

        Args:
            method: a name of the catalogue; one that explains the class.
            unlearnt: of the network whose weights are random.
        """
        model = self.unlearnt if unlearnt else self.model
        layers = list_layers(model, self.inputs[:1])

        def draw(rows: NDArray[np.int64], some: Tensor) -> NDArray[np.float32]:
            targets = Targets(self.predictions[rows], {})
            return merged_maps(model, some, layers, targets, [method])[method].cpu().numpy()

        parts = map_batches(split_batches(self.inputs, BATCH), draw)
        return np.concatenate([part for _, part in parts])

    @staticmethod
    def of(name: str, seed: int, model: nn.Module, interventions: Path) -> "Bench":
        """A network on the images of a file of interventions, whose effects are measured here."""
        pictures = list(read_interventions(interventions))
        effects = effects_on(model, pictures, read_changes(interventions))
        return Bench(name, seed, model, pictures, effects)


def open_run(
    run_folder: Path, dataset: str, model: str | None = None, factories: Sequence[str] = ()
) -> list[Bench]:
    """The networks of a run's experiments on a data set.

    Args:
        run_folder: of a finished run with the study `interventions`.
        dataset: its name there.
        model: the network's name there; None: all that there are.
        factories: the user's code that the run's networks may be made with.

    Raises:
        VebiError: no such experiment in the run, or files that do not belong together.
    """
    root = run_folder / "interventions"
    paths = sorted((root / dataset).glob(f"{model or '*'}/seed*/effects.h5"))
    if not paths:
        wanted = f"{dataset}/{model}" if model else dataset
        known = sorted(
            path.parents[1].relative_to(root).as_posix()
            for path in root.glob("*/*/seed*/effects.h5")
        )
        raise VebiError(
            f"{run_folder} has no interventions on {wanted}; it has "
            f"{', '.join(dict.fromkeys(known)) or 'none: run config/interventions.yaml first'}."
        )
    benches = [_open(run_folder, path, factories) for path in paths]
    check_same_images("all networks", [bench.effects.image_index for bench in benches])
    return benches


def _open(run_folder: Path, path: Path, factories: Sequence[str]) -> Bench:
    """The network of an effects.h5, found by the same place in the run's other folders."""
    place = path.parent.relative_to(run_folder / "interventions")
    interventions = run_folder / "data" / place.parts[0] / "interventions.h5"
    weights = run_folder / "models" / place / "model.pt"
    check_files(path, weights, interventions)
    pictures = list(read_interventions(interventions))
    effects = read_effects(path)
    index = np.array([one.index for one in pictures])
    check_same_images(f"{path} and {interventions}", [effects.image_index, index])
    return Bench(
        name=place.parts[1],
        seed=int(path.parent.name.removeprefix("seed")),
        model=load_model(weights, factories=factories)[0],
        pictures=pictures,
        effects=effects,
        known={
            name: partial(read_heatmaps, run_folder / "heatmaps" / place / f"{name}.h5", index)
            for name in effects.density
            if name != CHANCE.name
        },
    )


def open_own(interventions: Path, factory: str, weights: str | None = None) -> Bench:
    """A network of the user's, next to the built-in methods that explain a class.

    Features would have to be selected in it first.

    Args:
        interventions: the images, and what is changed in them.
        factory: `module:function` or `file.py:function`, which returns the network.
        weights: a file with its state dict.

    Raises:
        VebiError: no such function, or a network that does not fit the images and their classes.
    """
    split_factory(factory)
    check_files(interventions)
    scene = next(iter(read_interventions(interventions)))
    classes = get_flower_set(scene.scene.flower_set).classes
    height, width, depth = scene.image.shape
    settings = TrainingSettings(0, 1, "sgd", 1.0, scale=None, weights=weights)
    task = ImageTask((height, width, depth), classes, classes)
    network, _, _ = given_network(task, f"{FACTORY}{factory}", settings, 0)
    bench = Bench.of(factory, 0, network.eval().requires_grad_(False), interventions)
    bench.known = {
        name: partial(bench.explain, name)
        for name, one in METHODS.items()
        if one.explains == "class"
    }
    return bench
