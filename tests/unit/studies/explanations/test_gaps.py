"""Maps at gaps of digits: known answers, and the table made of them."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from vebi.data.dataset import TEST, Images, open_dataset, write_dataset
from vebi.io.errors import VebiError
from vebi.io.hdf5 import create_hdf5
from vebi.io.tables import read_table, write_table
from vebi.report.places import TABLES
from vebi.studies.explanations.gaps import PAIRS, find_gaps, gap_excess, tabulate

SIZE = 12


def drawn(name: str, shift: int = 0) -> np.ndarray:
    """A vertical stroke; `0` and `4` have a second one, at another place."""
    image = np.zeros((SIZE, SIZE, 1), np.uint8)
    image[2:10, 2 + shift] = 255
    if name == "0":
        image[2:10, 6 + shift] = 255
    if name == "4":
        image[2 + shift, 2:10] = 255
    return image


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Ten classes of digits of which two are as others with a part missing; test images are moved."""
    folder = tmp_path_factory.mktemp("gaps") / "digits"
    folder.mkdir()
    names = [str(n) for n in range(10)]
    labels = np.repeat(np.arange(10), 11)
    split = np.tile([0, 0, 0, *[1] * 8], 10)
    shifts = np.tile([0] * 10 + [1], 10)
    images = np.stack([drawn(str(n), s) for n, s in zip(labels, shifts, strict=True)])
    write_dataset(folder / "dataset.h5", Images(images, labels, split, names))
    return open_dataset(folder / "dataset.h5")


def test_a_gap_is_where_the_other_has_ink_and_this_image_none(dataset):
    images, gaps = find_gaps(dataset, "2", "0")
    assert dataset.labels[images].tolist() == [2] * 8
    assert set(dataset.split[images]) == {TEST}
    for gap, distance in gaps:
        expected = np.zeros((SIZE, SIZE), bool)
        expected[2:10, 6] = True
        assert np.array_equal(gap, expected)
        assert (distance == 0).sum() == 8
    # Of the stroke at 2 and, in the last image, at 3.
    assert [float(distance[5, 6]) for _, distance in gaps] == [4] * 7 + [3]
    # Where this image has the ink that the class's mean lacks there is no gap.
    _, against = find_gaps(dataset, "6", "4")
    assert against[-1][0].sum() == against[0][0].sum() - 1


def test_the_excess_is_that_over_pixels_as_far_from_the_ink(dataset):
    _, gaps = find_gaps(dataset, "2", "0")
    gap, distance = gaps[0]
    even = np.ones((SIZE, SIZE))
    assert gap_excess(even, gaps[0]) == 0
    # Heat that only falls with the distance knows nothing of the gap.
    assert gap_excess(np.exp(-np.ceil(distance)), gaps[0]) == pytest.approx(0, abs=1e-12)
    marked = even + 3.0 * gap
    assert gap_excess(marked, gaps[0]) == pytest.approx(3 / marked.mean())
    assert gap_excess(2 * marked, gaps[0]) == pytest.approx(3 / marked.mean())
    # Of what is as far away half the others have heat, too.
    level = np.ceil(distance) == 4
    others = np.argwhere(level & ~gap)
    half = marked.copy()
    for row, column in others[: len(others) // 2]:
        half[row, column] += 3.0
    share = (len(others) // 2) / len(others)
    assert gap_excess(half, gaps[0]) == pytest.approx(3 * (1 - share) / half.mean())
    assert np.isnan(gap_excess(np.zeros((SIZE, SIZE)), gaps[0]))
    assert np.isnan(gap_excess(even, (np.zeros_like(gap), distance)))


def test_distances_count_by_their_share_of_the_gap():
    """Three pixels of the gap at distance 1, one at 2: by brute force over all pixels."""
    distance = np.array([[0, 1, 1, 1, 1, 2, 2, 3]], float)
    gap = np.array([[0, 1, 1, 1, 0, 1, 0, 1]], bool)
    heat = np.array([[9, 5, 6, 7, 2, 4, 1, 8]], float)
    expected = (3 * (6 - 2) + 1 * (4 - 1)) / 4 / heat.mean()
    assert gap_excess(heat, (gap, distance)) == pytest.approx(expected)


def test_the_table_is_of_all_networks_and_methods(dataset, tmp_path):
    test = dataset.indices(TEST)
    runs = [{"dataset": "digits", "model": "m", "seed": seed} for seed in (0, 1)]
    methods, paths, maps = ["vebi", "lrp"], [], {}
    for run in runs:
        for method in methods:
            path = tmp_path / f"{method}{run['seed']}.h5"
            rng = np.random.default_rng([run["seed"], len(method)])
            maps[run["seed"], method] = rng.random((len(test), SIZE, SIZE), np.float32)
            write(path, maps[run["seed"], method], test)
            paths.append(path)
    tables = tabulate(paths, [dataset.path], runs, methods)
    write_table(tmp_path / "gaps.csv", tables["gaps"], TABLES["gaps"])
    table = read_table(tmp_path / "gaps.csv", TABLES["gaps"])
    assert len(table) == len(runs) * len(methods) * len(PAIRS)
    row = table.set_index(["seed", "method", "digit", "other"]).loc[(1, "lrp", "6", "4")]
    images, gaps = find_gaps(dataset, "6", "4")
    chosen = maps[1, "lrp"][np.searchsorted(test, images)]
    excess = np.array([gap_excess(*pair) for pair in zip(chosen, gaps, strict=True)])
    half = stats.t.ppf(0.975, 7) * excess.std(ddof=1) / 8**0.5
    expected = [excess.mean(), excess.mean() - half, excess.mean() + half, 8]
    found = row[["gap_excess", "gap_excess_ci_low", "gap_excess_ci_high", "n_images"]]
    assert found.astype(float).tolist() == pytest.approx(expected, abs=1e-5)


def test_heatmaps_of_other_images_are_refused(dataset, tmp_path):
    write(tmp_path / "vebi.h5", np.ones((2, SIZE, SIZE), np.float32), dataset.indices(TEST)[:2])
    run = {"dataset": "digits", "model": "m", "seed": 0}
    with pytest.raises(VebiError, match="lacks heatmaps of test images"):
        tabulate([tmp_path / "vebi.h5"], [dataset.path], [run], ["vebi"])


def test_a_digit_without_test_images_has_no_number(tmp_path):
    folder = tmp_path / "digits"
    folder.mkdir()
    labels = np.repeat(np.arange(10), 2)
    # Of the 2 there are training images only.
    split = np.where(labels == 2, 0, np.tile([0, 1], 10))
    images = np.stack([drawn(str(label)) for label in labels])
    data = Images(images, labels, split, [str(n) for n in range(10)])
    write_dataset(folder / "dataset.h5", data)
    test = np.flatnonzero(split)
    write(tmp_path / "vebi.h5", np.ones((len(test), SIZE, SIZE), np.float32), test)
    run = {"dataset": "digits", "model": "m", "seed": 0}
    table = tabulate([tmp_path / "vebi.h5"], [folder / "dataset.h5"], [run], ["vebi"])["gaps"]
    row = table.set_index("digit").loc["2"]
    assert row["n_images"] == 0
    assert np.isnan(row["gap_excess"])


def write(path: Path, maps: np.ndarray, index: np.ndarray) -> None:
    with create_hdf5(path) as file:
        file["heatmaps"] = maps
        file["image_index"] = index
