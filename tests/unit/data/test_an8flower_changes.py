"""Changes of a scene: exactly one thing, and the window of the picture that it can reach."""

import colorsys
import dataclasses
import json

import numpy as np
import pytest

from vebi.data.an8flower import geometry
from vebi.data.an8flower.changes import (
    KINDS,
    Change,
    apply_change,
    changed_region,
    changes_of,
    other_part,
)
from vebi.data.an8flower.parts import PART_NUMBERS
from vebi.data.an8flower.scene import FLOWER_SETS, NEUTRAL_COLOURS, PETAL_FORMS, sample_scene
from vebi.io.errors import VebiError


def differences(one, other, path="") -> set[str]:
    """Where two trees of JSON differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = one.keys() | other.keys()
        return set().union(*(differences(one.get(k), other.get(k), f"{path}.{k}") for k in keys))
    return set() if one == other else {path}


def expected_differences(scene, change: Change) -> set[str]:
    """What each kind of change may touch, by the module's own words."""
    colour = {
        part: f".companion.colours.{part[:-1]}" if part.endswith("2") else f".colours.{part}"
        for part in (*scene.colours, *(f"{part}2" for part in NEUTRAL_COLOURS))
    }
    other = colour[other_part(scene)]
    if change.kind == "removed":
        return {".removed"}
    if change.kind == "other_form":
        return {".form"}
    if change.part == "light":
        names = ("sun_azimuth", "sun_elevation", "sun", "ambient")
        return {f".view.{name}" for name in names}
    if change.part == "background":
        return {colour[name] for name in ("sky", "horizon", "ground")}
    if change.kind == "class_colour":
        return {other}
    if change.kind == "moved":
        return {other, colour[scene.part]}
    found = {colour["sky"], colour["horizon"]} if change.part == "sky" else {colour[change.part]}
    if change.part in {item.kind for item in scene.distractors}:
        found.add(".distractors")
    return found


@pytest.mark.parametrize("name", FLOWER_SETS)
def test_a_change_changes_one_thing(name) -> None:
    changes = changes_of(name)
    assert len(set(changes)) == len(changes)
    assert {change.kind for change in changes} <= set(KINDS)
    applied = dict.fromkeys(changes, 0)
    for i in range(0, 240, 7):
        scene = sample_scene(name, 4, i)
        before = json.loads(scene.to_json())
        for change in changes:
            changed = apply_change(scene, change)
            if changed is None:
                assert change.part.startswith(("object", "stand"))
                continue
            applied[change] += 1
            after = json.loads(changed.to_json())
            assert differences(before, after) == expected_differences(scene, change), change
            assert apply_change(scene, change) == changed
            assert type(scene).from_json(changed.to_json()) == changed
    assert min(applied.values()) > 0


def test_what_replaces_a_colour_is_neutral_and_the_class_colour_goes_where_it_is_said() -> None:
    for i in range(60):
        scene = sample_scene("double-12c-distractors", 2, i)
        for part in ("petals", "leaves", "pot"):
            rgb = apply_change(scene, Change(part, "neutral")).colours[part]
            _, saturation, value = colorsys.rgb_to_hsv(*rgb)
            _, (low, high), (dark, bright) = NEUTRAL_COLOURS[part]
            assert low - 1e-3 <= saturation <= high + 1e-3
            assert dark - 1e-3 <= value <= bright + 1e-3
        added = apply_change(scene, Change("other", "class_colour"))
        moved = apply_change(scene, Change("other", "moved"))
        other = {"petals": "pot", "pot": "petals"}[scene.part]
        assert added.colours[other] == moved.colours[other] == scene.colours[scene.part]
        assert moved.colours[scene.part] != scene.colours[scene.part]
        gone = apply_change(scene, Change("leaves", "neutral"))
        assert {d.kind for d in gone.distractors} == {d.kind for d in scene.distractors} - {
            "leaves"
        }
    pair = sample_scene("pair-6c", 2, 4)
    added = apply_change(pair, Change("petals2", "class_colour"))
    assert added.companion.colours["petals"] == pair.colours["petals"]
    shapes = [sample_scene("shape-6c", 2, k) for k in range(6)]
    forms = [apply_change(scene, Change("petals", "other_form")).form for scene in shapes]
    assert forms == [*PETAL_FORMS[1:], PETAL_FORMS[0]]


def test_an_unknown_change_is_an_error() -> None:
    scene = sample_scene("single-6c", 0, 0)
    with pytest.raises(VebiError, match="'removed' of 'soil' is unknown in set single-6c"):
        apply_change(scene, Change("soil", "removed"))
    with pytest.raises(VebiError, match="other_form"):
        apply_change(scene, Change("petals", "other_form"))


@pytest.mark.parametrize("name", ["double-12c-distractors", "double-12c-swap", "pair-6c"])
def test_the_window_holds_every_corner_that_changes_and_its_shadow(name) -> None:
    """Against a slow twin: corners, and points of each sun ray from them to the ground, one by one."""
    size = 100
    for i in (0, 17, 40):
        scene = sample_scene(name, 5, i)
        camera = geometry.camera_matrix(scene.plant, scene.view)
        sun = geometry.sun_matrix(scene.view) @ [0.0, 0.0, -1.0, 0.0]
        things = geometry.things_of(scene)
        for part in ("petals", "leaves", "stem"):
            for kind in ("neutral", "removed"):
                changed = apply_change(scene, Change(part, kind))
                window, is_reshaped = geometry.window_of_change(scene, changed, size)
                assert is_reshaped == (kind == "removed")
                left, right, top, bottom = window
                for corner in things[part].vertices[::23]:
                    steps = np.linspace(0.0, -corner[2] / sun[2], 9) if kind == "removed" else [0.0]
                    for step in steps:
                        x, y, z, _ = np.linalg.inv(camera) @ [*(corner + step * sun[:3]), 1.0]
                        scale = size / 2 / np.tan(np.radians(scene.view.field_of_view / 2)) / -z
                        column, row = size / 2 + scale * x, size / 2 - scale * y
                        if 0 <= column < size and 0 <= row < size:
                            assert left <= column <= right
                            assert top <= row <= bottom
                area = (right - left) * (bottom - top)
                assert 0 < area < size * size


def test_what_reaches_everywhere_or_nowhere() -> None:
    scene = sample_scene("double-12c", 5, 3)
    for change in (
        Change("light", "another"),
        Change("sky", "neutral"),
        Change("shadow", "removed"),
    ):
        changed = apply_change(scene, change)
        assert geometry.window_of_change(scene, changed, 50) == ((0, 50, 0, 50), True)
    (left, right, top, bottom), _ = geometry.window_of_change(scene, scene, 50)
    assert left >= right or top >= bottom
    aside = dataclasses.replace(scene.view, pan=(40.0, 0.0))
    far = dataclasses.replace(scene, view=aside)
    changed = apply_change(far, Change("petals", "neutral"))
    (left, right, top, bottom), _ = geometry.window_of_change(far, changed, 50)
    assert left >= right or top >= bottom


def test_the_region_is_the_part_what_it_hid_and_its_shadow() -> None:
    scene = sample_scene("single-6c", 0, 0)
    petals, pot, ground = (PART_NUMBERS[name] for name in ("petals", "pot", "ground"))
    parts = np.full((4, 4), ground, np.uint8)
    parts[0, :2], parts[1, 0] = petals, pot
    lit = np.ones((4, 4), bool)
    lit[3, 3] = False
    after = parts.copy()
    after[0, :2] = ground
    region = changed_region(Change("petals", "removed"), scene, (parts, lit), (after, lit | True))
    assert {(int(r), int(c)) for r, c in zip(*region.nonzero(), strict=True)} == {
        (0, 0),
        (0, 1),
        (3, 3),
    }
    region = changed_region(Change("other", "moved"), scene, (parts, lit), (parts, lit))
    assert np.array_equal(region, np.isin(parts, [petals, pot]))
    region = changed_region(Change("light", "another"), scene, (parts, lit), (parts, lit))
    assert region.all()
