"""The parts of a picture: their names and numbers, and exact masks of each.

`parts` (..., H, W) numbers, for each pixel, what the ray through its centre hits; `shadows` tells where
the ground that it hits lies in a shadow. Together they make masks that share no pixel and leave none out.
"""

import numpy as np
from numpy.typing import NDArray

from vebi.data.an8flower.scene import (
    DISTRACTOR_OBJECTS,
    MAX_OBJECTS,
    PARTS,
    PLANT_PARTS,
    Scene,
    get_flower_set,
)

COMPANION_SUFFIX = "2"
OBJECT_NAMES = tuple(f"object{k}" for k in range(MAX_OBJECTS))
# What the pixels of `parts` number: sky is what no ray hits, the other parts are objects. New names
# come last: the numbers are stored in files.
PART_NAMES = (
    "sky",
    *(part for part in PARTS if part not in ("sky", "horizon")),
    *OBJECT_NAMES,
    "stand",
    *(part + COMPANION_SUFFIX for part in PLANT_PARTS),
)
PART_NUMBERS = {name: number for number, name in enumerate(PART_NAMES)}
# In a map of all parts, `shadow` among them, the ground in shadow has this number.
SHADOW_NUMBER = 255


def part_names_of(flower_set: str) -> tuple[str, ...]:
    """The names that the pixels of `parts` number in the files of a set, by number."""
    chosen = get_flower_set(flower_set)
    last = "soil" + COMPANION_SUFFIX if chosen.pair else OBJECT_NAMES[-1]
    return PART_NAMES[: PART_NUMBERS["stand" if chosen.hanging else last] + 1]


def visible_names(flower_set: str) -> tuple[str, ...]:
    """The parts that images of a set can show, `shadow` included, in the order of their numbers."""
    chosen = get_flower_set(flower_set)
    names = [name for name in part_names_of(flower_set) if name not in (*OBJECT_NAMES, "stand")]
    names += [*OBJECT_NAMES] * chosen.distractors + ["stand"] * chosen.hanging
    return (*names, "shadow")


def part_mask(name: str, parts: NDArray[np.uint8], shadows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of one part, `shadow` included: bool, of the shape of `parts`."""
    if name == "shadow":
        return shadows.astype(bool)
    mask = parts == PART_NUMBERS[name]
    return mask & ~shadows if name == "ground" else mask


def part_map(parts: NDArray[np.uint8], shadows: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The part of each pixel, `shadow` among them, as one number: uint8, of the shape of `parts`."""
    return np.where(shadows, np.uint8(SHADOW_NUMBER), parts)


def masks_of_map(numbers: NDArray[np.uint8], flower_set: str) -> dict[str, NDArray[np.bool_]]:
    """Masks bool of every part that the set can show, by name; the inverse of `part_map`."""
    codes = {**PART_NUMBERS, "shadow": SHADOW_NUMBER}
    return {name: numbers == codes[name] for name in visible_names(flower_set)}


def mask_of(parts: NDArray[np.uint8], scene: Scene) -> NDArray[np.bool_]:
    """Pixels (H, W) that show the part which carries the class."""
    return parts == PART_NUMBERS[scene.part]


def distractor_mask_of(parts: NDArray[np.uint8], scene: Scene) -> NDArray[np.bool_]:
    """Pixels (H, W) that show a distractor, part or object."""
    names = [item.kind for item in scene.distractors if item.kind not in DISTRACTOR_OBJECTS]
    return np.isin(parts, [PART_NUMBERS[name] for name in (*names, *OBJECT_NAMES)])
