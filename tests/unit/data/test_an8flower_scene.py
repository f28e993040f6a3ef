"""The sampler: what depends on what, and that nothing but colour and part tells the class."""

import json
import os
import subprocess
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, f_oneway

from vebi.config.datasets import An8FlowerConfig
from vebi.data.an8flower import geometry
from vebi.data.an8flower.scene import (
    CLASS_COLOURS,
    DISTRACTOR_OBJECTS,
    DISTRACTOR_PARTS,
    FLOWER_SETS,
    FORM_COLOUR,
    PETAL_FORMS,
    Scene,
    base_of_index,
    sample_scene,
    split_of_base,
)
from vebi.io.errors import VebiError

ROOT = Path(__file__).parents[3]
RENDER_PYTHON = Path(os.environ.get("VEBI_RENDER_PYTHON", ROOT / ".venv-render/bin/python"))

# Least distance of colours in the a*b* plane of CIELAB (D65), which leaves lightness out, as shading
# changes it. A just noticeable difference is about 2.
NEUTRAL_DISTANCE = 20.0
CLASS_DISTANCE = 25.0

sets = st.sampled_from(sorted(FLOWER_SETS))
seeds = st.integers(0, 2**31 - 1)
indices = st.integers(0, 20_000)


def ab(rgb: tuple[float, float, float]) -> np.ndarray:
    """a* and b* of an sRGB colour (IEC 61966-2-1, CIE 15)."""
    value = np.asarray(rgb)
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ linear / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_colour_distance_against_published_values() -> None:
    np.testing.assert_allclose(ab((1.0, 0.0, 0.0)), [80.09, 67.20], atol=0.05)
    np.testing.assert_allclose(ab((0.0, 0.0, 1.0)), [79.19, -107.86], atol=0.05)
    np.testing.assert_allclose(ab((0.5, 0.5, 0.5)), [0.0, 0.0], atol=0.05)


@given(sets, seeds, st.lists(indices, min_size=1, max_size=6), st.randoms())
@settings(max_examples=40, deadline=None)
def test_an_image_depends_on_seed_and_index_alone(name, seed, chosen, random) -> None:
    one = {i: sample_scene(name, seed, i).to_json() for i in chosen}
    random.shuffle(chosen)
    np.random.seed(random.randrange(2**32))  # noqa: NPY002 - the global state must not matter
    assert {i: sample_scene(name, seed, i).to_json() for i in chosen} == one


@given(sets, seeds, indices)
@settings(max_examples=60, deadline=None)
def test_json_round_trip(name, seed, index) -> None:
    scene = sample_scene(name, seed, index)
    text = scene.to_json()
    assert Scene.from_json(text) == scene
    assert Scene.from_json(text).to_json() == text
    assert "\n" not in text


def test_json_of_another_layout_is_refused() -> None:
    values = json.loads(sample_scene("single-6c", 0, 0).to_json())
    values["view"]["zoom"] = 1.0
    with pytest.raises(TypeError, match="zoom"):
        Scene.from_json(json.dumps(values))


@pytest.mark.parametrize("name", FLOWER_SETS)
def test_every_prefix_of_whole_rounds_is_balanced(name) -> None:
    classes = FLOWER_SETS[name].classes
    scenes = [sample_scene(name, 4, i) for i in range(5 * len(classes))]
    for rounds in range(1, 6):
        counts = Counter(scene.class_name for scene in scenes[: rounds * len(classes)])
        assert counts == dict.fromkeys(classes, rounds)
    assert all(classes[scene.label] == scene.class_name for scene in scenes)


@given(sets, st.integers(1, 7), st.integers(2, 7), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_split_by_base_scene(name, views, n_folds, n_bases) -> None:
    """Base scenes are never shared; folds are balanced in every prefix; each has every class."""
    n_classes = len(FLOWER_SETS[name].classes)
    bases = [base_of_index(name, i, views) for i in range(n_bases * views * n_classes)]
    assert Counter(bases) == dict.fromkeys(range(n_bases), views * n_classes)
    dealt = np.array(
        [[split_of_base(b, n_folds, f) for b in range(n_bases)] for f in range(n_folds)]
    )
    assert (dealt.sum(0) == 1).all(), "every base scene is in the test split of one fold"
    per_fold = dealt.cumsum(1)
    assert (per_fold.max(0) - per_fold.min(0) <= 1).all()
    for base in range(n_bases):
        labels = Counter(i % n_classes for i, b in enumerate(bases) if b == base)
        assert labels == dict.fromkeys(range(n_classes), views)


def test_a_base_scene_shares_the_plant_and_nothing_else() -> None:
    scenes = [sample_scene("double-12c", 7, i, views_per_base=2) for i in range(48)]
    plants = [scene.plant for scene in scenes]
    assert len(set(plants[:24])) == len(set(plants[24:])) == 1
    assert plants[0] != plants[24]
    assert len({scene.view for scene in scenes}) == 48
    assert len({json.dumps(scene.colours) for scene in scenes}) == 48
    assert sample_scene("double-12c", 8, 0).plant != plants[0]


def test_colour_leaves_two_classes_and_part_six() -> None:
    pairs = [tuple(name.split("-")) for name in FLOWER_SETS["double-12c"].classes]
    assert set(Counter(colour for _, colour in pairs).values()) == {2}
    assert set(Counter(part for part, _ in pairs).values()) == {6}
    assert {name.split("-")[0] for name in FLOWER_SETS["single-6c"].classes} == {"petals"}
    assert FLOWER_SETS["double-12c-distractors"].classes == FLOWER_SETS["double-12c"].classes


@pytest.mark.parametrize("name", [name for name, found in FLOWER_SETS.items() if not found.forms])
def test_class_colours_stand_apart_and_the_rest_is_neutral(name) -> None:
    scenes = [sample_scene(name, 11, i) for i in range(480)]
    shades: dict[str, list[np.ndarray]] = {colour: [] for colour in CLASS_COLOURS}
    neutral = []
    for scene in scenes:
        coloured = {scene.part} | {d.kind for d in scene.distractors}
        shades[scene.colour].append(ab(scene.colours[scene.part]))
        for item in scene.distractors:
            shades[item.colour].append(ab(item.rgb))
        if scene.companion is not None:
            theirs = dict(scene.companion.colours)
            shades[scene.companion.colour].append(ab(theirs.pop("petals")))
            neutral += [ab(rgb) for rgb in theirs.values()]
        neutral += [ab(rgb) for part, rgb in scene.colours.items() if part not in coloured]
    neutral = np.array(neutral)
    for colour, own in shades.items():
        own = np.array(own)
        assert len(own) >= 40
        gap = np.linalg.norm(own[:, None] - neutral[None], axis=-1).min()
        assert gap >= NEUTRAL_DISTANCE, (colour, gap)
        others = np.concatenate([v for key, v in shades.items() if key != colour])
        gap = np.linalg.norm(own[:, None] - others[None], axis=-1).min()
        assert gap >= CLASS_DISTANCE, (colour, gap)


def test_distractors_are_the_plain_set_with_more_in_it() -> None:
    for i in range(120):
        plain, busy = (
            sample_scene(name, 2, i) for name in ("double-12c", "double-12c-distractors")
        )
        assert (plain.plant, plain.view, plain.class_name) == (
            busy.plant,
            busy.view,
            busy.class_name,
        )
        assert plain.distractors == ()
        kinds = [item.kind for item in busy.distractors]
        parts = [kind for kind in kinds if kind in DISTRACTOR_PARTS]
        assert sorted(item.colour for item in busy.distractors) == sorted(CLASS_COLOURS), (
            "each class colour once, so that no colour alone tells the class"
        )
        assert 2 <= len(parts) <= 3
        assert len(parts) == len(set(parts))
        assert set(kinds) & set(DISTRACTOR_OBJECTS)
        assert set(kinds) <= {*DISTRACTOR_PARTS, *DISTRACTOR_OBJECTS}, "never petals or pot"
        changed = {part for part in plain.colours if plain.colours[part] != busy.colours[part]}
        assert changed == set(parts)


def test_distractors_say_nothing_about_the_class() -> None:
    """Which colour has which kind and place is independent of the class (chi-squared)."""
    scenes = [sample_scene("double-12c-distractors", 3, i) for i in range(3600)]
    colours = list(CLASS_COLOURS)
    p_values = {}

    def check(title: str, pairs: list[tuple[int, int]]) -> None:
        rows, columns = np.array(pairs).T
        table = np.zeros((rows.max() + 1, columns.max() + 1))
        np.add.at(table, (rows, columns), 1)
        p_values[title] = chi2_contingency(table[:, table.any(0)]).pvalue

    items = [(scene, item) for scene in scenes for item in scene.distractors]
    kinds = [*DISTRACTOR_PARTS, *DISTRACTOR_OBJECTS]
    check("kind", [(s.label, kinds.index(d.kind)) for s, d in items])
    check("number of parts", [(s.label, sum(not d.size for d in s.distractors)) for s in scenes])
    check("side", [(s.label, int(d.place[1] > 0)) for s, d in items if d.size])
    for kind in kinds:
        pairs = [(s.label, colours.index(d.colour)) for s, d in items if d.kind == kind]
        check(f"colour of {kind}", pairs)
    assert min(p_values.values()) > 0.001, p_values
    own = np.mean([d.size > 0 for s, d in items if d.colour == s.colour])
    other = np.mean([d.size > 0 for s, d in items if d.colour != s.colour])
    assert own == pytest.approx(other, abs=0.03), "the true colour is as often an object as any"


def test_distractors_do_not_touch_each_other_or_the_pot() -> None:
    for i in range(300):
        scene = sample_scene("double-12c-distractors", 5, i)
        things = [d for d in scene.distractors if d.size]
        for k, thing in enumerate(things):
            gap = np.hypot(*thing.place) - scene.plant.pot_bottom_radius - 1.3 * thing.size
            assert gap > 0
            for other in things[:k]:
                apart = np.hypot(*np.subtract(thing.place, other.place))
                assert apart > thing.size + other.size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("double-13c", 0, 0), "double-13c.*allowed: single-6c"),
        (("single-6c", -1, 0), "seed is -1"),
        (("single-6c", 0, -2), "index is -2"),
        (("single-6c", 0, 0, 0), "views is 0"),
    ],
)
def test_bad_arguments(arguments, message) -> None:
    with pytest.raises(VebiError, match=message):
        sample_scene(*arguments)
    with pytest.raises(VebiError, match="fold 5"):
        split_of_base(0, 5, 5)


@pytest.mark.skipif(
    not RENDER_PYTHON.is_file(), reason=f"no rendering environment at {RENDER_PYTHON}"
)
def test_both_environments_draw_the_same_scenes() -> None:
    """The rendering environment has another numpy; the text must be the same to the last digit."""
    code = (
        "from vebi.data.an8flower.scene import FLOWER_SETS, sample_scene\n"
        "for name in FLOWER_SETS:\n"
        "    for i in range(100):\n"
        "        print(sample_scene(name, 123456, 37 * i).to_json())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    printed = subprocess.run(
        [RENDER_PYTHON, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    here = [sample_scene(n, 123456, 37 * i).to_json() for n in FLOWER_SETS for i in range(100)]
    assert printed == here


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("single-6c", "044705631d66140656e81d095938b319ad5a4a59ba5b6478aac93742c8836b31"),
        ("double-12c", "e0a3a8e5af1eaba77ea7dadb854caa6b2deea19ec14117203025ee9a900e7a20"),
        (
            "double-12c-distractors",
            "7a7e19d01f97c8854f0d0037feca9faeac3b4a49e83105d0cb8a4a0829ef741c",
        ),
    ],
)
def test_scenes_of_published_sets_stay_as_they_are(name, digest) -> None:
    """The first three sets are in use: another scene under the same name would be another data set."""
    texts = [sample_scene(name, seed, 37 * i).to_json() for seed in (0, 3) for i in range(100)]
    assert sha256("\n".join(texts).encode()).hexdigest() == digest


def test_configuration_and_library_know_the_same_sets() -> None:
    names = get_args(An8FlowerConfig.model_fields["flower_set"].annotation)
    assert list(names) == list(FLOWER_SETS)
    for name, found in FLOWER_SETS.items():
        config = An8FlowerConfig(kind="an8flower", flower_set=name, images=600, views_per_base=1)
        assert config.n_classes == len(found.classes)


def numbers_of(values, path="") -> dict[str, float]:
    """Every number of a scene's parameters by where it stands."""
    if isinstance(values, dict):
        found = [numbers_of(value, f"{path}.{key}") for key, value in values.items()]
    elif isinstance(values, list):
        found = [numbers_of(value, f"{path}.{k}") for k, value in enumerate(values)]
    else:
        return {path: float(values)} if isinstance(values, int | float) else {}
    return {key: value for part in found for key, value in part.items()}


@pytest.mark.parametrize("name", FLOWER_SETS)
def test_no_parameter_but_the_class_colour_differs_between_classes(name) -> None:
    """One-way analysis of variance of every number that a scene is made of, against the label."""
    scenes = [sample_scene(name, 21, i, views_per_base=1) for i in range(900)]
    rows = []
    for scene in scenes:
        values = json.loads(scene.to_json())
        for key in ("seed", "index", "base", "label", "removed", "distractors", "plant"):
            values.pop(key, None)
        for part in FLOWER_SETS[name].parts:
            values["colours"].pop(part)
        if scene.companion is not None:
            values["companion"].pop("plant")
        rows.append({".hangs": 0.0, **numbers_of(values)})
    labels = np.array([scene.label for scene in scenes])
    p_values = {}
    for key in rows[0]:
        column = np.array([row[key] for row in rows])
        if np.ptp(column):
            p_values[key] = f_oneway(*(column[labels == k] for k in set(labels))).pvalue
    assert len(p_values) > 30
    assert min(p_values.values()) > 0.01 / len(p_values), min(p_values, key=p_values.get)
    # Classes of one base scene share the plants; nothing above could see them otherwise.
    for base in range(0, 900 // len(FLOWER_SETS[name].classes), 7):
        shown = [scene for scene in scenes if scene.base == base]
        assert len({scene.plant for scene in shown}) == 1
        assert len({scene.companion and scene.companion.plant for scene in shown}) == 1


def test_in_the_swap_set_half_of_each_class_hangs_and_the_rest_is_double_12c() -> None:
    n = 12 * 40
    swapped = [sample_scene("double-12c-swap", 6, i) for i in range(n)]
    plain = [sample_scene("double-12c", 6, i) for i in range(n)]
    for label in range(12):
        own = [scene.hangs for scene in swapped if scene.label == label]
        assert sum(own) == len(own) // 2
        assert all(sum(own[k : k + 2]) == 1 for k in range(0, len(own), 2))
    first = [scene.hangs for scene in swapped[: 12 * 20]]
    assert len({tuple(first[k : k + 12]) for k in range(0, len(first), 24)}) > 5, "by lot"
    for one, other in zip(swapped, plain, strict=True):
        assert (one.plant, one.class_name) == (other.plant, other.class_name)
        stand = {"stand": one.colours["stand"]}
        assert one.colours == {**other.colours, **stand}
        assert one.view == other.view


def in_picture(thing: geometry.Thing, scene: Scene) -> np.ndarray:
    """A thing's corners (V, 2): right and down, from -1 to 1 in the picture."""
    camera = np.linalg.inv(geometry.camera_matrix(scene.plant, scene.view))
    seen = np.hstack([thing.vertices, np.ones((len(thing.vertices), 1))]) @ camera[:3].T
    half = np.tan(np.radians(scene.view.field_of_view) / 2)
    return seen[:, :2] / seen[:, 2:] * [-1, 1] / half


def shown_place(thing: geometry.Thing, scene: Scene, is_sheet: bool) -> np.ndarray:
    """Centroid of what a thing shows, face by face: those of a pot that turn their outside to us."""
    corners, total, area = in_picture(thing, scene), np.zeros(2), 0.0
    for face in thing.mesh.quads:
        x, y = corners[face].T
        # The shoelace formula; down is positive, so a face seen from outside runs the other way.
        signed = -0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))
        share = abs(signed) if is_sheet else max(signed, 0.0)
        total, area = total + share * corners[face].mean(0), area + share
    return total / area


def test_petals_and_pot_swap_their_places_in_the_picture() -> None:
    for i in range(0, 240, 5):
        scene = sample_scene("double-12c-swap", 3, i, views_per_base=1)
        upright = geometry.things_of(sample_scene("double-12c", 3, i, views_per_base=1))
        things = geometry.things_of(scene)
        names = ("pot", "petals") if scene.hangs else ("petals", "pot")
        for name, twin in zip(("petals", "pot"), names, strict=True):
            here = shown_place(things[name], scene, name == "petals")
            there = shown_place(upright[twin], scene, twin == "petals")
            assert np.allclose(here, there, atol=1e-6)
        floor = things["ground"].vertices[:, 2].max()
        assert things["petals"].vertices[:, 2].min() > floor, "nothing goes through the ground"
        assert ("stand" in things) == scene.hangs
        if scene.hangs:
            top, bottom = np.ptp(things["stand"].vertices, axis=0)[2], things["stand"].matrix[2, 3]
            assert bottom == floor
            assert things["pot"].vertices[:, 2].min() == pytest.approx(top + bottom, abs=1e-9)
            assert top > 1.0


def test_a_hanging_stem_goes_over_the_rim_and_not_through_the_pot() -> None:
    for i in range(0, 1200, 12):
        scene = sample_scene("double-12c-swap", 3, i, views_per_base=1)
        plant, drop = scene.plant, geometry.hanging_place(scene.plant, scene.view).drop
        point, tangent = geometry.stem_point(plant, np.linspace(0.0, 1.0, 2001), drop)
        step = np.diff(point, axis=0)
        along = (step * tangent[:-1]).sum(1) / np.linalg.norm(step, axis=1)
        assert along.min() > 0.999, "the tangent is the curve's"
        out, height = point[:, 0], point[:, 2] - plant.pot_height
        rim = plant.pot_top_radius + plant.rim_overhang
        over = (out > plant.pot_top_radius - 0.05) & (out < rim)
        assert height[over].min() > 0
        beside = out[(height < 0) & (np.arange(2001) > 1000)]
        assert beside.min() > rim + 0.02
        start = point[0] - [0, 0, plant.soil_height - 0.02]
        assert np.abs(start).max() < 1e-12


def test_in_the_shape_set_only_the_form_differs() -> None:
    scenes = [sample_scene("shape-6c", 8, i) for i in range(120)]
    assert {scene.colour for scene in scenes} == {FORM_COLOUR}
    assert [scene.form for scene in scenes[:6]] == list(PETAL_FORMS)
    plant = scenes[0].plant
    meshes = [geometry.plant_meshes(plant, form) for form in PETAL_FORMS]
    for part in ("centre", "stem", "leaves", "pot", "soil"):
        assert all(np.array_equal(m[part].vertices, meshes[0][part].vertices) for m in meshes)
    outlines = [mesh["petals"].vertices for mesh in meshes]
    for k, one in enumerate(outlines):
        for other in outlines[:k]:
            assert np.abs(one - other).max() > 0.1 * plant.petal_length
    with pytest.raises(ValueError, match="oval"):
        geometry.petal_outline("oval", np.zeros((2, 1)), np.zeros((1, 2)))


def test_in_a_pair_the_class_is_on_the_taller_flower() -> None:
    """In the scene by the rule's own words, and in the picture too, so that it can be seen."""
    sides, colours, heights = [], [], []
    for i in range(600):
        scene = sample_scene("pair-6c", 9, i, views_per_base=1)
        things = geometry.things_of(scene)
        first, second = things["centre"], things["centre2"]
        high, low = (thing.matrix[2, 3] for thing in (first, second))
        assert high - low > 0.44
        rows = [in_picture(thing, scene)[:, 1].mean() for thing in (first, second)]
        assert rows[1] - rows[0] > 0.03
        camera = geometry.camera_matrix(scene.plant, scene.view)
        seen = [camera[:3, 0] @ (thing.matrix[:3, 3] - camera[:3, 3]) for thing in (first, second)]
        sides.append(seen[0] > seen[1])
        colours.append((scene.label, list(CLASS_COLOURS).index(scene.companion.colour)))
        heights.append((high, low))
        assert scene.class_name == f"taller-{scene.colour}"
    assert 250 < sum(sides) < 350
    table = np.zeros((6, 6))
    np.add.at(table, tuple(np.array(colours).T), 1)
    assert chi2_contingency(table).pvalue > 0.001, "the lower flower's colour says nothing"
    high, low = np.array(heights).T
    assert low.max() > high.min(), "no height alone says which flower is the taller"
