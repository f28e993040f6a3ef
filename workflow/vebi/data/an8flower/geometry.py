"""Meshes, camera and sun of a scene as numpy arrays, in scene units, z up, pot on the ground at 0.

The plant is built with its head leaning towards +x. Nothing here knows of Blender, so that a test can
cast rays at the same shapes.
"""

import math
from dataclasses import dataclass

import numpy as np

from vebi.data.an8flower.scene import Leaf, Plant, View


@dataclass(frozen=True)
class Mesh:
    """`vertices` float64 (V, 3), `quads` int32 (F, 4), `shade` (V): a factor on the surface's colour."""

    vertices: np.ndarray
    quads: np.ndarray
    shade: np.ndarray

    def moved(self, matrix: np.ndarray) -> "Mesh":
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


def _grid(points: np.ndarray, shade: np.ndarray, closed: bool = False) -> Mesh:
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


def rotation(axis: str, degrees: float) -> np.ndarray:
    """(4, 4) rotation about x, y or z."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(4)
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


def translation(x: float, y: float, z: float) -> np.ndarray:
    """(4, 4) translation."""
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return matrix


def plant_meshes(plant: Plant) -> dict[str, Mesh]:
    """Meshes of the plant's parts and the pot, by name; petals and centre in the head's own frame."""
    return {
        "petals": _petals(plant),
        "centre": _centre(plant),
        "stem": _stem(plant),
        "leaves": join([_leaf(plant, leaf) for leaf in plant.leaves]),
        "pot": _pot(plant),
        "soil": _soil(plant),
    }


def _soil_height(plant: Plant) -> float:
    return plant.pot_height - 0.07


def stem_point(plant: Plant, place: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Points and unit tangents (..., 3) of the stem's curve, a quadratic Bezier in the x-z plane."""
    t = np.asarray(place, dtype=float)[..., None]
    foot = np.array([0.0, 0.0, _soil_height(plant) - 0.02])
    bend = np.array([0.0, 0.0, _soil_height(plant) + 0.62 * plant.stem_height])
    top = np.array(
        [plant.stem_lean * plant.stem_height, 0.0, _soil_height(plant) + plant.stem_height]
    )
    point = (1 - t) ** 2 * foot + 2 * t * (1 - t) * bend + t**2 * top
    tangent = 2 * (1 - t) * (bend - foot) + 2 * t * (top - bend)
    return point, tangent / np.linalg.norm(tangent, axis=-1, keepdims=True)


def head_matrix(plant: Plant, spin: float = 0.0, nod: float = 0.0) -> np.ndarray:
    """Places the flower head (axis z) on the stem's end, tilted towards +x."""
    top, _ = stem_point(plant, 1.0)
    return translation(*top) @ rotation("y", plant.head_tilt + nod) @ rotation("z", spin)


def _petals(plant: Plant) -> Mesh:
    rings = []
    for ring in range(plant.petal_rings):
        scale, lift = (1.0, plant.petal_lift) if ring == 0 else (0.70, plant.petal_lift + 0.42)
        for k in range(plant.petals):
            # Neighbours alternate in height, so that they overlap without cutting each other.
            petal = _petal(plant, scale, lift + 0.07 * (k % 2))
            turn = 360.0 * (k + 0.5 * ring) / plant.petals
            rings.append(petal.moved(rotation("z", turn) @ translation(0, 0, 0.03 * ring)))
    return join(rings)


def _petal(plant: Plant, scale: float, lift: float) -> Mesh:
    u = np.linspace(0.0, 1.0, 12)[:, None]
    v = np.linspace(-1.0, 1.0, 7)[None, :]
    outline = (0.25 + 0.75 * u) ** 0.9 * (1.0 - u**plant.petal_point) ** 0.5
    half = scale * plant.petal_width * outline
    along = 0.5 * plant.centre_radius + scale * plant.petal_length * u * (1.0 - 0.25 * lift)
    height = scale * plant.petal_length * (lift * u + plant.petal_curl * u**2)
    # A trough across the petal and slight furrows along it catch the light.
    height = height + 0.22 * half * v**2 - 0.03 * half * np.cos(2.5 * np.pi * v)
    points = np.stack(np.broadcast_arrays(along, half * v, height), axis=-1)
    shade = 0.62 + 0.38 * np.clip(1.6 * u, 0.0, 1.0) ** 0.8 - 0.06 * (1.0 - np.abs(v))
    return _grid(points, np.clip(shade, 0.0, 1.0))


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


def _stem(plant: Plant) -> Mesh:
    place = np.linspace(0.0, 1.0, 14)
    point, tangent = stem_point(plant, place)
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
    return join([tube, cup.moved(head_matrix(plant))])


def _leaf(plant: Plant, leaf: Leaf) -> Mesh:
    u = np.linspace(0.0, 1.0, 11)[:, None]
    v = np.linspace(-1.0, 1.0, 5)[None, :]
    half = leaf.width * np.sin(np.pi * u**0.75) ** 0.85 + 0.012 * (1.0 - u)
    rise = math.radians(leaf.rise)
    along = leaf.length * (u * math.cos(rise) + 0.25 * leaf.droop * u**2)
    height = leaf.length * (u * math.sin(rise) - leaf.droop * u**2) + 0.35 * half * np.abs(v)
    points = np.stack(np.broadcast_arrays(along, half * v, height), axis=-1)
    shade = 0.80 + 0.20 * np.abs(v) + 0.0 * u
    start, _ = stem_point(plant, leaf.place)
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
    height, radius = _soil_height(plant), plant.pot_top_radius - 0.045
    profile = [(0.001, height + 0.02), (0.4 * radius, height + 0.015), (0.8 * radius, height)]
    return _lathe([*profile, (radius, height - 0.01)], [1.0, 1.0, 0.85, 0.55])


def ground_mesh(plant: Plant) -> Mesh:
    """A wide disc, darker where the pot stands on it."""
    foot = plant.pot_bottom_radius
    radii = [0.9 * foot, foot, 1.06 * foot, 1.15 * foot, 1.35 * foot, 1.8 * foot, 6.0, 60.0]
    shade = [0.55, 0.55, 0.68, 0.80, 0.92, 1.0, 1.0, 1.0]
    return _lathe([(radius, 0.0) for radius in radii], shade, 48)


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


def camera_matrix(plant: Plant, view: View) -> np.ndarray:
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


def sun_matrix(view: View) -> np.ndarray:
    """(4, 4) of the sun, which shines along its -z; its azimuth counts from the camera's."""
    return rotation("z", view.azimuth + view.sun_azimuth) @ rotation("y", 90.0 - view.sun_elevation)
