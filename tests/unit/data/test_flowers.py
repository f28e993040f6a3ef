"""`vebi flowers` and `vebi.data.Flowers`: every format says the same, and reading needs no Blender."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from vebi.data import Flowers
from vebi.data.an8flower import publish as published
from vebi.data.an8flower.parts import PART_NUMBERS, part_mask, part_names_of, visible_names
from vebi.data.an8flower.publish import FlowerRequest, coco_annotation, publish
from vebi.data.an8flower.scene import FLOWER_SETS, sample_scene
from vebi.io.errors import VebiError

ROOT = Path(__file__).parents[3]
RENDER_PYTHON = Path(os.environ.get("VEBI_RENDER_PYTHON", ROOT / ".venv-render/bin/python"))
SET, SIDE = "double-12c-distractors", 16
REQUEST = FlowerRequest(SET, 120, seed=3, size=SIDE, samples=1, views_per_base=2)


def draw(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, parts and shadows that stand for a rendering: noise that the number decides."""
    rng = np.random.default_rng(number)
    parts = rng.integers(0, 12, (SIDE, SIDE)).astype(np.uint8)
    shadows = (parts == PART_NUMBERS["ground"]) & (rng.random((SIDE, SIDE)) < 0.5)
    return rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8), parts, shadows


@pytest.fixture
def rendered(monkeypatch) -> list[int]:
    """The renderer replaced by `draw`; the first images of the chunks that it made."""
    starts: list[int] = []

    def render(arguments, log) -> None:
        values = dict(zip(arguments[::2], arguments[1::2], strict=True))
        numbers = range(int(values["--start"]), int(values["--stop"]))
        scenes = [
            sample_scene(values["--set"], int(values["--seed"]), i, int(values["--views-per-base"]))
            for i in numbers
        ]
        images, parts, shadows = (np.stack(rows) for rows in zip(*map(draw, numbers), strict=True))
        carriers = np.array([PART_NUMBERS[scene.part] for scene in scenes])
        with h5py.File(values["--out"], "w") as file:
            file["images"], file["parts"], file["shadows"] = images, parts, shadows
            file["masks"] = parts == carriers[:, None, None]
            file["distractor_masks"] = parts > 7
            file["labels"] = np.array([scene.label for scene in scenes])
            file["base_scene"] = np.array([scene.base for scene in scenes])
            file["index"] = np.array(numbers)
            file["parameters"] = [scene.to_json() for scene in scenes]
            file.attrs["part_names"] = list(part_names_of(SET))
            file.attrs["flower_set"] = values["--set"]
        starts.append(numbers[0])

    monkeypatch.setattr(published, "render", render)
    monkeypatch.setattr(published, "blender_version", lambda: "4.5.0")
    return starts


@pytest.mark.parametrize("form", published.WRITERS)
def test_every_format_gives_back_what_was_rendered(tmp_path, rendered, form) -> None:
    folder = publish(REQUEST, tmp_path, form)
    assert folder == tmp_path / SET
    assert not list(folder.glob(".*")), "no chunks are left"
    whole = Flowers(tmp_path, SET, "all", masks=True)
    assert len(whole) == 120
    assert whole.classes == FLOWER_SETS[SET].classes
    assert whole.targets.tolist() == [i % 12 for i in range(120)]
    assert whole.base_scenes.tolist() == [i // 24 for i in range(120)]
    for i in (0, 7, 119):
        image, parts, shadows = draw(i)
        shown, target, mask = whole[i]
        assert isinstance(shown, Image.Image)
        assert np.array_equal(shown, image)
        assert np.array_equal(whole.image(i), image)
        assert target == i % 12
        scene = sample_scene(SET, 3, i, 2)
        assert whole.scene(i) == scene
        assert np.array_equal(mask, parts == PART_NUMBERS[scene.part])
        found = whole.part_masks(i)
        assert tuple(found) == visible_names(SET)
        assert (np.sum(list(found.values()), axis=0) == 1).all()
        for name, part in found.items():
            assert np.array_equal(part, part_mask(name, parts, shadows)), name
    whole.verify()


def test_the_version_names_the_content_and_not_the_format(tmp_path, rendered) -> None:
    versions = {}
    for form in published.WRITERS:
        publish(REQUEST, tmp_path / form, form)
        versions[form] = Flowers(tmp_path / form, SET).version
    assert len(set(versions.values())) == 1
    assert re.fullmatch("[0-9a-f]{64}", versions["png"])
    other = FlowerRequest(**{**vars(REQUEST), "seed": 4})
    publish(other, tmp_path / "other")
    assert Flowers(tmp_path / "other", SET).version not in versions.values()
    card = (tmp_path / "coco" / SET / "README.md").read_text()
    for fact in (versions["coco"], "120 images", "MIT", "--seed 3", "Known limits", "shadow 255"):
        assert fact in card


def test_splits_are_by_base_scene_and_cover_everything(tmp_path, rendered) -> None:
    publish(REQUEST, tmp_path)
    train, test, whole = (Flowers(tmp_path, SET, split) for split in ("train", "test", "all"))
    assert set(test.base_scenes) == {0}
    assert set(train.base_scenes) == {1, 2, 3, 4}
    assert sorted([*train.rows, *test.rows]) == whole.rows.tolist()
    row = int(train.rows[5])
    assert np.array_equal(train.image(5), draw(row)[0])
    assert train[5][1] == row % 12
    assert [label for _, label in test] == test.targets.tolist()
    with pytest.raises(IndexError):
        test[len(test)]
    test.verify()


def test_transforms_pickling_and_a_loader(tmp_path, rendered) -> None:
    from torch.utils.data import DataLoader

    publish(REQUEST, tmp_path)
    flowers = Flowers(tmp_path, SET, "test", np.asarray, lambda label: label // 6, masks=True)
    assert flowers[0][0].shape == (SIDE, SIDE, 3)
    assert {flowers[i][1] for i in range(len(flowers))} == {0, 1}
    plain = Flowers(tmp_path, SET, "test", np.array, masks=True)
    # A spawned worker gets the data set through pickle, open file or not.
    assert plain[3][0].shape == (SIDE, SIDE, 3)
    loader = DataLoader(plain, batch_size=5, num_workers=1, multiprocessing_context="spawn")
    images, labels, masks = next(iter(loader))
    assert np.array_equal(images.numpy(), [plain[i][0] for i in range(5)])
    assert labels.tolist() == plain.targets[:5].tolist()
    assert np.array_equal(masks.numpy(), [plain.mask(i) for i in range(5)])


def decode(counts: list[int], size: list[int]) -> np.ndarray:
    """COCO's uncompressed run lengths, by its documentation: columns first, zeros first."""
    values = np.repeat(np.arange(len(counts)) % 2, counts)
    return values.reshape(size[1], size[0]).T.astype(bool)


def test_coco_annotations_are_the_masks(tmp_path, rendered) -> None:
    folder = publish(REQUEST, tmp_path, "coco")
    flowers = Flowers(tmp_path, SET, "all")
    total = 0
    for split in ("train", "test"):
        content = json.loads((folder / f"annotations_{split}.json").read_text())
        names = {item["id"]: item["name"] for item in content["categories"]}
        ids = [item["id"] for item in content["images"]]
        assert ids == Flowers(tmp_path, SET, split).rows.tolist()
        for item in content["images"]:
            assert (folder / item["file_name"]).is_file()
            assert item["class_name"] == flowers.classes[item["label"]]
        assert len({item["id"] for item in content["annotations"]}) == len(content["annotations"])
        for item in content["annotations"]:
            mask = decode(**item["segmentation"])
            number = item["image_id"]
            assert np.array_equal(mask, flowers.part_masks(number)[names[item["category_id"]]])
            carries = names[item["category_id"]] == flowers.scene(number).part
            assert item["carries_class"] == carries
        total += len(content["annotations"])
    assert total == sum(mask.any() for i in range(120) for mask in flowers.part_masks(i).values())


@pytest.mark.parametrize(
    ("rows", "counts", "box"),
    [
        (["100", "110"], [0, 2, 1, 1, 2], [0, 0, 2, 2]),
        (["011", "001"], [2, 1, 1, 2], [1, 0, 2, 2]),
        (["000", "010"], [3, 1, 2], [1, 1, 1, 1]),
    ],
)
def test_run_lengths_by_hand(rows, counts, box) -> None:
    mask = np.array([[digit == "1" for digit in row] for row in rows])
    found = coco_annotation(mask)
    assert found["segmentation"] == {"counts": counts, "size": [2, 3]}
    assert found["bbox"] == box
    assert found["area"] == mask.sum()


def test_a_broken_off_run_goes_on_where_it_was(tmp_path, rendered, monkeypatch) -> None:
    good = published.render

    def fail(arguments, log) -> None:
        if arguments[arguments.index("--start") + 1] != "0":
            raise VebiError("the disk is full")
        good(arguments, log)

    monkeypatch.setattr(published, "render", fail)
    with pytest.raises(VebiError, match="disk is full"):
        publish(REQUEST, tmp_path)
    with pytest.raises(VebiError, match="holds no flower set"):
        Flowers(tmp_path, SET)
    monkeypatch.setattr(published, "render", good)
    publish(REQUEST, tmp_path, processes=3)
    assert rendered == [0, 60], "the first chunk is not rendered twice"
    publish(REQUEST, tmp_path)
    assert rendered == [0, 60], "what is there is left as it is"
    with pytest.raises(VebiError, match=r"holds another version \(seed 3, not 4\)"):
        publish(FlowerRequest(**{**vars(REQUEST), "seed": 4}), tmp_path)
    with pytest.raises(VebiError, match=r"format hdf5, not png"):
        publish(REQUEST, tmp_path, "png")


@pytest.mark.parametrize("form", ["hdf5", "png"])
def test_damage_is_found(tmp_path, rendered, form) -> None:
    folder = publish(REQUEST, tmp_path, form)
    if form == "hdf5":
        with h5py.File(folder / "dataset.h5", "r+") as file:
            file["parts"][70, 3, 3] ^= 1
    else:
        Image.fromarray(draw(1)[0]).save(folder / "images/000070.png")
    with pytest.raises(VebiError, match="has the checksum"):
        Flowers(tmp_path, SET, "test").verify()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"set": "rose"}, "'rose' is unknown; allowed: single-6c"),
        ({"split": "val"}, "split is 'val', expected one of train, test, all"),
        ({"download": True}, "no published archive .* `vebi flowers --set double-12c "),
        ({}, r"holds no flower set\. Render it: `vebi flowers --set double-12c "),
    ],
)
def test_what_is_not_there_is_said_with_the_way_out(tmp_path, arguments, message) -> None:
    with pytest.raises(VebiError, match=message):
        Flowers(tmp_path, **arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": 121}, "images is 121, which is not a multiple of the 12 classes"),
        ({"images": 24}, "make 1 base scenes, too few for 5 folds"),
        ({"fold": 5}, "fold is 5, but the 5 folds are 0 to 4"),
        ({"size": 8}, "size: Input should be greater than or equal to 16"),
        ({"seed": -1}, "seed is -1, expected"),
        ({"flower_set": "rose"}, "'rose' is unknown"),
    ],
)
def test_a_request_is_checked_before_anything_is_rendered(tmp_path, rendered, changes, message):
    with pytest.raises(VebiError, match=message):
        publish(FlowerRequest(**{**vars(REQUEST), **changes}), tmp_path)
    assert rendered == []
    assert list(tmp_path.iterdir()) == []


def run_command(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "vebi.cli", "flowers", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_blender_it_says_what_to_install(tmp_path) -> None:
    # The environment of the tests has no bpy, as a user's has not after `pip install vebi`.
    arguments = ("--set", "single-6c", "--images", 150, "--out", tmp_path)
    done = run_command(*arguments, VEBI_RENDER_PYTHON=sys.executable)
    assert done.returncode == 2
    message = done.stderr.strip()
    assert "\n" not in message
    for part in ("bpy", "Python 3.11", "pip", "VEBI_RENDER_PYTHON", "make env"):
        assert part in message
    assert list(tmp_path.iterdir()) == []


def test_reading_needs_neither_torch_nor_blender(tmp_path, rendered) -> None:
    publish(REQUEST, tmp_path)
    code = (
        "import sys\nfrom vebi.data import Flowers\n"
        f"flowers = Flowers({str(tmp_path)!r}, {SET!r})\n"
        "assert flowers[0][0].size == (16, 16) and flowers.part_masks(0)\n"
        "print(sorted({'torch', 'torchvision', 'bpy', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.skipif(
    not RENDER_PYTHON.is_file(), reason=f"no rendering environment at {RENDER_PYTHON}"
)
def test_bytes_do_not_depend_on_processes_in_the_real_blender(tmp_path) -> None:
    # 72 images are two chunks.
    small = ("--set", "pair-6c", "--images", 72, "--size", 16, "--samples", 1, "--format", "png")
    small += ("--views-per-base", 1)
    found = {}
    for n in (1, 2):
        done = run_command(
            *small,
            "--out",
            tmp_path / str(n),
            "--processes",
            n,
            VEBI_RENDER_PYTHON=str(RENDER_PYTHON),
        )
        assert done.returncode == 0, done.stderr
        folder = tmp_path / str(n) / "pair-6c"
        assert done.stdout.strip() == str(folder)
        found[n] = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
    assert len(found[1]) == 3 * 72 + 4
    assert found[1] == found[2]
    flowers = Flowers(tmp_path / "1", "pair-6c", "all")
    flowers.verify()
    assert flowers.mask(8).any()
