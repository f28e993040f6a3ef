"""Meshes, camera and sun of a scene as numpy arrays, in scene units, z up, the ground at 0.

A plant is built with its head leaning towards +x and its pot's foot at the origin. Nothing here knows
of Blender, so that a test can cast rays at the same shapes.
"""

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vebi.data.an8flower.parts import COMPANION_SUFFIX
from vebi.data.an8flower.scene import DISTRACTOR_OBJECTS, Leaf, Plant, Rgb, Scene, View

# A hanging flower faces forwards where an upright one looks up.
HANGING_TILT = 50.0
# How far below the others' the ground of a hanging flower lies, which has to clear it.
HANGING_GROUND = -0.40
# How far the ground is darker around a pot, in radii of its foot.
CONTACT_REACH = 1.8


# Meshes are compared by identity: equal shapes come out of the caches below as one object.
@dataclass(frozen=True, eq=False)
class Mesh:
    """`vertices` float64 (V, 3), `quads` int32 (F, 4), `shade` (V): a factor on the surface's colour."""

    vertices: NDArray[np.float64]
    quads: NDArray[np.int32]
    shade: NDArray[np.float64]

    def moved(self, matrix: NDArray[np.float64]) -> "Mesh":
        """The mesh under an affine map, a (4, 4) matrix."""
        return Mesh(self.vertices @ matrix[:3, :3].T + matrix[:3, 3], self.quads, self.shade)


def join(meshes: list[Mesh]) -> Mesh:
    """One mesh of several."""
    offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.quads + offset for mesh, offset in zip(meshes, offsets, strict=True)]),
        np.concatenate([mesh.shade for mesh in meshes]),
    )


def _grid(points: NDArray[np.float64], shade: NDArray[np.float64], closed: bool = False) -> Mesh:
    """A sheet of points (rows, columns, 3); `closed` joins the last column to the first."""
    rows, columns = points.shape[:2]
    number = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    if closed:
        number = np.concatenate([number, number[:, :1]], axis=1)
    quads = np.stack([number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]], axis=-1)
    shade = np.broadcast_to(shade, (rows, columns))
    return Mesh(points.reshape(-1, 3), quads.reshape(-1, 4), shade.reshape(-1).astype(float))


def _lathe(profile: list[tuple[float, float]], shade: list[float], segments: int = 40) -> Mesh:
    """A surface of revolution of a smooth run of (radius, height) points."""
    radius, height = np.array(profile).T
    angle = np.linspace(0.0, 2.0 * np.pi, segments, endpoint=False)
    points = np.stack(
        [
            radius[:, None] * np.cos(angle),
            radius[:, None] * np.sin(angle),
            np.broadcast_to(height[:, None], (len(radius), segments)),
        ],
        axis=-1,
    )
    return _grid(points, np.array(shade)[:, None], closed=True)


def rotation(axis: str, degrees: float) -> NDArray[np.float64]:
    """(4, 4) rotation about x, y or z."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(4)
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


def translation(x: float, y: float, z: float) -> NDArray[np.float64]:
    """(4, 4) translation."""
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return matrix


@dataclass(frozen=True)
class Thing:
    """An object of a scene: its shape, where it is (4, 4), and its colour in sRGB."""

    mesh: Mesh
    matrix: NDArray[np.float64]
    colour: Rgb

    @property
    def vertices(self) -> NDArray[np.float64]:
        """Corners (V, 3) in the scene's frame."""
        return self.mesh.vertices @ self.matrix[:3, :3].T + self.matrix[:3, 3]


def things_of(scene: Scene, with_removed: bool = False) -> dict[str, Thing]:
    """All objects of a scene by the names of `parts.PART_NAMES`, by default without removed ones."""
    plant, view, companion = scene.plant, scene.view, scene.companion
    stands, floor, drop = np.eye(4), translation(0, 0, floor_of(scene)), None
    if scene.hangs:
        place = hanging_place(plant, view)
        stands, drop = place.matrix, place.drop
    elif companion is not None:
        stands = translation(-companion.place[0], -companion.place[1], 0.0)
    head = head_matrix(plant, view.head_spin, view.head_nod, drop)
    found = _place_plant(plant_meshes(plant, scene.form, drop), stands, head, scene.colours)
    if scene.hangs:
        height = stands[2, 3] - HANGING_GROUND
        below = translation(stands[0, 3], stands[1, 3], HANGING_GROUND)
        found["stand"] = Thing(_stand(height), below, scene.colours["stand"])
    foot = plant.pot_bottom_radius if _has_contact(scene) else 0.0
    ground = _ground(foot, "pot" not in scene.removed)
    found["ground"] = Thing(ground, floor, scene.colours["ground"])
    if companion is not None:
        stands = translation(*companion.place, 0.0) @ rotation("z", companion.turn)
        head = head_matrix(companion.plant, companion.head_spin, companion.head_nod)
        meshes = plant_meshes(companion.plant)
        for name, thing in _place_plant(meshes, stands, head, companion.colours).items():
            found[name + COMPANION_SUFFIX] = thing
    objects = [item for item in scene.distractors if item.kind in DISTRACTOR_OBJECTS]
    for k, item in enumerate(objects):
        matrix = translation(*item.place, 0.0) @ rotation("z", item.turn)
        matrix[:3, :3] *= item.size
        found[f"object{k}"] = Thing(object_mesh(item.kind), matrix, item.rgb)
    gone = () if with_removed else scene.removed
    return {name: thing for name, thing in found.items() if name not in gone}


def _has_contact(scene: Scene) -> bool:
    """Whether the ground is darker where the pot stands: the first sets have one pot, in the middle."""
    return scene.companion is None and not scene.hangs


def contact_pixels(scene: Scene, size: int) -> NDArray[np.bool_]:
    """Where the ground would be darker for the pot that stands on it, if seen: bool (size, size)."""
    if not _has_contact(scene):
        return np.zeros((size, size), bool)
    camera = camera_matrix(scene.plant, scene.view)
    x, y = np.meshgrid(*[(np.arange(size) + 0.5) - size / 2] * 2)
    rays = np.stack([x, -y, np.full_like(x, -_focal(scene.view, size))], -1) @ camera[:3, :3].T
    along = np.where(rays[..., 2] < 0, -camera[2, 3] / np.minimum(rays[..., 2], -1e-9), np.inf)
    with np.errstate(invalid="ignore"):
        point = camera[:2, 3] + along[..., None] * rays[..., :2]
    return np.linalg.norm(point, axis=-1) < CONTACT_REACH * scene.plant.pot_bottom_radius


def _focal(view: View, size: int) -> float:
    """The camera's focal length in pixels."""
    return 0.5 * size / math.tan(math.radians(view.field_of_view) / 2.0)


def _place_plant(
    meshes: dict[str, Mesh],
    stands: NDArray[np.float64],
    head: NDArray[np.float64],
    colours: dict[str, Rgb],
) -> dict[str, Thing]:
    return {
        name: Thing(mesh, stands @ head if name in ("petals", "centre") else stands, colours[name])
        for name, mesh in meshes.items()
    }


@lru_cache(maxsize=8)
def plant_meshes(plant: Plant, form: str = "", drop: float | None = None) -> dict[str, Mesh]:
    """Meshes of the plant's parts and the pot, by name; petals and centre in the head's own frame.

    With `drop` the plant hangs, and its head is at that height from the pot's foot.
    """
    return {
        "petals": _petals(plant, form),
        "centre": _centre(plant),
        "stem": _stem(plant, drop),
        "leaves": join([_leaf(plant, leaf, drop) for leaf in plant.leaves]),
        "pot": _pot(plant),
        "soil": _soil(plant),
    }


def stem_point(
    plant: Plant, place: NDArray[np.float64] | float, drop: float | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points and unit tangents (..., 3) of the stem's curve, which lies in the x-z plane.

    Upright it is a quadratic Bezier curve; hanging it is one of degree 4 that rises, bends over the
    pot's rim, comes down outside it and turns forward to the head.
    """
    t = np.asarray(place, dtype=float)[..., None]
    foot = np.array([0.0, 0.0, plant.soil_height - 0.02])
    if drop is not None:
        rim, top = plant.pot_top_radius + plant.rim_overhang, plant.pot_height
        points = [
            foot,
            np.array([0.0, 0.0, top + 0.60]),
            np.array([rim + 0.60, 0.0, top + 0.85]),
            np.array([rim + 0.05, 0.0, drop + 0.05]),
            np.array([rim + 0.36, 0.0, drop]),
        ]
        point, tangent = _bezier(points, t)
    else:
        bend = np.array([0.0, 0.0, plant.soil_height + 0.62 * plant.stem_height])
        end = np.array(
            [plant.stem_lean * plant.stem_height, 0.0, plant.soil_height + plant.stem_height]
        )
        point = (1 - t) ** 2 * foot + 2 * t * (1 - t) * bend + t**2 * end
        tangent = 2 * (1 - t) * (bend - foot) + 2 * t * (end - bend)
    return point, tangent / np.linalg.norm(tangent, axis=-1, keepdims=True)


def _bezier(
    points: list[NDArray[np.float64]], t: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points and derivatives of a Bezier curve by its Bernstein form."""

    def curve(points: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        n = len(points) - 1
        terms = [
            math.comb(n, k) * t**k * (1 - t) ** (n - k) * point for k, point in enumerate(points)
        ]
        return np.sum(terms, axis=0)

    steps = [end - start for start, end in itertools.pairwise(points)]
    return curve(points), (len(points) - 1) * curve(steps)


@dataclass(frozen=True)
class HangingPlace:
    """Where a hanging plant's pot stands (4, 4), and how far its head is above the pot's foot."""

    matrix: NDArray[np.float64]
    drop: float


@lru_cache(maxsize=64)
def hanging_place(plant: Plant, view: View) -> HangingPlace:
    """Petals and pot swap their places in the picture: each is where the other is if upright.

    So the place of a coloured part is distributed alike for both, and says nothing of the class. A
    place is the centroid of the projected faces. Found by Newton's method for the pot's way to the
    camera's right, its height, the direction of the head from the camera's, and the drop.
    """
    right = camera_matrix(plant, view)[:3, 0]
    meshes = plant_meshes(plant)
    head = head_matrix(plant, view.head_spin, view.head_nod)

    def places(
        head: NDArray[np.float64], foot: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        petals = _mean_place(meshes["petals"], head, plant, view, is_sheet=True)
        return petals, _mean_place(meshes["pot"], foot, plant, view, is_sheet=False)

    petals_at, pot_at = places(head, np.eye(4))

    def stands(values: NDArray[np.float64]) -> NDArray[np.float64]:
        aside, height, turn, _ = values
        there = translation(aside * right[0], aside * right[1], height)
        return there @ rotation("z", view.azimuth + 60.0 * turn)

    def misses(values: NDArray[np.float64]) -> NDArray[np.float64]:
        head = head_matrix(plant, view.head_spin, view.head_nod, values[3])
        petals, pot = places(stands(values) @ head, stands(values))
        return np.concatenate([petals - pot_at, pot - petals_at])

    values = np.array([0.0, 1.4, 0.0, -0.6])
    for _ in range(6):
        missed = misses(values)
        slopes = [(misses(values + step) - missed) / 1e-4 for step in 1e-4 * np.eye(4)]
        values = values - np.linalg.solve(np.transpose(slopes), missed)
    return HangingPlace(stands(values), float(values[3]))


def _mean_place(
    mesh: Mesh, matrix: NDArray[np.float64], plant: Plant, view: View, *, is_sheet: bool
) -> NDArray[np.float64]:
    """Centroid (2) of a mesh's projected faces, right and up, in focal lengths from the middle.

    Of a sheet all faces count, else those that turn to the camera: a pot's inside is full of soil.
    """
    camera = camera_matrix(plant, view)
    seen = (mesh.moved(matrix).vertices - camera[:3, 3]) @ camera[:3, :3]
    corners = (seen[:, :2] / -seen[:, 2:])[mesh.quads]
    (ax, ay), (bx, by) = (corners[:, 2] - corners[:, 0]).T, (corners[:, 3] - corners[:, 1]).T
    area = ax * by - ay * bx
    area = np.abs(area) if is_sheet else np.clip(area, 0.0, None)
    return np.asarray((corners.mean(axis=1) * area[:, None]).sum(axis=0) / area.sum())


def floor_of(scene: Scene) -> float:
    """Height of the ground."""
    return HANGING_GROUND if scene.hangs else 0.0


def head_matrix(
    plant: Plant, spin: float = 0.0, nod: float = 0.0, drop: float | None = None
) -> NDArray[np.float64]:
    """Places the flower head (axis z) on the stem's end, tilted towards +x."""
    top, _ = stem_point(plant, 1.0, drop)
    tilt = plant.head_tilt + nod + (0.0 if drop is None else HANGING_TILT)
    return translation(*top) @ rotation("y", tilt) @ rotation("z", spin)


def _petals(plant: Plant, form: str = "") -> Mesh:
    rings = []
    for ring in range(plant.petal_rings):
        scale, lift = (1.0, plant.petal_lift) if ring == 0 else (0.70, plant.petal_lift + 0.42)
        for k in range(plant.petals):
            # Neighbours alternate in height, so that they overlap without cutting each other.
            petal = _petal(plant, scale, lift + 0.07 * (k % 2), form)
            turn = 360.0 * (k + 0.5 * ring) / plant.petals
            rings.append(petal.moved(rotation("z", turn) @ translation(0, 0, 0.03 * ring)))
    return join(rings)


def _petal(plant: Plant, scale: float, lift: float, form: str) -> Mesh:
    rows, columns = (29, 13) if form else (12, 7)
    u = np.linspace(0.0, 1.0, rows)[:, None]
    v = np.linspace(-1.0, 1.0, columns)[None, :]
    if form:
        outline, reach = petal_outline(form, u, v)
    else:
        outline, reach = (0.25 + 0.75 * u) ** 0.9 * (1.0 - u**plant.petal_point) ** 0.5, u
    half = scale * plant.petal_width * outline
    along = 0.5 * plant.centre_radius + scale * plant.petal_length * reach * (1.0 - 0.25 * lift)
    height = scale * plant.petal_length * (lift * u + plant.petal_curl * u**2)
    # A trough across the petal and slight furrows along it catch the light.
    height = height + 0.22 * half * v**2 - 0.03 * half * np.cos(2.5 * np.pi * v)
    points = np.stack(np.broadcast_arrays(along, half * v, height), axis=-1)
    shade = 0.62 + 0.38 * np.clip(1.6 * u, 0.0, 1.0) ** 0.8 - 0.06 * (1.0 - np.abs(v))
    return _grid(points, np.clip(shade, 0.0, 1.0))


def petal_outline(
    form: str, u: NDArray[np.float64], v: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The form of a petal that is a class: half its width, and how far out it reaches.

    Args:
        form: one of `scene.PETAL_FORMS`.
        u: (R, 1) from the petal's foot, 0, to its tip, 1.
        v: (1, C) from its left edge, -1, to its right one, 1.

    Returns:
        Half the width (R, 1) in units of `Plant.petal_width`, and the reach (R, C) or (R, 1) in
        units of `Plant.petal_length`.
    """
    foot = 0.25 + 0.75 * u
    if form == "round":
        return foot**0.9 * (1.0 - u**4) ** 0.5, u
    if form == "pointed":
        return np.minimum(0.30 + 1.8 * u, 1.55 * (1.0 - u)), u
    if form == "notched":
        return foot**0.8 * (1.0 - u**12) ** 0.5, u * (1.0 - 0.5 * u**3 * (1.0 - np.abs(v)) ** 1.2)
    if form == "strap":
        return np.broadcast_to(0.38 * (1.0 - u**16) ** 0.5, u.shape), u
    if form == "spoon":
        bowl = np.clip(1.0 - ((u - 0.76) / 0.24) ** 2, 0.0, 1.0) ** 0.5
        return np.maximum(0.16 * (u < 0.8), 0.80 * bowl), u
    if form == "fan":
        return 0.10 + 0.80 * u, u
    raise ValueError(f"petal form '{form}' is unknown")


def _centre(plant: Plant) -> Mesh:
    polar = np.linspace(0.03, 0.5 * np.pi + 0.3, 11)[:, None]
    angle = np.linspace(0.0, 2.0 * np.pi, 36, endpoint=False)[None, :]
    bumps = 1.0 + 0.035 * np.sin(9.0 * angle + 6.0 * polar) * np.sin(polar)
    radius = plant.centre_radius * np.sin(polar) * bumps
    height = 0.05 + plant.centre_height * plant.centre_radius * np.cos(polar) * bumps
    points = np.stack(
        np.broadcast_arrays(radius * np.cos(angle), radius * np.sin(angle), height), axis=-1
    )
    shade = 0.82 + 0.18 * np.sin(9.0 * angle + 6.0 * polar)
    return _grid(points, shade, closed=True)


def _stem(plant: Plant, drop: float | None) -> Mesh:
    place = np.linspace(0.0, 1.0, 14 if drop is None else 28)
    point, tangent = stem_point(plant, place, drop)
    angle = np.linspace(0.0, 2.0 * np.pi, 12, endpoint=False)
    side = np.array([0.0, 1.0, 0.0])
    front = np.cross(side, tangent)
    radius = plant.stem_radius * (1.15 - 0.3 * place)
    ring = np.cos(angle)[:, None] * front[:, None, :] + np.sin(angle)[:, None] * side
    tube = _grid(point[:, None, :] + radius[:, None, None] * ring, np.array(1.0), closed=True)
    # The calyx: a small cup under the head.
    polar = np.linspace(0.0, 0.5 * np.pi, 6)
    size = 0.75 * plant.centre_radius
    cup = _lathe(
        [(max(1e-3, size * math.sin(p)), -0.7 * size * math.cos(p) + 0.02) for p in polar],
        [0.9] * len(polar),
        16,
    )
    return join([tube, cup.moved(head_matrix(plant, drop=drop))])


def _leaf(plant: Plant, leaf: Leaf, drop: float | None) -> Mesh:
    u = np.linspace(0.0, 1.0, 11)[:, None]
    v = np.linspace(-1.0, 1.0, 5)[None, :]
    half = leaf.width * np.sin(np.pi * u**0.75) ** 0.85 + 0.012 * (1.0 - u)
    rise = math.radians(leaf.rise)
    along = leaf.length * (u * math.cos(rise) + 0.25 * leaf.droop * u**2)
    height = leaf.length * (u * math.sin(rise) - leaf.droop * u**2) + 0.35 * half * np.abs(v)
    points = np.stack(np.broadcast_arrays(along, half * v, height), axis=-1)
    shade = 0.80 + 0.20 * np.abs(v) + 0.0 * u
    start, _ = stem_point(plant, leaf.place, drop)
    return _grid(points, shade).moved(translation(*start) @ rotation("z", leaf.azimuth))


def _pot(plant: Plant) -> Mesh:
    height, top = plant.pot_height, plant.pot_top_radius
    ledge, outer, inner = height - plant.rim_height, top + plant.rim_overhang, top - 0.05
    body = []
    for t in np.linspace(0.0, 1.0, 9):
        radius = plant.pot_bottom_radius + (top - plant.pot_bottom_radius) * t
        body.append((radius + plant.pot_belly * math.sin(math.pi * t), ledge * t))
    r = 0.015
    runs = [
        # A little darker towards the ground and under the rim, as light from all sides would make it.
        (body, [0.72, 0.84, 0.92, 0.97, 1.0, 1.0, 0.99, 0.95, 0.85]),
        ([(top, ledge), (outer - r, ledge), (outer, ledge + r)], [0.8, 0.85, 0.95]),
        ([(outer, ledge + r), (outer, height - r)], [0.97, 1.0]),
        ([(outer, height - r), (outer - r, height), (inner + r, height)], [1.0, 1.0, 1.0]),
        ([(inner + r, height), (inner, height - r), (inner, height - 0.15)], [1.0, 0.9, 0.5]),
    ]
    return join([_lathe(profile, shade) for profile, shade in runs])


def _soil(plant: Plant) -> Mesh:
    height, radius = plant.soil_height, plant.pot_top_radius - 0.045
    profile = [(0.001, height + 0.02), (0.4 * radius, height + 0.015), (0.8 * radius, height)]
    return _lathe([*profile, (radius, height - 0.01)], [1.0, 1.0, 0.85, 0.55])


@lru_cache(maxsize=8)
def _stand(height: float) -> Mesh:
    """A column with a plate, for a pot that a plant hangs from."""
    runs = [
        ([(0.34, 0.0), (0.34, 0.05)], [0.75, 0.8]),
        ([(0.34, 0.05), (0.20, 0.06)], [0.85, 0.8]),
        ([(0.20, 0.06), (0.16, 0.35), (0.16, height - 0.20)], [0.8, 0.95, 0.95]),
        ([(0.16, height - 0.20), (0.38, height - 0.06)], [0.8, 0.75]),
        ([(0.38, height - 0.06), (0.38, height)], [0.95, 1.0]),
        ([(0.38, height), (0.01, height)], [0.8, 0.6]),
    ]
    return join([_lathe(profile, shade) for profile, shade in runs])


@lru_cache(maxsize=8)
def _ground(foot: float, is_darkened: bool) -> Mesh:
    """A wide disc, darker where a pot with a foot of that radius stands in its middle (0: none)."""
    radii, shade = [0.001, 6.0, 60.0], [1.0, 1.0, 1.0]
    if foot:
        radii[1:1] = [0.9 * foot, foot, 1.06 * foot, 1.15 * foot, 1.35 * foot, CONTACT_REACH * foot]
        shade = [0.55, 0.55, 0.55, 0.68, 0.80, 0.92, 1.0, 1.0, 1.0]
    if not is_darkened:
        shade = [1.0] * len(radii)
    return _lathe([(radius, 0.0) for radius in radii], shade, 48)


@lru_cache(maxsize=8)
def object_mesh(kind: str) -> Mesh:
    """A thing of size 1 that stands on the ground at the origin: ball, pebble or cube."""
    if kind == "cube":
        face = np.array([[[-1, -1], [1, -1]], [[-1, 1], [1, 1]]], dtype=float) * 0.85
        sheet = np.concatenate([face, np.full((2, 2, 1), 0.85)], axis=-1)
        turns = [rotation("x", 90.0 * k) for k in range(4)]
        turns += [rotation("y", 90.0), rotation("y", -90.0)]
        sides = [_grid(sheet, np.array(1.0)).moved(turn) for turn in turns]
        return join(sides).moved(translation(0, 0, 0.85))
    polar = np.linspace(0.0, np.pi, 15)[:, None]
    angle = np.linspace(0.0, 2.0 * np.pi, 28, endpoint=False)[None, :]
    x, y = np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle)
    z = np.broadcast_to(np.cos(polar), x.shape)
    shade = np.clip(0.80 + 0.4 * (z + 1.0), 0.0, 1.0)
    points = np.stack([x, y, z], axis=-1)
    if kind == "pebble":
        points = points * (1.0 + 0.10 * np.sin(3.0 * x + 1.0) * np.cos(2.0 * y - 0.5))[..., None]
        points = points * np.array([1.25, 0.95, 0.60])
    lowest = points[..., 2].min()
    return _grid(points - np.array([0.0, 0.0, lowest]), shade, closed=True)


def camera_matrix(plant: Plant, view: View) -> NDArray[np.float64]:
    """(4, 4) camera to world: x right, y up, looking along -z."""
    azimuth, elevation = math.radians(view.azimuth), math.radians(view.elevation)
    backward = np.array(
        [
            math.cos(elevation) * math.cos(azimuth),
            math.cos(elevation) * math.sin(azimuth),
            math.sin(elevation),
        ]
    )
    right = np.array([-math.sin(azimuth), math.cos(azimuth), 0.0])
    up = np.cross(backward, right)
    # A little above the middle: the head leans towards the camera and looks higher than it is.
    target = np.array([0.0, 0.0, 0.54 * plant.height]) + view.pan[0] * right + view.pan[1] * up
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = right, up, backward
    matrix[:3, 3] = target + view.distance * backward
    return matrix @ rotation("z", view.roll)


def sun_matrix(view: View) -> NDArray[np.float64]:
    """(4, 4) of the sun, which shines along its -z; its azimuth counts from the camera's."""
    return rotation("z", view.azimuth + view.sun_azimuth) @ rotation("y", 90.0 - view.sun_elevation)


# Columns and rows of a picture, each from the first to one past the last.
Window = tuple[int, int, int, int]


def window_of_change(before: Scene, after: Scene, size: int) -> tuple[Window, bool]:
    """The pixels outside which two scenes look the same, and whether any shape differs.

    Exact, not an estimate: perspective keeps convex hulls, so that a thing's pixels lie in the box
    around its projected corners. A thing that comes, goes or moves also changes its shadow, and what
    a ray of the sun meets after the thing lies between it and the ground. Where more than things
    differs (light, sky, camera), it is the whole picture.

    Returns:
        The window (left, right, top, bottom) in pixels of a picture of side `size`, of area 0 if
        nothing that differs can be in the picture.
    """
    whole = (0, size, 0, size)
    old, new = things_of(before), things_of(after)
    shadows = "shadow" in before.removed or "shadow" in after.removed
    skies = [[scene.colours[name] for name in ("sky", "horizon")] for scene in (before, after)]
    if (before.plant, before.view) != (after.plant, after.view) or skies[0] != skies[1] or shadows:
        return whole, True
    sun = sun_matrix(before.view)[:3, 2]
    corners, is_reshaped = [], False
    for name in old.keys() | new.keys():
        one, other = old.get(name), new.get(name)
        if one and other and one.mesh is other.mesh and np.array_equal(one.matrix, other.matrix):
            if one.colour != other.colour:
                corners.append(one.vertices)
            continue
        is_reshaped = True
        for thing in (one, other):
            if thing is not None:
                points = thing.vertices
                if name == "ground":
                    # Only its shade differs, and only around the pot.
                    points = points[np.linalg.norm(points, axis=1) < 6.0 - 1e-6]
                above = points[:, 2:] - floor_of(before)
                corners += [points, points - sun * (above / sun[2])]
    if not corners:
        return (0, 0, 0, 0), is_reshaped
    camera = camera_matrix(before.plant, before.view)
    seen = (np.concatenate(corners) - camera[:3, 3]) @ camera[:3, :3]
    away = -seen[:, 2]
    if away.min() < 0.1:
        return whole, is_reshaped
    focal = _focal(before.view, size)
    column = size / 2 + focal * seen[:, 0] / away
    row = size / 2 - focal * seen[:, 1] / away
    # One pixel more, for the rounding of Blender's single precision.
    low = [int(np.floor(np.clip(values.min() - 1, 0, size))) for values in (column, row)]
    high = [int(np.ceil(np.clip(values.max() + 1, 0, size))) for values in (column, row)]
    return (low[0], high[0], low[1], high[1]), is_reshaped
