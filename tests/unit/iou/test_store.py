import h5py
import numpy as np
import pytest

from vebi.data.store import Images, write_dataset
from vebi.iou.curve import area_under_curve, iou_curves
from vebi.iou.store import CHANCE, Curves, measure, read_curves
from vebi.iou.tables import auc_table, curve_table, paired_table, tabulate

N, SIZE = 150, 8


@pytest.fixture
def measured(tmp_path):
    """Two methods on 150 images with masks, of which the odd ones are test images."""
    rng = np.random.default_rng(0)
    masks = rng.random((N, SIZE, SIZE)) < 0.3
    masks[:, 0, 0] = True
    split = np.arange(N) % 2
    images = np.zeros((N, SIZE, SIZE, 1), np.uint8)
    data = Images(images, np.arange(N) % 3, split, "abc", {"masks": masks})
    write_dataset(tmp_path / "d.h5", data)
    with h5py.File(tmp_path / "descriptors.h5", "w") as file:
        file["predictions"] = np.where(np.arange(N) % 10 == 1, 0, np.arange(N) % 3)
    index = np.flatnonzero(split)
    noise = rng.random((len(index), SIZE, SIZE)).astype(np.float32)
    good = np.clip(masks[index] * 0.7 + noise * 0.3, 0, 1).astype(np.float32)
    for name, maps in (("good", good), ("noise", noise)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["heatmaps"], file["image_index"] = maps, index
    paths = {name: tmp_path / f"{name}.h5" for name in ("good", "noise")}
    measure(tmp_path / "d.h5", tmp_path / "descriptors.h5", paths, tmp_path / "iou.h5", 101, 7)
    return tmp_path / "iou.h5", masks[index], {"good": good, "noise": noise}


def test_curves_belong_to_their_images(measured):
    path, masks, maps = measured
    curves = read_curves(path)
    assert set(curves) == {"good", "noise", CHANCE}
    for name in maps:
        assert np.array_equal(curves[name].curves, iou_curves(maps[name], masks))
        assert np.array_equal(curves[name].image_index, np.arange(1, N, 2))
        assert curves[name].correct.sum() < len(masks)


def test_chance_depends_on_seed_and_image_only(measured, tmp_path):
    path, masks, _ = measured
    expected = np.stack(
        [np.random.default_rng([7, i]).random((SIZE, SIZE)) for i in range(1, N, 2)]
    )
    assert np.array_equal(read_curves(path)[CHANCE].curves, iou_curves(expected, masks))


def test_tables_hold_the_means_and_ordered_intervals(measured):
    path, _, _ = measured
    runs = [{"dataset": "d", "model": "m", "seed": seed} for seed in (0, 1)]
    tables = tabulate([path, path], runs, 300, 0)
    curves = read_curves(path)
    curve = tables["iou_curve"]
    assert len(curve) == 2 * 3 * 101
    row = curve[(curve["method"] == "good") & (curve["seed"] == 1) & (curve["threshold"] == 0.5)]
    assert row["mean_iou"].item() == pytest.approx(curves["good"].curves[:, 50].mean())
    auc = tables["iou_auc"]
    assert (auc["auc_ci_low"] <= auc["auc"]).all()
    assert (auc["auc"] <= auc["auc_ci_high"]).all()
    good = auc[auc["method"] == "good"].iloc[0]
    assert good["auc"] == pytest.approx(area_under_curve(curves["good"].curves.mean(0)))
    right = curves["good"].correct
    assert good["auc_correct_only"] == pytest.approx(
        area_under_curve(curves["good"].curves[right].mean(0))
    )
    assert good["n_correct"] == right.sum()


def test_paired_interval_is_narrower_than_the_difference_of_unpaired_ones():
    rng = np.random.default_rng(1)
    base = rng.random((80, 1)) * np.ones(101)
    index = np.arange(80)
    run = {
        "a": Curves(base + 0.01, index, index > 0),
        "b": Curves(base, index, index > 0),
    }
    row = paired_table([run, run], [("a", "b")], 500, [0]).iloc[0]
    assert row["auc_difference"] == pytest.approx(0.01)
    assert row["ci_low"] == pytest.approx(0.01)
    assert row["ci_high"] == pytest.approx(0.01)
    assert row["n_seeds"] == 2


def test_paired_table_refuses_other_images():
    ones = np.ones((3, 11))
    run = {
        "a": Curves(ones, np.arange(3), ones[:, 0] > 0),
        "b": Curves(ones, np.arange(1, 4), ones[:, 0] > 0),
    }
    with pytest.raises(Exception, match="same images"):
        paired_table([run], [("a", "b")], 10, [0])


def test_no_correct_prediction_is_an_empty_cell_not_a_crash():
    item = Curves(np.ones((3, 11)), np.arange(3), np.zeros(3, bool))
    assert np.isnan(auc_table({"a": item}, 10, [0])["auc_correct_only"].item())
    assert len(curve_table({"a": item})) == 11
