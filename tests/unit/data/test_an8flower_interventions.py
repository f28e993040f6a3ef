"""Interventions in the real Blender: one thing changes, and outside it not a byte."""

import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from vebi.data.an8flower.assemble import assemble_interventions
from vebi.data.an8flower.changes import changes_of
from vebi.data.an8flower.scene import sample_scene
from vebi.io.errors import VebiError

ROOT = Path(__file__).parents[3]
RENDER_PYTHON = Path(os.environ.get("VEBI_RENDER_PYTHON", ROOT / ".venv-render/bin/python"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not RENDER_PYTHON.is_file(), reason=f"no rendering environment at {RENDER_PYTHON}"
    ),
]


def run(*arguments: object) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    command = [str(RENDER_PYTHON), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def intervene(out: Path, flower_set: str, images: str, *more: object) -> Path:
    done = run(
        *("-m", "vebi.data.an8flower.intervene", "--set", flower_set, "--images", images),
        *("--out", out, "--samples", 2, "--size", 48, "--views-per-base", 1, *more),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return out


def read(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file}


# For each scene: every change drawn whole, as from an empty Blender, and in a window
# after another scene; and the parts and light before and after, sixteen times as fine.
TWINS = """
import sys, numpy as np
from vebi.data.an8flower.changes import apply_change, changed_region, changes_of
from vebi.data.an8flower.render import Renderer
from vebi.data.an8flower.scene import sample_scene
size, fine = 40, 16
renderer = Renderer(size, 4)
scenes = [text.split(":") for text in sys.argv[2:]]
scenes = [sample_scene(name, 7, int(i), views_per_base=1) for name, i in scenes]
found, whole = [], {}
for k, scene in enumerate(scenes):
    before = renderer.render(scene)
    for c, change in enumerate(changes_of(scene.flower_set)):
        changed = apply_change(scene, change)
        if changed is not None:
            after = renderer.render_change(scene, before, changed)
            region = changed_region(change, scene, before[1:], after[1:])
            found.append((k, c, before.image, after.image, region, renderer.render(changed).image))
renderer._size = fine * size
for scene in (renderer._beauty, renderer._parts):
    scene.render.resolution_x = scene.render.resolution_y = fine * size
regions = []
for k, c, *_ in found:
    scene = scenes[k]
    if k not in whole:
        whole[k] = renderer.render_parts(scene)
    change = changes_of(scene.flower_set)[c]
    # Only the shape decides the fine parts: a change of colours leaves them.
    changed = apply_change(scene, change)
    same = change.kind in ("neutral", "class_colour", "moved") or change.part == "background"
    after = whole[k] if same else renderer.render_parts(changed)
    regions.append(np.packbits(changed_region(change, scene, whole[k], after)))
renderer.close()
names = ("scene", "change", "before", "after", "region", "twin")
np.savez_compressed(sys.argv[1], fine=regions, **{n: [f[k] for f in found] for k, n in enumerate(names)})
"""


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Pictures of every change of some scenes, with their slow twins."""
    out = tmp_path_factory.mktemp("twins") / "twins.npz"
    chosen = [("double-12c-distractors", 4), ("double-12c-swap", 4), ("double-12c-swap", 9)]
    chosen += [("shape-6c", 4), ("pair-6c", 21)]
    assert len({sample_scene(name, 7, i, 1).hangs for name, i in chosen[1:3]}) == 2
    done = run("-c", TWINS, out, *(f"{name}:{i}" for name, i in chosen))
    assert done.returncode == 0, done.stderr
    with np.load(out) as file:
        arrays = dict(file)
    names = [changes_of(name) for name, _ in chosen]
    arrays["names"] = [names[k][c] for k, c in zip(arrays["scene"], arrays["change"], strict=True)]
    return arrays


def test_a_window_gives_the_bytes_of_the_whole_picture(twins) -> None:
    assert len(twins["after"]) > 90
    for k, change in enumerate(twins["names"]):
        assert np.array_equal(twins["after"][k], twins["twin"][k]), change


def test_outside_the_changed_part_its_shadow_and_what_it_hid_nothing_changes(twins) -> None:
    """No pixel may change that has none of the region in it, which 16 times the resolution shows."""
    size, n = 40, 16
    seen = set()
    for k, change in enumerate(twins["names"]):
        changed = (twins["before"][k] != twins["after"][k]).any(-1)
        fine = np.unpackbits(twins["fine"][k]).reshape(n * size, n * size).astype(bool)
        # One fine pixel more, for slivers that miss the centres of the fine pixels.
        reach = binary_dilation(fine, np.ones((3, 3))).reshape(size, n, size, n).any((1, 3))
        assert not (changed & ~reach).any(), (change, (changed & ~reach).sum())
        region = twins["region"][k]
        # At the real resolution it is the region and its rim, but for what is thinner than a pixel.
        beside = changed & ~binary_dilation(region, np.ones((5, 5)))
        assert beside.sum() <= 0.004 * size**2, (change, beside.sum())
        if region.sum() > 20 and change.kind != "neutral":
            assert changed[region].mean() > 0.5, change
            seen.add((change.part, change.kind))
    assert len(seen) > 15


def test_a_file_of_interventions(tmp_path) -> None:
    """What is in it, the same bytes for any chunks and threads, and that it can be joined."""
    name = "double-12c-distractors"
    whole = intervene(tmp_path / "whole.h5", name, "3,10-11", "--seed", 2)
    one = intervene(tmp_path / "one.h5", name, "3", "--seed", 2, "--threads", 2)
    rest = intervene(tmp_path / "rest.h5", name, "10-11", "--seed", 2)
    assemble_interventions([rest, one], tmp_path / "joined.h5", name)
    assemble_interventions([whole], tmp_path / "alone.h5", name)
    assert (tmp_path / "joined.h5").read_bytes() == (tmp_path / "alone.h5").read_bytes()
    found, joined = read(whole), read(tmp_path / "joined.h5")
    assert found.keys() == joined.keys()
    assert all(np.array_equal(found[key], joined[key]) for key in found)

    changes = changes_of(name)
    assert found["images"].shape == (3, len(changes), 48, 48, 3)
    assert found["masks"].shape == (3, len(changes), 48, 48)
    assert found["index"].tolist() == [3, 10, 11]
    with h5py.File(whole) as file:
        pairs = zip(file.attrs["change_parts"], file.attrs["change_kinds"], strict=True)
        assert [tuple(pair) for pair in pairs] == [(c.part, c.kind) for c in changes]
    for row, index in enumerate(found["index"]):
        scene = sample_scene(name, 2, int(index), views_per_base=1)
        assert found["parameters"][row].decode() == scene.to_json()
        things = sum(item.size > 0 for item in scene.distractors)
        for column, change in enumerate(changes):
            missing = change.part.startswith("object") and int(change.part[6:]) >= things
            assert found["applies"][row, column] == (not missing)
            if missing:
                assert np.array_equal(found["images"][row, column], found["originals"][row])
                assert not found["masks"][row, column].any()
    # The originals are the data set's images.
    done = run(
        *("-m", "vebi.data.an8flower.render", "--set", name, "--start", 10, "--stop", 12),
        *("--size", 48, "--samples", 2, "--views-per-base", 1, "--seed", 2),
        *("--out", tmp_path / "images.h5"),
    )
    assert done.returncode == 0, done.stderr
    images = read(tmp_path / "images.h5")
    for ours, theirs in (("originals", "images"), ("parts", "parts"), ("shadows", "shadows")):
        assert np.array_equal(found[ours][1:], images[theirs])

    with pytest.raises(VebiError, match=r"image 3 is in .*one\.h5 and in .*whole\.h5"):
        assemble_interventions([one, whole], tmp_path / "bad.h5", name)
    with pytest.raises(VebiError, match="holds images of double-12c-distractors, expected"):
        assemble_interventions([tmp_path / "images.h5"], tmp_path / "bad.h5", name)
    with pytest.raises(VebiError, match="nothing to assemble"):
        assemble_interventions([], tmp_path / "bad.h5", name)
    assert not (tmp_path / "bad.h5").exists()


@pytest.mark.parametrize("images", ["", "3,2", "1-x", "5-4", "2,2"])
def test_bad_numbers_are_one_clear_error(tmp_path, images) -> None:
    done = run(
        *("-m", "vebi.data.an8flower.intervene", "--set", "single-6c", "--images", images),
        *("--out", tmp_path / "c.h5"),
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "--images" in done.stderr.strip().splitlines()[-1]
