"""Rendering in the real Blender: bytes, masks, and that nothing but colour and part tells the class.

Every image is made by a subprocess of the rendering environment's Python, `VEBI_RENDER_PYTHON` or
`.venv-render`.
"""

import dataclasses
import os
import re
import subprocess
from hashlib import sha256
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.ndimage import binary_dilation
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vebi.data.an8flower import geometry
from vebi.data.an8flower.assemble import assemble
from vebi.data.an8flower.parts import PART_NUMBERS, part_mask, visible_names
from vebi.data.an8flower.scene import CLASS_COLOURS, PETAL_FORMS, Scene, sample_scene

ROOT = Path(__file__).parents[3]
RENDER_PYTHON = Path(os.environ.get("VEBI_RENDER_PYTHON", ROOT / ".venv-render/bin/python"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not RENDER_PYTHON.is_file(), reason=f"no rendering environment at {RENDER_PYTHON}"
    ),
]
DISTRACTORS = "double-12c-distractors"


def run(*arguments: object) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    command = [str(RENDER_PYTHON), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def render(out: Path, flower_set: str, start: int, stop: int, *more: object) -> Path:
    done = run(
        *("-m", "vebi.data.an8flower.render", "--set", flower_set, "--start", start),
        *("--stop", stop, "--out", out, *more),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "", "Blender's own messages stay out"
    return out


def read(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file}


@pytest.fixture(scope="module")
def flowers(tmp_path_factory) -> dict[str, np.ndarray]:
    """360 small images of the hardest set, one view of 30 base scenes for each class."""
    folder = tmp_path_factory.mktemp("flowers")
    more = ("--size", 48, "--samples", 2, "--views-per-base", 1, "--seed", 17)
    chunks = [render(folder / f"{a}.h5", DISTRACTORS, a, a + 180, *more) for a in (0, 180)]
    assemble(chunks, folder / "dataset.h5", DISTRACTORS)
    return read(folder / "dataset.h5")


def test_bytes_do_not_depend_on_chunks_or_threads(tmp_path) -> None:
    more = ("--size", 64, "--samples", 4, "--views-per-base", 1, "--seed", 2)
    whole = render(tmp_path / "whole.h5", DISTRACTORS, 0, 14, *more)
    threaded = render(tmp_path / "threaded.h5", DISTRACTORS, 0, 14, *more, "--threads", 2)
    # The second piece starts at another class and base scene than the first.
    low = render(tmp_path / "low.h5", DISTRACTORS, 0, 5, *more)
    high = render(tmp_path / "high.h5", DISTRACTORS, 5, 14, *more)
    assert whole.read_bytes() == threaded.read_bytes()
    expected, first, second = read(whole), read(low), read(high)
    for name, values in expected.items():
        joined = np.concatenate([first[name], second[name]])
        assert np.array_equal(joined, values), name
    assert expected["images"].std() > 10


@pytest.mark.parametrize(
    ("flower_set", "images", "masks", "parts"),
    [
        ("single-6c", "f206f5467818cd18", "c3ef4cd2be5ba639", "6aa5c032ef3bf8b3"),
        ("double-12c", "9c908d803b93a3d6", "7851db23b357c3cb", "ee081824cb98b051"),
        (DISTRACTORS, "7a0fda458ba2facc", "7851db23b357c3cb", "53d2aa516a95b8fa"),
        ("double-12c-swap", "a6d7a88fccd2424b", "09d26c4b1ab6d627", "840ea160a12f895f"),
        ("shape-6c", "d3922b3e697506aa", "9efca51caac476e5", "41a1e52f0f437888"),
        ("pair-6c", "96979abc12929d1b", "1e2fffe34a664c56", "09d667b6d524c736"),
    ],
)
def test_pixels_of_published_sets_stay_as_they_are(
    tmp_path, flower_set, images, masks, parts
) -> None:
    """SHA-256 of what each set looked like when it got its name, which is a promise."""
    more = ("--size", 64, "--samples", 4, "--views-per-base", 1, "--seed", 5)
    chunk = read(render(tmp_path / "c.h5", flower_set, 7, 19, *more))
    for name, expected in (("images", images), ("masks", masks), ("parts", parts)):
        assert sha256(chunk[name].tobytes()).hexdigest()[:16] == expected, name


def test_parameters_give_the_image_back(tmp_path) -> None:
    chunk = read(render(tmp_path / "c.h5", "single-6c", 29, 33, "--size", 16, "--samples", 1))
    scenes = [Scene.from_json(text.decode()) for text in chunk["parameters"]]
    assert scenes == [sample_scene("single-6c", 0, i) for i in range(29, 33)]
    assert chunk["index"].tolist() == [29, 30, 31, 32]
    assert chunk["labels"].tolist() == [5, 0, 1, 2]
    assert chunk["base_scene"].tolist() == [0, 1, 1, 1]


RENDER_SCENES = """
import sys, numpy as np
from pathlib import Path
from vebi.data.an8flower.parts import mask_of, distractor_mask_of
from vebi.data.an8flower.render import Renderer
from vebi.data.an8flower.scene import Scene
renderer = Renderer(int(sys.argv[2]), 8)
scenes = [Scene.from_json(line) for line in Path(sys.argv[1]).read_text().splitlines()]
images, parts, lit = zip(*[renderer.render(scene) for scene in scenes])
masks = [mask_of(p, s) for p, s in zip(parts, scenes)]
distractors = [distractor_mask_of(p, s) for p, s in zip(parts, scenes)]
np.savez(sys.argv[3], images=images, parts=parts, lit=lit, masks=masks, distractors=distractors)
renderer.close()
"""


def render_scenes(
    folder: Path, scenes: list[Scene], size: int, code: str = RENDER_SCENES
) -> dict[str, np.ndarray]:
    (folder / "scenes.json").write_text("\n".join(scene.to_json() for scene in scenes))
    done = run("-c", code, folder / "scenes.json", size, folder / "out.npz")
    assert done.returncode == 0, done.stderr
    with np.load(folder / "out.npz") as file:
        return dict(file)


RENDER_PARTS = """
import sys, numpy as np
from pathlib import Path
from vebi.data.an8flower.render import Renderer
from vebi.data.an8flower.scene import Scene
renderer = Renderer(int(sys.argv[2]), 1)
scenes = [Scene.from_json(line) for line in Path(sys.argv[1]).read_text().splitlines()]
parts, lit = zip(*[renderer.render_parts(scene) for scene in scenes])
np.savez(sys.argv[3], parts=parts, lit=lit)
renderer.close()
"""


def test_the_class_colour_stays_inside_the_mask(tmp_path) -> None:
    """Change nothing but the class colour, and compare pixel by pixel, at the real size.

    Anti-aliasing mixes the colours within a pixel, so pixels on the mask's edge change too. No pixel
    may change that has none of the part in it, which a mask of eight times the resolution shows.
    """
    scenes = []
    for i in range(6):
        scene = sample_scene(DISTRACTORS, 1, 13 * i, views_per_base=1)
        other = {"red": (0.1, 0.2, 0.9)}.get(scene.colour, (0.9, 0.05, 0.05))
        scenes += [scene, dataclasses.replace(scene, colours={**scene.colours, scene.part: other})]
    made = render_scenes(tmp_path, scenes, 112)
    fine = render_scenes(tmp_path, scenes[::2], 8 * 112, RENDER_PARTS)["parts"]
    for k in range(0, len(scenes), 2):
        mask = made["masks"][k]
        assert np.array_equal(made["parts"][k], made["parts"][k + 1])
        changed = (made["images"][k] != made["images"][k + 1]).any(-1)
        assert changed[mask].all(), "every pixel of the mask shows the colour"
        number = made["parts"][k][mask][0]
        # One fine pixel more, for slivers that miss the centres of the fine pixels.
        reach = binary_dilation(fine[k // 2] == number, np.ones((3, 3)))
        reach = reach.reshape(112, 8, 112, 8).any((1, 3))
        assert not (changed & ~reach).any()
        edge = binary_dilation(mask, np.ones((3, 3))) & ~mask
        assert (changed & ~mask & ~edge).sum() <= 2, "but for tips thinner than a pixel, next to it"


def test_distractor_colours_stay_inside_their_masks(tmp_path) -> None:
    scenes = []
    for i in range(6):
        scene = sample_scene(DISTRACTORS, 1, 13 * i, views_per_base=1)
        grey = tuple(dataclasses.replace(d, rgb=(0.5, 0.5, 0.5)) for d in scene.distractors)
        kinds = {d.kind: (0.5, 0.5, 0.5) for d in grey if d.kind in scene.colours}
        colours = {**scene.colours, **kinds}
        scenes += [scene, dataclasses.replace(scene, distractors=grey, colours=colours)]
    made = render_scenes(tmp_path, scenes, 112)
    for k in range(0, len(scenes), 2):
        mask = made["distractors"][k]
        assert not (mask & made["masks"][k]).any()
        changed = (made["images"][k] != made["images"][k + 1]).any(-1)
        assert changed[mask].mean() > 0.99
        # Stems are about a pixel wide, so that a few of their pixels miss every pixel's centre.
        assert (changed & ~binary_dilation(mask, np.ones((3, 3)))).sum() <= 6


def cast_rays(scene: Scene, size: int) -> np.ndarray:
    """Which part the ray through each pixel's centre hits, by projecting every triangle.

    Shares the meshes and the camera with the renderer, but nothing of Blender.
    """
    plant, view = scene.plant, scene.view
    solids = [
        (PART_NUMBERS[name], thing.mesh.moved(thing.matrix))
        for name, thing in geometry.things_of(scene).items()
        if name != "ground"
    ]
    camera = geometry.camera_matrix(plant, view)
    focal = 0.5 * size / np.tan(np.radians(view.field_of_view) / 2)
    centre = np.arange(size) + 0.5
    x, y = np.meshgrid((centre - size / 2) / focal, (size / 2 - centre) / focal)
    rays = np.stack([x, y, -np.ones_like(x)], -1) @ camera[:3, :3].T
    parts = np.zeros((size, size), np.uint8)
    depth = np.full((size, size), np.inf)
    # The ground: the disc of radius 60 at its height.
    along = (geometry.floor_of(scene) - camera[2, 3]) / np.minimum(rays[..., 2], -1e-9)
    ground = np.linalg.norm(camera[:2, 3] + along[..., None] * rays[..., :2], axis=-1) < 60.0
    parts[ground], depth[ground] = 7, along[ground]
    for number, mesh in solids:
        seen = (mesh.vertices - camera[:3, 3]) @ camera[:3, :3]
        away = -seen[:, 2]
        column = size / 2 + focal * seen[:, 0] / away
        row = size / 2 - focal * seen[:, 1] / away
        for triangle in np.concatenate([mesh.quads[:, [0, 1, 2]], mesh.quads[:, [0, 2, 3]]]):
            c, r, w = column[triangle], row[triangle], 1.0 / away[triangle]
            left, right = np.searchsorted(centre, [c.min(), c.max()])
            top, bottom = np.searchsorted(centre, [r.min(), r.max()])
            area = (c[1] - c[0]) * (r[2] - r[0]) - (c[2] - c[0]) * (r[1] - r[0])
            if left == right or top == bottom or area == 0:
                continue
            px, py = centre[None, left:right], centre[top:bottom, None]
            b1 = ((px - c[0]) * (r[2] - r[0]) - (c[2] - c[0]) * (py - r[0])) / area
            b2 = ((c[1] - c[0]) * (py - r[0]) - (px - c[0]) * (r[1] - r[0])) / area
            # 1 / depth is linear in the picture.
            here = 1.0 / np.maximum((1 - b1 - b2) * w[0] + b1 * w[1] + b2 * w[2], 1e-12)
            near = depth[top:bottom, left:right]
            hit = (b1 >= 0) & (b2 >= 0) & (b1 + b2 <= 1) & (here < near)
            near[hit] = here[hit]
            parts[top:bottom, left:right][hit] = number
    return parts


def shadowed_ground(scene: Scene, size: int) -> np.ndarray:
    """Where the ground is in shadow: every triangle is thrown on it along the sun's rays, and seen."""
    view = scene.view
    camera, sun = geometry.camera_matrix(scene.plant, view), geometry.sun_matrix(view)[:3, 2]
    focal = 0.5 * size / np.tan(np.radians(view.field_of_view) / 2)
    centre = np.arange(size) + 0.5
    dark = np.zeros((size, size), bool)
    for name, thing in geometry.things_of(scene).items():
        if name == "ground":
            continue
        above = thing.vertices[:, 2:] - geometry.floor_of(scene)
        thrown = thing.vertices - sun * (above / sun[2])
        seen = (thrown - camera[:3, 3]) @ camera[:3, :3]
        column = size / 2 - focal * seen[:, 0] / seen[:, 2]
        row = size / 2 + focal * seen[:, 1] / seen[:, 2]
        for triangle in np.concatenate(
            [thing.mesh.quads[:, [0, 1, 2]], thing.mesh.quads[:, [0, 2, 3]]]
        ):
            c, r = column[triangle], row[triangle]
            left, right = np.searchsorted(centre, [c.min(), c.max()])
            top, bottom = np.searchsorted(centre, [r.min(), r.max()])
            px, py = centre[None, left:right], centre[top:bottom, None]
            edges = [
                (c[(k + 1) % 3] - c[k]) * (py - r[k]) - (r[(k + 1) % 3] - r[k]) * (px - c[k])
                for k in range(3)
            ]
            inside = np.all([e >= 0 for e in edges], 0) | np.all([e <= 0 for e in edges], 0)
            dark[top:bottom, left:right] |= inside
    return dark


def test_parts_agree_with_rays_cast_without_blender(tmp_path) -> None:
    scenes = [sample_scene(DISTRACTORS, 6, i, views_per_base=1) for i in (0, 7, 20, 33)]
    scenes += [sample_scene("double-12c-swap", 6, i, views_per_base=1) for i in (2, 8, 14, 20)]
    scenes += [sample_scene(name, 6, 4, views_per_base=1) for name in ("shape-6c", "pair-6c")]
    assert {scene.hangs for scene in scenes} == {True, False}
    made = render_scenes(tmp_path, scenes, 96)
    for k, scene in enumerate(scenes):
        expected = cast_rays(scene, 96)
        differs = made["parts"][k] != expected
        # Edges of curved sheets depend on how a quad is cut into triangles, and on rounding.
        assert differs.sum() <= 0.001 * differs.size, differs.sum()
        number = {"petals": 1, "pot": 5}[scene.part]
        assert (made["masks"][k] ^ (expected == number)).sum() <= 5
        shadow = shadowed_ground(scene, 96)
        wrong = (expected == 7) & ~differs & (shadow == made["lit"][k])
        assert wrong.sum() <= 0.002 * differs.size, wrong.sum()
        assert (shadow & (expected == 7)).sum() > 50
        coloured = [
            {"centre": 2, "stem": 3, "leaves": 4}[d.kind] for d in scene.distractors if not d.size
        ]
        objects = (expected >= 8) & (expected < 12)
        wrong = made["distractors"][k] ^ (np.isin(expected, coloured) | objects)
        assert wrong.sum() <= 5


def test_mask_areas(flowers) -> None:
    area = flowers["masks"].mean((1, 2))
    for label in range(12):
        own = area[flowers["labels"] == label]
        assert len(own) == 30
        assert own.min() > 0.015
        assert own.max() < 0.35
    assert flowers["distractor_masks"].any((1, 2)).all(), "every image shows a distractor"
    assert not (flowers["distractor_masks"] & flowers["masks"]).any()


def cross_validated_hits(features: np.ndarray, labels: np.ndarray, bases: np.ndarray) -> int:
    """Correct predictions of logistic regression over 5 folds of base scenes."""
    hits = 0
    for fold in range(5):
        test = bases % 5 == fold
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
        model.fit(features[~test], labels[~test])
        hits += int((model.predict(features[test]) == labels[test]).sum())
    return hits


def assert_chance(hits: int, n: int, chance: float) -> None:
    low, high = binom.ppf([0.0005, 0.9995], n, chance)
    assert low <= hits <= high, f"{hits} of {n} right, chance is {n * chance:.0f}: {low} to {high}"


def shrink(images: np.ndarray, side: int = 12) -> np.ndarray:
    """Block means, flattened."""
    n, size = images.shape[:2]
    step = size // side
    return images.reshape(n, side, step, side, step, -1).mean((2, 4)).reshape(n, -1)


def mean_colour(flowers: dict[str, np.ndarray], where: np.ndarray) -> np.ndarray:
    """Mean colour (n, 3) over the pixels `where`, divided by its brightness."""
    weight = where[..., None].astype(float)
    mean = (flowers["images"] * weight).sum((1, 2)) / np.maximum(weight.sum((1, 2)), 1)
    return mean / np.maximum(mean.sum(1, keepdims=True), 1)


def test_background_tells_nothing(flowers) -> None:
    """Sky and ground, shadows included; all else is painted over, grown by a pixel for its edges."""
    background = np.isin(flowers["parts"], [0, 7])
    background = ~binary_dilation(~background, np.ones((1, 3, 3)))
    features = shrink(flowers["images"] * background[..., None])
    features = np.hstack([features, mean_colour(flowers, background)])
    hits = cross_validated_hits(features, flowers["labels"], flowers["base_scene"])
    assert_chance(hits, 360, 1 / 12)


def test_position_tells_the_part_and_not_the_colour(flowers) -> None:
    rows, columns = np.indices(flowers["masks"].shape[1:])
    features = []
    for mask in flowers["masks"]:
        r, c = rows[mask], columns[mask]
        features.append([r.mean(), c.mean(), r.std(), c.std(), np.sqrt(mask.sum())])
    part, colour = np.divmod(flowers["labels"], 6)
    bases = flowers["base_scene"]
    for number in (0, 1):
        own = part == number
        hits = cross_validated_hits(np.array(features)[own], colour[own], bases[own])
        assert_chance(hits, 180, 1 / 6)
    assert cross_validated_hits(np.array(features), part, bases) > 0.97 * 360


def test_everything_but_the_part_tells_nothing_of_the_colour(flowers) -> None:
    """Distractors included: their colours, and all pixels outside the grown mask."""
    outside = ~binary_dilation(flowers["masks"], np.ones((1, 3, 3)))
    names = list(CLASS_COLOURS)
    present = np.zeros((360, len(names)))
    for i, text in enumerate(flowers["parameters"]):
        for item in Scene.from_json(text.decode()).distractors:
            present[i, names.index(item.colour)] += 1
    pixels = shrink(flowers["images"] * outside[..., None])
    for features in (present, np.hstack([pixels, mean_colour(flowers, outside)])):
        hits = cross_validated_hits(features, flowers["labels"] % 6, flowers["base_scene"])
        assert_chance(hits, 360, 1 / 6)


def test_colour_of_the_part_tells_the_class(flowers) -> None:
    """The positive control: with the mask the class is plain, so the tests above can see."""
    inside = mean_colour(flowers, flowers["masks"])
    part = (flowers["labels"] // 6)[:, None]
    features = np.hstack([inside, inside**2, inside * np.roll(inside, 1, axis=1)])
    features = np.hstack([features * part, features * (1 - part), part]) * 30
    hits = cross_validated_hits(features, flowers["labels"], flowers["base_scene"])
    assert hits >= 0.98 * 360, hits


@pytest.fixture(scope="module")
def other_sets(tmp_path_factory) -> dict[str, dict[str, np.ndarray]]:
    """One view of 20 base scenes for each class of the sets that ask another question."""
    folder = tmp_path_factory.mktemp("sets")
    more = ("--size", 48, "--samples", 2, "--views-per-base", 1, "--seed", 23)
    found = {}
    for name, n in (("double-12c-swap", 240), ("shape-6c", 120), ("pair-6c", 120)):
        assemble([render(folder / f"{name}.h5", name, 0, n, *more)], folder / "all.h5", name)
        found[name] = read(folder / "all.h5")
        if name == "double-12c-swap":
            # Of two images of a class in turn one hangs: to know one is to know the other.
            found[name]["base_scene"] //= 2
        found[name]["scenes"] = [Scene.from_json(t.decode()) for t in found[name]["parameters"]]
    return found


def masks_of(flowers: dict[str, np.ndarray], *names: str) -> np.ndarray:
    """Pixels (n, H, W) of some parts."""
    return np.any([part_mask(name, flowers["parts"], flowers["shadows"]) for name in names], axis=0)


def shrunk(masks: np.ndarray) -> np.ndarray:
    """Pixels (n, H, W) whose neighbours are all in the mask: none of them mixes parts."""
    return ~binary_dilation(~masks, np.ones((1, 3, 3)))


@pytest.mark.parametrize("name", ["double-12c-swap", "shape-6c", "pair-6c"])
def test_part_masks_are_a_partition(other_sets, name) -> None:
    flowers = other_sets[name]
    masks = [part_mask(part, flowers["parts"], flowers["shadows"]) for part in visible_names(name)]
    assert (np.sum(masks, axis=0) == 1).all()
    shown = {part for part, mask in zip(visible_names(name), masks, strict=True) if mask.any()}
    assert shown == set(visible_names(name))
    carriers = np.where(np.isin([s.part for s in flowers["scenes"]], "pot"), 5, 1)
    assert np.array_equal(flowers["masks"], flowers["parts"] == carriers[:, None, None])
    area = flowers["masks"].mean((1, 2))
    assert 0.008 < area.min() < area.max() < 0.35
    number = PART_NUMBERS["ground"]
    assert (flowers["parts"][flowers["shadows"]] == number).all()
    # A shadow is darker than the same ground in the sun.
    bright = flowers["images"].mean(-1)
    for k in range(0, len(area), 17):
        sun, shade = (
            shrunk(m[k : k + 1])[0]
            for m in (masks[visible_names(name).index("ground")], flowers["shadows"])
        )
        if shade.sum() > 20:
            assert bright[k][shade].mean() < 0.9 * bright[k][sun].mean()


@pytest.mark.parametrize("name", ["double-12c-swap", "shape-6c", "pair-6c"])
def test_colours_of_what_carries_nothing_tell_nothing(other_sets, name) -> None:
    """The mean colour of every part that is not the carrier, of the lower flower's petals too."""
    flowers = other_sets[name]
    carriers = {scene.part for scene in flowers["scenes"]}
    names = [part for part in visible_names(name) if part not in carriers]
    features = np.hstack([mean_colour(flowers, shrunk(masks_of(flowers, part))) for part in names])
    n, classes = len(features), len(set(flowers["labels"]))
    hits = cross_validated_hits(features, flowers["labels"], flowers["base_scene"])
    assert_chance(hits, n, 1 / classes)


def test_in_the_swap_set_place_tells_neither_part_nor_colour(other_sets) -> None:
    """By a classifier that any shape of the distribution would help: the nearest neighbours' vote."""
    flowers = other_sets["double-12c-swap"]
    part, colour = np.divmod(flowers["labels"], 6)
    bases, (rows, columns) = flowers["base_scene"], np.indices((48, 48))
    place = np.array([[f[mask].mean() for f in (rows, columns)] for mask in flowers["masks"]])
    hangs = np.array([scene.hangs for scene in flowers["scenes"]])

    def neighbours_hits(features: np.ndarray, labels: np.ndarray, which: np.ndarray) -> int:
        hits = 0
        for fold in range(5):
            train, test = which & (bases % 5 != fold), which & (bases % 5 == fold)
            model = KNeighborsClassifier(15).fit(features[train], labels[train])
            hits += int((model.predict(features[test]) == labels[test]).sum())
        return hits

    everything = np.ones(240, bool)
    assert_chance(neighbours_hits(place, part, everything), 240, 1 / 2)
    assert_chance(neighbours_hits(place, colour, everything), 240, 1 / 6)
    assert neighbours_hits(place, part, ~hangs) == (~hangs).sum(), "the control: as in double-12c"
    outside = ~binary_dilation(flowers["masks"], np.ones((1, 3, 3)))
    pixels = np.hstack(
        [shrink(flowers["images"] * outside[..., None]), mean_colour(flowers, outside)]
    )
    assert_chance(cross_validated_hits(pixels, colour, bases), 240, 1 / 6)


def test_in_the_shape_set_colour_tells_nothing_and_the_outline_the_class(other_sets) -> None:
    flowers = other_sets["shape-6c"]
    labels, bases = flowers["labels"], flowers["base_scene"]
    inside = mean_colour(flowers, shrunk(flowers["masks"]))
    assert_chance(cross_validated_hits(inside, labels, bases), 120, 1 / 6)
    ground = mean_colour(flowers, shrunk(masks_of(flowers, "ground", "sky")))
    assert_chance(cross_validated_hits(ground, labels, bases), 120, 1 / 6)
    # The control: how the petals' pixels lie around the head tells the form.
    head = masks_of(flowers, "petals")
    rim = (head & ~shrunk(head)).sum((1, 2)) / np.sqrt(head.sum((1, 2)))
    ring = binary_dilation(head, np.ones((1, 5, 5))).sum((1, 2)) / head.sum((1, 2))
    features = np.stack([rim, ring, rim**2, ring**2, rim * ring], 1)
    hits = cross_validated_hits(features, labels, bases)
    assert hits > 2 * 120 / len(PETAL_FORMS), hits


def test_in_a_pair_neither_side_nor_the_lower_flower_tells_the_class(other_sets) -> None:
    flowers = other_sets["pair-6c"]
    labels, bases = flowers["labels"], flowers["base_scene"]
    outside = ~binary_dilation(flowers["masks"], np.ones((1, 3, 3)))
    pixels = np.hstack(
        [shrink(flowers["images"] * outside[..., None]), mean_colour(flowers, outside)]
    )
    assert_chance(cross_validated_hits(pixels, labels, bases), 120, 1 / 6)
    rows, columns = np.indices((48, 48))
    place = np.array([[f[mask].mean() for f in (rows, columns)] for mask in flowers["masks"]])
    assert_chance(cross_validated_hits(place, labels, bases), 120, 1 / 6)
    left = place[:, 1] < 23.5
    assert_chance(int(left.sum()), 120, 1 / 2)
    inside = mean_colour(flowers, flowers["masks"])
    control = 30 * np.hstack([inside, inside**2, inside * np.roll(inside, 1, axis=1)])
    assert cross_validated_hits(control, labels, bases) >= 0.98 * 120


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "single-7c", "--start", 0, "--stop", 1), "single-7c"),
        (("--set", "single-6c", "--start", 5, "--stop", 5), "--stop is 5, expected .* from 6"),
        (("--set", "single-6c", "--start", 0, "--stop", 1, "--size", 8), "--size is 8"),
        (("--set", "single-6c", "--start", 0, "--stop", 1, "--threads", 0), "--threads is 0"),
        (("--set", "single-6c", "--start", "x", "--stop", 1), "invalid int value: 'x'"),
    ],
)
def test_bad_arguments_are_one_clear_error(tmp_path, arguments, message) -> None:
    done = run("-m", "vebi.data.an8flower.render", *arguments, "--out", tmp_path / "c.h5")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert re.search(message, last), last
    assert list(tmp_path.iterdir()) == []
