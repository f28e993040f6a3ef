"""Joining chunks: every image once, in order, with the split by base scene."""

import itertools
from pathlib import Path

import h5py
import numpy as np
import pytest

from vebi.data.an8flower.assemble import assemble
from vebi.data.an8flower.scene import FLOWER_SETS, sample_scene
from vebi.data.dataset import open_dataset
from vebi.io.errors import VebiError


def write_chunk(path: Path, name: str, start: int, stop: int, side: int = 4) -> Path:
    """A chunk in the renderer's format; pixels that tell the image's number."""
    scenes = [sample_scene(name, 1, i, views_per_base=2) for i in range(start, stop)]
    number = np.arange(start, stop)
    planes = np.ones((1, side, side)) * number[:, None, None]
    with h5py.File(path, "w") as file:
        file["images"] = np.repeat(planes[..., None] % 256, 3, axis=-1).astype(np.uint8)
        file["parts"] = (planes % 12).astype(np.uint8)
        file["masks"] = planes % 2 == 0
        file["shadows"] = planes % 5 == 0
        if FLOWER_SETS[name].distractors:
            file["distractor_masks"] = planes % 3 == 0
        file["labels"] = np.array([scene.label for scene in scenes])
        file["base_scene"] = np.array([scene.base for scene in scenes])
        file["index"] = number
        file.create_dataset(
            "parameters", data=[s.to_json() for s in scenes], dtype=h5py.string_dtype()
        )
        file.attrs["part_names"] = ["sky", "petals"]
        file.attrs["flower_set"] = name
    return path


@pytest.mark.parametrize("name", FLOWER_SETS)
def test_all_images_in_order_whatever_the_chunks(tmp_path, name) -> None:
    cuts = [0, 7, 50, 51, 120]
    chunks = [
        write_chunk(tmp_path / f"{9 - k}.h5", name, a, b)
        for k, (a, b) in enumerate(itertools.pairwise(cuts))
    ]
    assemble(chunks, tmp_path / "all.h5", name, n_folds=5, fold=2)
    data = open_dataset(tmp_path / "all.h5")
    classes = FLOWER_SETS[name].classes
    assert data.classes == classes
    assert data.image_shape == (4, 4, 3)
    assert data.has_masks
    assert data.labels.dtype == data.split.dtype == np.int64
    assert data.labels.tolist() == [i % len(classes) for i in range(120)]
    assert data.read("images")[:, 3, 1, 2].tolist() == list(range(120))
    bases = data.read("base_scene")
    assert set(bases[data.split == 1]) == {b for b in set(bases) if b % 5 == 2}
    assert not set(bases[data.split == 1]) & set(bases[data.split == 0])
    for key in ("masks", "distractor_masks"):
        assert key == "masks" or FLOWER_SETS[name].distractors == (key in h5py.File(data.path))
    assert data.read("parameters")[33].decode() == sample_scene(name, 1, 33, 2).to_json()

    whole = write_chunk(tmp_path / "whole.h5", name, 0, 120)
    assemble([whole], tmp_path / "once.h5", name, n_folds=5, fold=2)
    one, other = h5py.File(tmp_path / "all.h5"), h5py.File(tmp_path / "once.h5")
    assert set(one) == set(other)
    assert all(np.array_equal(one[key][:], other[key][:]) for key in one)


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        (
            [(0, 12), (24, 36)],
            r"1\.h5 starts at image 24, expected 12: images 12 to 23 are missing",
        ),
        (
            [(0, 12), (6, 36)],
            r"1\.h5 starts at image 6, expected 12: images 6 to 11 are there twice",
        ),
        ([(3, 12)], r"0\.h5 starts at image 3, expected 0: images 0 to 2 are missing"),
        ([], "no chunks"),
    ],
)
def test_incomplete_images_are_an_error(tmp_path, ranges, message) -> None:
    chunks = [
        write_chunk(tmp_path / f"{k}.h5", "single-6c", a, b) for k, (a, b) in enumerate(ranges)
    ]
    with pytest.raises(VebiError, match=message):
        assemble(chunks, tmp_path / "all.h5", "single-6c")
    assert not (tmp_path / "all.h5").exists()


def test_chunks_that_do_not_fit_are_named(tmp_path) -> None:
    good = write_chunk(tmp_path / "good.h5", "double-12c", 0, 12)
    out = tmp_path / "all.h5"
    with pytest.raises(VebiError, match=r"good\.h5 holds images of double-12c, expected single-6c"):
        assemble([good], out, "single-6c")
    large = write_chunk(tmp_path / "large.h5", "double-12c", 12, 24, side=5)
    with pytest.raises(VebiError, match=r"large\.h5: images are \(5, 5, 3\)"):
        assemble([good, large], out, "double-12c")
    cut = tmp_path / "cut.h5"
    cut.write_bytes(good.read_bytes()[:1000])
    with pytest.raises(VebiError, match=r"cut\.h5 can't be read"):
        assemble([cut], out, "double-12c")
    with h5py.File(good, "a") as file:
        del file["masks"]
        file["masks"] = np.zeros((3, 4, 4), bool)
    with pytest.raises(VebiError, match=r"good\.h5 has 3 rows of masks for 12 images"):
        assemble([good], out, "double-12c")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.h5", "good.h5", "large.h5"]
