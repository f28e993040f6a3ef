"""A network that is known to use one part alone, in files as a run has them."""

from pathlib import Path

import h5py
import numpy as np
import torch
from torch import nn

from vebi.config.interventions import EffectConfig
from vebi.data.an8flower.changes import changes_of, other_part
from vebi.data.an8flower.parts import PART_NUMBERS, part_names_of
from vebi.data.an8flower.scene import Scene, sample_scene
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.descriptors.describe import describe
from vebi.descriptors.descriptor_file import open_descriptors
from vebi.heatmaps.interpreted_network import InterpretedNetwork
from vebi.studies.interventions.effects_file import Effects, read_effects
from vebi.studies.interventions.measure import measure

SET, SIZE = "single-6c", 24
CHANGES = changes_of(SET)
# Rows of pixels of each part, and its colour; the petals' red is the class.
ROWS = {"sky": (0, 6), "petals": (6, 12), "stem": (12, 15), "pot": (15, 20), "ground": (20, 24)}
COLOURS = {"sky": (0, 0, 90), "petals": (200, 0, 0), "stem": (0, 80, 0), "pot": (0, 60, 60)}
GROUND = (0, 40, 0)


class RedLooker(nn.Module):
    """The first class's score is the mean red, the second one's a constant, any other's zero."""

    def __init__(self, n_classes: int = 2) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.relu, self.pool, self.flat = nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.fc = nn.Linear(2, n_classes)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[0, 0] = 1.0
            self.conv.weight[1, 2] = 1.0
            self.conv.bias.zero_()
            self.fc.weight.zero_()
            self.fc.bias.zero_()
            self.fc.weight[0, 0] = 1.0
            self.fc.bias[1] = 5.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.flat(self.pool(self.relu(self.conv(x)))))


def picture(colours: dict[str, tuple[int, int, int]]) -> np.ndarray:
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    for part, (first, last) in ROWS.items():
        image[first:last] = {"ground": GROUND, **colours}[part]
    return image


def changed(part: str, kind: str, scene: Scene) -> np.ndarray | None:
    """The picture after a change; None for what these pictures do not have."""
    name = other_part(scene) if part == "other" else part
    if kind == "removed" and name in ("petals", "stem", "pot"):
        return picture({**COLOURS, name: COLOURS["sky"]})
    if kind == "neutral" and name in COLOURS:
        # A neutral part has a little of every colour.
        return picture({**COLOURS, name: (30, 30, 30)})
    return None


def write_files(folder: Path) -> None:
    """A data set, its interventions, descriptors and heatmaps of two methods."""
    n, k = 4, len(CHANGES)
    images = np.stack([picture(COLOURS)] * 8)
    split = np.repeat([0, 1], 4)
    write_dataset(folder / "dataset.h5", Images(images, np.zeros(8, int), split, ["red", "no"]))
    numbers = np.zeros((SIZE, SIZE), np.uint8)
    for part, (first, last) in ROWS.items():
        numbers[first:last] = PART_NUMBERS[part]
    scenes = [sample_scene(SET, 0, 6 * i, views_per_base=1) for i in range(n)]
    with h5py.File(folder / "interventions.h5", "w") as file:
        after = np.stack([images[4:]] * k, 1)
        applies = np.zeros((n, k), bool)
        for column, change in enumerate(CHANGES):
            for row, scene in enumerate(scenes):
                if (found := changed(change.part, change.kind, scene)) is not None:
                    after[row, column], applies[row, column] = found, True
        file["images"], file["applies"] = after, applies
        file["masks"] = np.zeros((n, k, SIZE, SIZE), bool)
        file["originals"], file["index"] = images[4:], np.arange(4, 8)
        file["parts"] = np.stack([numbers] * n)
        file["shadows"] = np.zeros((n, SIZE, SIZE), bool)
        file["labels"], file["base_scene"] = np.zeros(n, int), np.arange(n)
        file.create_dataset(
            "parameters", data=[s.to_json() for s in scenes], dtype=h5py.string_dtype()
        )
        file.attrs["change_parts"] = [change.part for change in CHANGES]
        file.attrs["change_kinds"] = [change.kind for change in CHANGES]
        file.attrs["part_names"] = list(part_names_of(SET))
        file.attrs["flower_set"] = SET
    describe(RedLooker().eval(), open_dataset(folder / "dataset.h5"), folder / "descriptors.h5")
    # One map follows the red, one its opposite.
    red = images[4:, ..., 0] / 200
    for name, maps in (("lrp", red), ("grad_cam", 1 - red)):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["heatmaps"], file["image_index"] = maps.astype(np.float32), np.arange(4, 8)


def network(folder: Path, *, red_weight: float = 1.0) -> InterpretedNetwork:
    descriptors = open_descriptors(folder / "descriptors.h5")
    weights = np.zeros((2, len(descriptors.feature_layer)))
    # The first channel of the convolution, for the first class.
    weights[0, 0] = red_weight
    dataset = open_dataset(folder / "dataset.h5")
    return InterpretedNetwork(RedLooker().eval(), dataset, descriptors, weights)


def observe(folder: Path, out: Path, batch_size: int = 7) -> Effects:
    maps = {name: folder / f"{name}.h5" for name in ("lrp", "grad_cam")}
    settings = EffectConfig(features=2, batch_size=batch_size)
    measure(network(folder), folder / "interventions.h5", maps, out, settings, seed=3)
    return read_effects(out)
