"""Every parameter of an image, drawn from the seed and the image's index alone.

Image i shows class i mod C and base scene (i // C) // V, for C classes and V views per base. The
plant's shape belongs to the base scene and is shared by all classes; camera, light and colours
belong to the image. So a class differs from another only in what its name says, and the split by
base scene keeps near-duplicates together. What each set's classes mean is in `FLOWER_SETS`.

Only `Generator.random` and `math` are used: both give the same bits for every numpy version, so the
rendering environment and the main one draw the same scenes.
"""

import colorsys
import json
import math
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from dataclasses import replace as replaced
from typing import Any, TypeVar

import numpy as np

from vebi.io.errors import VebiError

Rgb = tuple[float, float, float]

# The colour names of the classes: hue in degrees, saturation, value (sRGB's HSV) at their centre.
CLASS_COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.0, 0.88, 0.85),
    "yellow": (51.0, 0.88, 0.93),
    "green": (125.0, 0.82, 0.68),
    "cyan": (184.0, 0.85, 0.85),
    "blue": (230.0, 0.84, 0.85),
    "magenta": (308.0, 0.80, 0.82),
}
HUE_JITTER, SATURATION_JITTER, VALUE_JITTER = 5.0, 0.06, 0.07

# Neutral colours of what carries no label: ranges of hue (degrees), saturation and value.
_Range = tuple[float, float]
NEUTRAL_COLOURS: dict[str, tuple[_Range, _Range, _Range]] = {
    "petals": ((20.0, 60.0), (0.02, 0.20), (0.60, 0.92)),
    "centre": ((20.0, 45.0), (0.10, 0.30), (0.22, 0.50)),
    "stem": ((65.0, 105.0), (0.10, 0.24), (0.36, 0.58)),
    "leaves": ((65.0, 105.0), (0.10, 0.24), (0.36, 0.62)),
    "pot": ((15.0, 45.0), (0.03, 0.26), (0.40, 0.80)),
    "soil": ((20.0, 40.0), (0.12, 0.30), (0.16, 0.30)),
    "ground": ((0.0, 360.0), (0.00, 0.10), (0.45, 0.85)),
    "sky": ((0.0, 360.0), (0.00, 0.12), (0.55, 0.92)),
    "horizon": ((0.0, 360.0), (0.00, 0.10), (0.60, 0.97)),
}
PARTS = tuple(NEUTRAL_COLOURS)
PLANT_PARTS = ("petals", "centre", "stem", "leaves", "pot", "soil")
# What a hanging plant's pot stands on.
STAND_COLOUR: tuple[_Range, _Range, _Range] = ((0.0, 360.0), (0.00, 0.08), (0.35, 0.70))

# Parts of the plant that a distractor may colour, and things that lie on the ground.
DISTRACTOR_PARTS = ("leaves", "stem", "centre")
DISTRACTOR_OBJECTS = ("ball", "pebble", "cube")
MAX_OBJECTS = 4
OBJECT_SIZE = (0.24, 0.34)  # radius in scene units


# Outlines of a petal where the form is the class; all petals are then of one colour.
PETAL_FORMS = ("round", "pointed", "notched", "strap", "spoon", "fan")
FORM_COLOUR = "red"

# A pair of flowers: the height of the lower head above the ground, and how much higher the other is.
# The least difference exceeds what the camera's roll and the pots' depths can make of it in the picture.
LOWER_HEAD, HEAD_DIFFERENCE = (1.45, 1.95), (0.45, 0.65)
PAIR_EXTENT = 3.1  # what the camera frames, in scene units: two plants side by side


@dataclass(frozen=True)
class FlowerSet:
    """What a set's classes are: `parts` that carry them, in label order, times colours or forms.

    Sets of one `family` draw the same scenes: with distractors, or with hanging plants, image i is
    image i without, plus or but for them. `about` says in a sentence what tells the classes.
    """

    parts: tuple[str, ...]
    family: int
    about: str
    distractors: bool = False
    forms: tuple[str, ...] = ()
    hanging: bool = False
    pair: bool = False

    @property
    def values(self) -> tuple[str, ...]:
        """What a part can show: a form, or else a colour."""
        return self.forms or tuple(CLASS_COLOURS)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order, such as `petals-red`."""
        words = ("taller",) if self.pair else self.parts
        return tuple(f"{word}-{value}" for word in words for value in self.values)


FLOWER_SETS: dict[str, FlowerSet] = {
    "single-6c": FlowerSet(("petals",), 1, "The class is the colour of the petals."),
    "double-12c": FlowerSet(
        ("petals", "pot"), 2, "The class is the one coloured part, petals or pot, and its colour."
    ),
    "double-12c-distractors": FlowerSet(
        ("petals", "pot"),
        2,
        "As double-12c, and every class colour is in each image once more where it means nothing.",
        distractors=True,
    ),
    "double-12c-swap": FlowerSet(
        ("petals", "pot"),
        2,
        "As double-12c, but in half of the images, in each class alike, petals and pot have swapped "
        "their places: the pot is up on a stand and the flower hangs below it. The place of the colour "
        "says nothing of the class; the shape of what has it does.",
        hanging=True,
    ),
    "shape-6c": FlowerSet(
        ("petals",),
        3,
        "The class is the form of the petals; their colour is the same in all classes.",
        forms=PETAL_FORMS,
    ),
    "pair-6c": FlowerSet(
        ("petals",),
        4,
        "The class is the petals' colour of the taller of two flowers: the one whose head is higher "
        "above the ground. The lower one's petals have any of the six colours, independently.",
        pair=True,
    ),
}


@dataclass(frozen=True)
class Leaf:
    """One leaf: place on the stem (0 to 1), angles in degrees, lengths in scene units."""

    place: float
    azimuth: float
    length: float
    width: float
    rise: float
    droop: float


@dataclass(frozen=True)
class Plant:
    """The base scene: the shapes of plant and pot. Lengths in scene units, angles in degrees."""

    petals: int
    petal_rings: int
    petal_length: float
    petal_width: float
    petal_point: float
    petal_lift: float
    petal_curl: float
    centre_radius: float
    centre_height: float
    stem_height: float
    stem_radius: float
    stem_lean: float
    head_tilt: float
    leaves: tuple[Leaf, ...]
    pot_height: float
    pot_bottom_radius: float
    pot_top_radius: float
    pot_belly: float
    rim_height: float
    rim_overhang: float

    @property
    def height(self) -> float:
        """Rough height of plant and pot above the ground, used to frame the picture."""
        return self.pot_height + self.stem_height + 0.55 * self.petal_length

    @property
    def soil_height(self) -> float:
        """Height of the soil above the pot's foot."""
        return self.pot_height - 0.07


@dataclass(frozen=True)
class View:
    """Camera and light of one image. Angles in degrees; azimuths count from the head's direction.

    The head is spun about its axis and nods further down. `pan` moves the camera's target right and up
    in scene units. `sun` is in Blender's W/m2, `ambient`
    the share of its colour that a surface facing up shows without sun.
    """

    head_spin: float
    head_nod: float
    azimuth: float
    elevation: float
    distance: float
    field_of_view: float
    roll: float
    pan: tuple[float, float]
    sun_azimuth: float
    sun_elevation: float
    sun: float
    ambient: float
    sampling_seed: int


@dataclass(frozen=True)
class Distractor:
    """Something that carries a class colour where it means nothing.

    `kind` is a part of the plant, or an object on the ground with its place (x, y), size and turn in
    degrees (zero for parts).
    """

    kind: str
    colour: str
    rgb: Rgb
    place: tuple[float, float]
    size: float
    turn: float


@dataclass(frozen=True)
class Companion:
    """The second, lower flower of a pair.

    Its pot stands at `place` (x, y), the first one's at minus that. `turn` is the direction that its
    head leans to, in degrees from the first one's; `colours` are those of its own parts.
    """

    plant: Plant
    place: tuple[float, float]
    turn: float
    head_spin: float
    head_nod: float
    colour: str
    colours: dict[str, Rgb]


@dataclass(frozen=True)
class Scene:
    """Every parameter of one image. Colours are sRGB in [0, 1].

    Which parts are where: the plant stands at the origin and grows upwards, or is one of a pair, or
    `hangs` from a pot on a stand. `removed` names parts that are left out, `shadow` meaning that
    nothing casts one: no image of a set has any, but interventions do.
    """

    flower_set: str
    seed: int
    index: int
    base: int
    label: int
    part: str
    colour: str
    plant: Plant
    view: View
    colours: dict[str, Rgb]
    distractors: tuple[Distractor, ...]
    form: str = ""
    hangs: bool = False
    companion: Companion | None = None
    removed: tuple[str, ...] = ()

    @property
    def class_name(self) -> str:
        return get_flower_set(self.flower_set).classes[self.label]

    def to_json(self) -> str:
        """One line of JSON with sorted keys: equal scenes give equal text.

        Fields that have a default and hold it are left out, so that the text of a set stays the same
        when another set needs one field more.
        """
        values = asdict(self)
        for item in fields(self):
            if item.default is not MISSING and getattr(self, item.name) == item.default:
                del values[item.name]
        return json.dumps(values, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Scene":
        """The inverse of `to_json`."""
        values = json.loads(text)
        companion = values.get("companion")
        if companion is not None:
            values["companion"] = _build(
                Companion,
                dict(
                    companion,
                    plant=_build_plant(companion["plant"]),
                    colours=_build_colours(companion["colours"]),
                ),
            )
        return _build(
            cls,
            dict(
                values,
                plant=_build_plant(values["plant"]),
                view=_build(View, values["view"]),
                colours=_build_colours(values["colours"]),
                distractors=tuple(_build(Distractor, v) for v in values["distractors"]),
            ),
        )


_Built = TypeVar("_Built")


def _build(cls: type[_Built], values: dict[str, Any]) -> _Built:
    """A dataclass from JSON's values; lists become tuples."""
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _build_plant(values: dict[str, Any]) -> Plant:
    return _build(Plant, dict(values, leaves=tuple(_build(Leaf, v) for v in values["leaves"])))


def _build_colours(values: dict[str, Any]) -> dict[str, Rgb]:
    return {part: tuple(rgb) for part, rgb in values.items()}


def get_flower_set(name: str) -> FlowerSet:
    """The set of that name."""
    if name not in FLOWER_SETS:
        raise VebiError(f"flower set '{name}' is unknown; allowed: {', '.join(FLOWER_SETS)}.")
    return FLOWER_SETS[name]


def base_of_index(flower_set: str, index: int, views_per_base: int = 5) -> int:
    """The base scene that image `index` shows."""
    return index // len(get_flower_set(flower_set).classes) // views_per_base


def split_of_base(base: int, n_folds: int = 5, fold: int = 0) -> int:
    """1 (test) if the base scene lies in the fold, else 0 (train).

    Base scenes are dealt to the folds in turn, so that every prefix of a set is balanced.
    """
    if not 0 <= fold < n_folds:
        raise VebiError(f"fold {fold} is not in 0 to {n_folds - 1}.")
    return int(base % n_folds == fold)


def sample_scene(flower_set: str, seed: int, index: int, views_per_base: int = 5) -> Scene:
    """Draw image `index` of a set. Depends on the arguments only, not on the set's size."""
    chosen = get_flower_set(flower_set)
    for name, given, least in (
        ("seed", seed, 0),
        ("index", index, 0),
        ("views", views_per_base, 1),
    ):
        if given < least:
            raise VebiError(f"{name} is {given}, expected at least {least}.")
    label = index % len(chosen.classes)
    base = base_of_index(flower_set, index, views_per_base)
    part_number, value_number = divmod(label, len(chosen.values))
    part, value = chosen.parts[part_number], chosen.values[value_number]
    colour, form = (FORM_COLOUR, value) if chosen.forms else (value, "")

    shapes = Draw(seed, chosen.family, 0, base)
    plant = _sample_plant(shapes)
    second = _sample_lower_plant(shapes, plant) if chosen.pair else None
    if second is not None:
        plant = second[1]
    draw = Draw(seed, chosen.family, 1, index)
    view = sample_view(draw, PAIR_EXTENT if chosen.pair else plant.height)
    # Every colour is drawn for every class, so that no class shifts the stream of another.
    colours = {name: draw_neutral(draw, name) for name in PARTS}
    colours[part] = draw_class_colour(draw, colour)
    distractors: tuple[Distractor, ...] = ()
    if chosen.distractors:
        distractors = _sample_distractors(Draw(seed, chosen.family, 2, index), plant, view)
        colours.update({d.kind: d.rgb for d in distractors if d.kind in DISTRACTOR_PARTS})
    hangs, companion = False, None
    if chosen.hanging:
        # One of every two images of a class in turn, by lot which.
        turn, which = divmod(index // len(chosen.classes), 2)
        lot = Draw(seed, chosen.family, 3, len(chosen.classes) * turn + label).integer(0, 1)
        hangs = which == lot
        colours["stand"] = draw_colour(Draw(seed, chosen.family, 4, index), STAND_COLOUR)
    if second is not None:
        companion = _sample_companion(Draw(seed, chosen.family, 5, index), second[0], view)
    return Scene(
        *(flower_set, seed, index, base, label, part, colour, plant, view, colours, distractors),
        form=form,
        hangs=hangs,
        companion=companion,
    )


class Draw:
    """A stream of numbers for one purpose; numbers are rounded to keep the stored JSON short."""

    def __init__(self, *key: int) -> None:
        self._generator = np.random.default_rng(np.random.SeedSequence(key))

    def uniform(self, low: float, high: float) -> float:
        return round(low + (high - low) * float(self._generator.random()), 5)

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int((high - low + 1) * float(self._generator.random()))

    def pick(self, values: Sequence[str]) -> str:
        return values[self.integer(0, len(values) - 1)]

    def some(self, values: Sequence[str], n: int) -> list[str]:
        """`n` different values in random order."""
        left = list(values)
        return [left.pop(self.integer(0, len(left) - 1)) for _ in range(n)]


def _sample_plant(draw: Draw) -> Plant:
    rings = draw.integer(1, 2)
    petals = draw.integer(5, 9)
    petal_length = draw.uniform(0.62, 0.80)
    # Few petals are wide and many are narrow, so that the ring is nearly closed.
    petal_width = round(
        draw.uniform(0.9, 1.15) * petal_length * math.sin(math.pi / petals) * 1.05, 5
    )
    top = draw.uniform(0.48, 0.60)
    bottom = round(top * draw.uniform(0.62, 0.85), 5)
    n_leaves = draw.integer(2, 4)
    first = draw.uniform(0.0, 360.0)
    leaves = tuple(
        Leaf(
            place=draw.uniform(0.10, 0.20) + round(0.42 * k / n_leaves, 5),
            azimuth=round((first + k * 137.5 + draw.uniform(-15.0, 15.0)) % 360.0, 5),
            length=draw.uniform(0.50, 0.72),
            width=draw.uniform(0.13, 0.19),
            rise=draw.uniform(25.0, 55.0),
            droop=draw.uniform(0.25, 0.60),
        )
        for k in range(n_leaves)
    )
    return Plant(
        petals=petals,
        petal_rings=rings,
        petal_length=petal_length,
        petal_width=petal_width,
        petal_point=draw.uniform(2.2, 5.0),
        petal_lift=draw.uniform(0.10, 0.38),
        petal_curl=draw.uniform(-0.30, 0.10),
        centre_radius=draw.uniform(0.17, 0.24),
        centre_height=draw.uniform(0.45, 0.75),
        stem_height=draw.uniform(1.00, 1.35),
        stem_radius=draw.uniform(0.040, 0.055),
        stem_lean=draw.uniform(0.04, 0.18),
        head_tilt=draw.uniform(32.0, 55.0),
        leaves=leaves,
        pot_height=draw.uniform(0.75, 0.95),
        pot_bottom_radius=bottom,
        pot_top_radius=top,
        pot_belly=draw.uniform(-0.02, 0.08),
        rim_height=draw.uniform(0.12, 0.20),
        rim_overhang=draw.uniform(0.03, 0.07),
    )


def _sample_lower_plant(draw: Draw, plant: Plant) -> tuple[Plant, Plant]:
    """Another plant, and `plant` with a stem that brings its head above the other's."""
    other = _sample_plant(draw)
    low = draw.uniform(*LOWER_HEAD)
    high = low + draw.uniform(*HEAD_DIFFERENCE)
    return (
        replaced(other, stem_height=round(low - other.soil_height, 5)),
        replaced(plant, stem_height=round(high - plant.soil_height, 5)),
    )


def _sample_companion(draw: Draw, plant: Plant, view: View) -> Companion:
    """Left or right of the first flower as seen by the camera, and at the same distance from it."""
    side = 90.0 if draw.integer(0, 1) else -90.0
    angle = math.radians(view.azimuth + side + draw.uniform(-5.0, 5.0))
    radius = draw.uniform(1.0, 1.1)
    colour = draw.pick(tuple(CLASS_COLOURS))
    colours = {name: draw_neutral(draw, name) for name in PLANT_PARTS}
    colours["petals"] = draw_class_colour(draw, colour)
    return Companion(
        plant=plant,
        place=(round(radius * math.cos(angle), 5), round(radius * math.sin(angle), 5)),
        turn=round(view.azimuth - draw.uniform(-65.0, 65.0), 5),
        head_spin=draw.uniform(0.0, 360.0),
        head_nod=draw.uniform(-8.0, 8.0),
        colour=colour,
        colours=colours,
    )


def sample_view(draw: Draw, extent: float) -> View:
    """Camera and light; `extent` is what the picture is to frame, in scene units."""
    field_of_view = draw.uniform(28.0, 38.0)
    fill = draw.uniform(0.66, 0.80)
    distance = extent / fill / (2.0 * math.tan(math.radians(field_of_view) / 2.0))
    return View(
        head_spin=draw.uniform(0.0, 360.0),
        head_nod=draw.uniform(-8.0, 8.0),
        azimuth=draw.uniform(-65.0, 65.0),
        elevation=draw.uniform(8.0, 32.0),
        distance=round(distance, 5),
        field_of_view=field_of_view,
        roll=draw.uniform(-6.0, 6.0),
        pan=(draw.uniform(-0.20, 0.20), draw.uniform(-0.12, 0.12)),
        sun_azimuth=draw.uniform(-80.0, 80.0),
        sun_elevation=draw.uniform(35.0, 65.0),
        sun=draw.uniform(1.7, 2.4),
        ambient=draw.uniform(0.30, 0.42),
        sampling_seed=draw.integer(0, 2**30),
    )


def _sample_distractors(draw: Draw, plant: Plant, view: View) -> tuple[Distractor, ...]:
    """One distractor in each class colour, the image's own included: parts and objects.

    Every image shows every class colour where it means nothing, so that no colour alone says anything
    about the class: only the part that has it does.
    """
    colours = draw.some(tuple(CLASS_COLOURS), len(CLASS_COLOURS))
    n_parts = draw.integer(len(colours) - MAX_OBJECTS, len(DISTRACTOR_PARTS))
    found = []
    for kind in draw.some(DISTRACTOR_PARTS, n_parts):
        colour = colours.pop()
        found.append(
            Distractor(kind, colour, draw_class_colour(draw, colour), (0.0, 0.0), 0.0, 0.0)
        )
    # One quarter of the ground for each object, left and right of the line from camera to pot, so far
    # apart in angle (degrees) that the largest neither touch nor hide each other or the pot.
    quarters = ("62", "114", "-62", "-114")
    for quarter in draw.some(quarters, len(colours)):
        kind, colour = draw.pick(DISTRACTOR_OBJECTS), colours.pop()
        size = draw.uniform(*OBJECT_SIZE)
        side = math.copysign(1.0, int(quarter))
        angle = math.radians(view.azimuth + int(quarter) + side * draw.uniform(0.0, 8.0))
        radius = plant.pot_top_radius + plant.rim_overhang + size + draw.uniform(0.05, 0.20)
        found.append(
            Distractor(
                kind,
                colour,
                draw_class_colour(draw, colour),
                (round(radius * math.cos(angle), 5), round(radius * math.sin(angle), 5)),
                size,
                draw.uniform(0.0, 360.0),
            )
        )
    return tuple(found)


def draw_class_colour(draw: Draw, name: str) -> Rgb:
    hue, saturation, value = CLASS_COLOURS[name]
    return _rgb(
        hue + draw.uniform(-HUE_JITTER, HUE_JITTER),
        saturation + draw.uniform(-SATURATION_JITTER, SATURATION_JITTER),
        value + draw.uniform(-VALUE_JITTER, VALUE_JITTER),
    )


def draw_neutral(draw: Draw, part: str) -> Rgb:
    return draw_colour(draw, NEUTRAL_COLOURS[part])


def draw_colour(draw: Draw, ranges: tuple[_Range, _Range, _Range]) -> Rgb:
    hue, saturation, value = ranges
    return _rgb(draw.uniform(*hue), draw.uniform(*saturation), draw.uniform(*value))


def _rgb(hue: float, saturation: float, value: float) -> Rgb:
    red, green, blue = colorsys.hsv_to_rgb((hue % 360.0) / 360.0, saturation, value)
    return round(red, 5), round(green, 5), round(blue, 5)
