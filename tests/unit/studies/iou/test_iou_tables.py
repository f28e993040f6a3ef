import h5py
import numpy as np
import pytest

from vebi.catalogue.methods import CHANCE
from vebi.data.dataset import Images, write_dataset
from vebi.report.places import TABLES
from vebi.studies.iou.curve import area_under_curve, iou_curves
from vebi.studies.iou.iou_file import LOCALISATION, Curves, measure, read_curves
from vebi.studies.iou.tables import auc_table, curve_table, paired_table, tabulate

N, SIZE = 150, 8


@pytest.fixture
def measured(tmp_path):
    """Two methods on 150 images with masks, of which the odd ones are test images."""
    rng = np.random.default_rng(0)
    masks = rng.random((N, SIZE, SIZE)) < 0.3
    masks[:, 0, 0] = True
    split = np.arange(N) % 2
    images = np.zeros((N, SIZE, SIZE, 1), np.uint8)
    # Distractors lie off the masks; every fourth image shows none.
    distractors = ~masks & (rng.random((N, SIZE, SIZE)) < 0.2)
    distractors[1::4] = False
    extra = {"masks": masks, "distractor_masks": distractors, "base_scene": np.arange(N) // 10}
    data = Images(images, np.arange(N) % 3, split, "abc", extra)
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
    measure(
        tmp_path / "d.h5",
        tmp_path / "descriptors.h5",
        paths,
        tmp_path / "iou.h5",
        n_thresholds=101,
        seed=7,
    )
    return tmp_path / "iou.h5", masks[index], {"good": good, "noise": noise}


def read(path, key):
    with h5py.File(path.parent / "d.h5") as file:
        return file[key][:][1::2]


def test_curves_belong_to_their_images(measured):
    path, masks, maps = measured
    curves = read_curves(path)
    assert set(curves) == {"good", "noise", CHANCE.name}
    for name in maps:
        assert np.array_equal(curves[name].curves, iou_curves(maps[name], masks))
        assert np.array_equal(curves[name].image_index, np.arange(1, N, 2))
        assert curves[name].correct.sum() < len(masks)
        assert np.array_equal(curves[name].scene, np.arange(1, N, 2) // 10)


def test_scores_belong_to_their_images(measured):
    path, masks, maps = measured
    distractors, found = read(path, "distractor_masks"), read_curves(path)
    for name, drawn in maps.items():
        scores = found[name].scores
        for n, (heatmap, mask, other) in enumerate(zip(drawn, masks, distractors, strict=True)):
            heatmap = heatmap.astype(float)
            assert scores["relevance_mass"][n] == pytest.approx(heatmap[mask].sum() / heatmap.sum())
            expected = heatmap[other].sum() / heatmap.sum()
            assert scores["mass_on_distractors"][n] == pytest.approx(expected)
            top = heatmap.ravel().argsort()[::-1][: mask.sum()]
            assert scores["relevance_rank"][n] == pytest.approx(mask.ravel()[top].mean())
            assert scores["pointing"][n] == mask.ravel()[top[0]]
            assert scores["area_distractors"][n] == other.mean()
            if other.any():
                area = area_under_curve(iou_curves(drawn[n : n + 1], other[None]))[0]
                assert scores["distractor_auc"][n] == area
            else:
                assert np.isnan(scores["distractor_auc"][n])
        for kind in ("mass", "area"):
            part = "relevance_mass" if kind == "mass" else "area_part"
            other = "mass_on_distractors" if kind == "mass" else "area_distractors"
            total = scores[part] + scores[other] + scores[f"{kind}_elsewhere"]
            np.testing.assert_allclose(total, 1)


def test_chance_depends_on_seed_and_image_only(measured, tmp_path):
    path, masks, _ = measured
    expected = np.stack(
        [np.random.default_rng([7, i]).random((SIZE, SIZE)) for i in range(1, N, 2)]
    )
    assert np.array_equal(read_curves(path)[CHANCE.name].curves, iou_curves(expected, masks))


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
    for column in ("auc", "mean_iou"):
        frame = auc if column == "auc" else curve
        ends = ("auc_ci_low", "auc_ci_high") if column == "auc" else ("ci_low", "ci_high")
        assert (frame[ends[0]] <= frame[column]).all()
        assert (frame[column] <= frame[ends[1]]).all()


def test_tables_of_localisation_and_distractors(measured):
    path, _, _ = measured
    tables = tabulate([path], [{"dataset": "d", "model": "m", "seed": 0}], 300, 0)
    scores = read_curves(path)["good"].scores
    place = tables["localisation"].set_index("method").loc["good"]
    for name in LOCALISATION:
        assert place[name] == pytest.approx(scores[name].mean())
        assert place[f"{name}_ci_low"] <= place[name] <= place[f"{name}_ci_high"]
    spread = tables["distractors"].set_index("method").loc["good"]
    assert spread["distractor_auc"] == pytest.approx(np.nanmean(scores["distractor_auc"]))
    parts = spread[["mass_on_part", "mass_on_distractors", "mass_elsewhere"]]
    assert parts.sum() == pytest.approx(1)
    assert spread[["area_part", "area_distractors", "area_elsewhere"]].sum() == pytest.approx(1)
    # Chance spreads its mass as the areas are.
    chance = tables["distractors"].set_index("method").loc[CHANCE.name]
    assert chance["mass_on_distractors"] == pytest.approx(chance["area_distractors"], abs=0.01)
    for name in tables:
        assert set(tables[name].columns) == set(TABLES[name].columns)


@pytest.mark.usefixtures("measured")
def test_without_distractors_there_is_no_table_of_them(tmp_path):
    with h5py.File(tmp_path / "d.h5", "a") as file:
        del file["distractor_masks"], file["base_scene"]
    paths = {"good": tmp_path / "good.h5"}
    measure(
        tmp_path / "d.h5",
        tmp_path / "descriptors.h5",
        paths,
        tmp_path / "b.h5",
        n_thresholds=11,
        seed=7,
    )
    found = read_curves(tmp_path / "b.h5")["good"]
    assert set(found.scores) == set(LOCALISATION)
    # Without base scenes each image is one.
    assert np.array_equal(found.scene, np.arange(1, N, 2))
    tables = tabulate([tmp_path / "b.h5"], [{"dataset": "d", "model": "m", "seed": 0}], 20, 0)
    assert set(tables) == {"iou_curve", "iou_auc", "iou_paired", "localisation"}


def test_paired_interval_is_narrower_than_the_difference_of_unpaired_ones():
    rng = np.random.default_rng(1)
    base = rng.random((80, 1)) * np.ones(101)
    index = np.arange(80)
    run = {
        "a": Curves(base + 0.01, index, index > 0, index),
        "b": Curves(base, index, index > 0, index),
    }
    row = paired_table([run, run], [("a", "b")], 500, [0]).iloc[0]
    assert row["auc_difference"] == pytest.approx(0.01)
    assert row["ci_low"] == pytest.approx(0.01)
    assert row["ci_high"] == pytest.approx(0.01)
    assert row["n_seeds"] == 2


def test_paired_table_refuses_other_images():
    ones = np.ones((3, 11))
    run = {
        "a": Curves(ones, np.arange(3), ones[:, 0] > 0, np.arange(3)),
        "b": Curves(ones, np.arange(1, 4), ones[:, 0] > 0, np.arange(3)),
    }
    with pytest.raises(Exception, match="same images"):
        paired_table([run], [("a", "b")], 10, [0])


def test_no_correct_prediction_is_an_empty_cell_not_a_crash():
    item = Curves(np.ones((3, 11)), np.arange(3), np.zeros(3, bool), np.arange(3))
    assert np.isnan(auc_table({"a": item}, 10, [0])["auc_correct_only"].item())
    assert len(curve_table({"a": item}, 10, [0])) == 11


def test_scenes_are_the_evidence_of_a_paired_test():
    rng = np.random.default_rng(1)
    scene = np.repeat(np.arange(5), 30)
    levels = np.array([0.1, 0.2, 0.05, 0.3, 0.15])[scene] + rng.normal(size=150) * 0.01
    index, curves = np.arange(150), np.full((150, 11), 0.5)
    run = {
        "a": Curves(curves + levels[:, None], index, index > 0, scene),
        "b": Curves(curves, index, index > 0, scene),
    }
    row = paired_table([run], [("a", "b")], 2000, [0]).iloc[0]
    # Five scenes of one sign: two of the 32 sign patterns are as extreme, however many images.
    assert row["p_value"] == 2 / 32
    assert (row["n_scenes"], row["n_images"]) == (5, 150)
    # Between the means of scenes: about 1.96 standard errors of five values either way.
    assert row["ci_low"] < 0.1
    assert row["ci_high"] > 0.21
