"""Interventions: the same scene with ONE thing changed, as parameters of a scene.

Each change has a part and a kind:

- `neutral`: the part gets another colour from the range of those that carry no label (`sky` together
  with its horizon). If the part carries the class, the class colour goes; if it is a coloured
  distractor, the distractor goes; else it is the control that a neutral colour is replaced by another.
- `removed`: the part is gone, with its shadow (`pot` with the soil in it; `shadow`: nothing casts one).
- `class_colour`: the other part that could carry the class gets the image's class colour, too.
- `moved`: it gets the class colour, and the part that had it gets a neutral one.
- `other_form`: the petals get the form of the next class.
- `another`: `background` gets other colours of sky and ground, `light` another sun and ambient light.

What replaces the old is drawn from the seed and the image's index alone, in the same ranges.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vebi.data.an8flower.geometry import contact_pixels
from vebi.data.an8flower.parts import COMPANION_SUFFIX, OBJECT_NAMES, PART_NUMBERS, part_mask
from vebi.data.an8flower.scene import (
    DISTRACTOR_OBJECTS,
    PARTS,
    PETAL_FORMS,
    PLANT_PARTS,
    STAND_COLOUR,
    Draw,
    Rgb,
    Scene,
    View,
    draw_colour,
    draw_neutral,
    get_flower_set,
    sample_view,
)
from vebi.io.errors import VebiError

KINDS = ("neutral", "removed", "class_colour", "moved", "other_form", "another")
REMOVED_WITH = {"pot": ("soil",), "pot" + COMPANION_SUFFIX: ("soil" + COMPANION_SUFFIX,)}


@dataclass(frozen=True)
class Change:
    """One thing that an intervention changes: see the module's docstring."""

    part: str
    kind: str


def changes_of(flower_set: str) -> tuple[Change, ...]:
    """All changes of a set's images, in the order of the intervention files."""
    chosen = get_flower_set(flower_set)
    plants = [*PLANT_PARTS] + [part + COMPANION_SUFFIX for part in PLANT_PARTS] * chosen.pair
    stand = ["stand"] * chosen.hanging
    found = [Change(part, "neutral") for part in [*plants, *stand, "ground", "sky"]]
    gone = [part for part in plants if not part.startswith("soil")]
    objects = [*OBJECT_NAMES] * chosen.distractors
    found += [Change(part, "removed") for part in [*gone, *stand, *objects, "shadow"]]
    if chosen.forms:
        found.append(Change("petals", "other_form"))
    elif chosen.pair:
        other = "petals" + COMPANION_SUFFIX
        found += [Change(other, "class_colour"), Change(other, "moved")]
    else:
        # Which of the two it is depends on the image: the one that does not carry the class.
        found += [Change("other", "class_colour"), Change("other", "moved")]
    return (*found, Change("background", "another"), Change("light", "another"))


def other_part(scene: Scene) -> str:
    """The part that carries the class in other images of the set, or could."""
    if scene.companion is not None:
        return "petals" + COMPANION_SUFFIX
    return "pot" if scene.part == "petals" else "petals"


def apply_change(scene: Scene, change: Change) -> Scene | None:
    """The scene with that one thing changed; None where it has no such thing.

    Raises:
        VebiError: `change` is none of `changes_of` the scene's set.
    """
    if change not in changes_of(scene.flower_set):
        raise VebiError(
            f"change '{change.kind}' of '{change.part}' is unknown in set {scene.flower_set}; it has "
            f"{', '.join(f'{c.kind} {c.part}' for c in changes_of(scene.flower_set))}."
        )
    if change.kind == "removed":
        things = [item for item in scene.distractors if item.kind in DISTRACTOR_OBJECTS]
        if change.part in OBJECT_NAMES[len(things) :] or _lacks(scene, change.part):
            return None
        return replace(scene, removed=(change.part, *REMOVED_WITH.get(change.part, ())))
    if change.kind == "other_form":
        following = PETAL_FORMS.index(scene.form) + 1
        return replace(scene, form=PETAL_FORMS[following % len(PETAL_FORMS)])
    colours, view = _draw_alternatives(scene)
    if change.part == "light":
        return replace(scene, view=view)
    if change.part == "background":
        return _recolour(scene, {name: colours[name] for name in ("sky", "horizon", "ground")})
    if change.kind == "neutral":
        if _lacks(scene, change.part):
            return None
        names = ("sky", "horizon") if change.part == "sky" else (change.part,)
        kept = tuple(item for item in scene.distractors if item.kind != change.part)
        changed = _recolour(scene, {name: colours[name] for name in names})
        return replace(changed, distractors=kept)
    added = {other_part(scene): scene.colours[scene.part]}
    taken = {scene.part: colours[scene.part]} if change.kind == "moved" else {}
    return _recolour(scene, {**added, **taken})


def _lacks(scene: Scene, part: str) -> bool:
    return part == "stand" and not scene.hangs


def _draw_alternatives(scene: Scene) -> tuple[dict[str, Rgb], View]:
    """Other colours of every part of the set, and the view with other light."""
    chosen = get_flower_set(scene.flower_set)
    draw = Draw(scene.seed, chosen.family, 6, scene.index)
    light = sample_view(draw, scene.plant.height)
    names = ("sun_azimuth", "sun_elevation", "sun", "ambient")
    view = replace(scene.view, **{name: getattr(light, name) for name in names})
    colours = {part: draw_neutral(draw, part) for part in PARTS}
    colours |= {part + COMPANION_SUFFIX: draw_neutral(draw, part) for part in PLANT_PARTS}
    colours["stand"] = draw_colour(draw, STAND_COLOUR)
    return colours, view


def _recolour(scene: Scene, new: dict[str, Rgb]) -> Scene:
    """The scene with other colours of some parts, those of the companion included."""
    own = {name: rgb for name, rgb in new.items() if not name.endswith(COMPANION_SUFFIX)}
    scene = replace(scene, colours={**scene.colours, **own})
    if scene.companion is None:
        return scene
    theirs = {name.removesuffix(COMPANION_SUFFIX): new[name] for name in new.keys() - own.keys()}
    companion = scene.companion
    return replace(scene, companion=replace(companion, colours={**companion.colours, **theirs}))


def changed_region(
    change: Change,
    scene: Scene,
    before: tuple[NDArray[np.uint8], NDArray[np.bool_]],
    after: tuple[NDArray[np.uint8], NDArray[np.bool_]],
) -> NDArray[np.bool_]:
    """The pixels that a change is about: its parts, and where it moves a part or a shadow.

    Args:
        change: one of `changes_of`.
        scene: the scene before.
        before: part numbers (H, W) and bool (H, W) what the sun reaches, of the scene before.
        after: the same of the scene after.

    Returns:
        bool (H, W). What differs outside is only the rim of these pixels, which show more than one
        part.
    """
    (parts, lit), (new_parts, new_lit) = before, after
    nothing = np.zeros_like(lit)
    differs = (parts != new_parts) | (lit != new_lit)
    names = {
        "background": ("sky", "ground"),
        "light": tuple(name for name in PART_NUMBERS if name != "sky"),
        "shadow": (),
        "other": (other_part(scene),),
    }.get(change.part, (change.part, *REMOVED_WITH.get(change.part, ())))
    if change.kind == "moved":
        names = (*names, scene.part)
    if change == Change("pot", "removed"):
        differs |= part_mask("ground", parts, nothing) & contact_pixels(scene, len(parts))
    return differs | np.any(
        [part_mask(name, parts, nothing) for name in names] or [nothing], axis=0
    )
