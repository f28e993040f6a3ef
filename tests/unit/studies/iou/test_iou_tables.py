from dataclasses import replace

import h5py
import numpy as np
import pytest
from scipy import stats

from vebi.catalogue.methods import CHANCE
from vebi.data.dataset import Images, write_dataset
from vebi.report.places import TABLES
from vebi.statistics import clustered_proportion_interval, draw_key, over_networks_and_scenes
from vebi.studies.iou.curve import area_under_curve, iou_curves, rank_normalised
from vebi.studies.iou.iou_file import LOCALISATION, Curves, measure, read_curves
from vebi.studies.iou.tables import (
    auc_table,
    curve_table,
    localisation_table,
    paired_table,
    tabulate,
)

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
    keys = [draw_key("iou: map of chance", 7, i) for i in range(1, N, 2)]
    expected = np.stack([np.random.default_rng(key).random((SIZE, SIZE)) for key in keys])
    assert np.array_equal(read_curves(path)[CHANCE.name].curves, iou_curves(expected, masks))


def test_tables_hold_the_means_and_ordered_intervals(measured):
    path, _, _ = measured
    runs = [{"dataset": "d", "model": "m", "seed": seed} for seed in (0, 1)]
    tables = tabulate([path, path], runs)
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
        # Where all scenes are alike, as with nothing left at threshold 1, there is no interval.
        spread = frame[frame[ends[0]].notna()]
        assert len(spread) > 0.8 * len(frame)
        assert (spread[ends[0]] < spread[column]).all()
        assert (spread[column] < spread[ends[1]]).all()


def test_tables_of_localisation_and_distractors(measured):
    path, _, _ = measured
    tables = tabulate([path], [{"dataset": "d", "model": "m", "seed": 0}])
    scores = read_curves(path)["good"].scores
    place = tables["localisation"].set_index("method").loc["good"]
    for name in LOCALISATION:
        assert place[name] == pytest.approx(scores[name].mean())
        low, high = place[f"{name}_ci_low"], place[f"{name}_ci_high"]
        # The good map's ranks are perfect in every scene: no spread, no interval.
        assert np.isnan(low) if name == "relevance_rank" else low <= place[name] <= high
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
    assert set(found.scores) == {*LOCALISATION, "has_map"}
    # Without base scenes each image is one.
    assert np.array_equal(found.scene, np.arange(1, N, 2))
    tables = tabulate([tmp_path / "b.h5"], [{"dataset": "d", "model": "m", "seed": 0}])
    assert set(tables) == {"iou_curve", "iou_auc", "iou_paired", "localisation"}


def test_paired_interval_is_that_of_the_differences():
    rng = np.random.default_rng(1)
    base = rng.random((80, 1)) * np.ones(101)
    index = np.arange(80)
    shift = rng.normal(0.01, 0.001, (2, 80, 1))
    runs = [
        {"a": Curves(base + s, index, index > 0, index), "b": Curves(base, index, index > 0, index)}
        for s in shift
    ]
    row = paired_table(runs, [("a", "b")]).iloc[0]
    assert row["auc_difference"] == pytest.approx(shift.mean())
    expected = stats.ttest_1samp(shift.mean((1, 2)), 0)
    assert row["p_value"] == pytest.approx(expected.pvalue)
    assert row["ci_high"] == pytest.approx(expected.confidence_interval().high)
    assert (row["n_seeds"], row["over"]) == (2, "networks")
    assert row["auc_method"] - row["auc_reference"] == pytest.approx(row["auc_difference"])


def test_paired_table_refuses_other_images():
    ones = np.ones((3, 11))
    run = {
        "a": Curves(ones, np.arange(3), ones[:, 0] > 0, np.arange(3)),
        "b": Curves(ones, np.arange(1, 4), ones[:, 0] > 0, np.arange(3)),
    }
    with pytest.raises(Exception, match="same images"):
        paired_table([run], [("a", "b")])


def test_no_correct_prediction_is_an_empty_cell_not_a_crash():
    item = Curves(np.ones((3, 11)), np.arange(3), np.zeros(3, bool), np.arange(3))
    assert np.isnan(auc_table({"a": item})["auc_correct_only"].item())
    assert len(curve_table({"a": item})) == 11


def test_scenes_are_the_evidence_of_a_paired_test():
    rng = np.random.default_rng(1)
    scene = np.repeat(np.arange(5), 30)
    levels = np.array([0.1, 0.2, 0.05, 0.3, 0.15])[scene] + rng.normal(size=150) * 0.01
    index, curves = np.arange(150), np.full((150, 11), 0.5)
    run = {
        "a": Curves(curves + levels[:, None], index, index > 0, scene),
        "b": Curves(curves, index, index > 0, scene),
    }
    row = paired_table([run], [("a", "b")]).iloc[0]
    # Student's t of five scenes' means, however many images they have.
    means = levels.reshape(5, 30).mean(1)
    expected = stats.ttest_1samp(means, 0)
    assert row["p_value"] == pytest.approx(expected.pvalue)
    ends = expected.confidence_interval()
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((ends.low, ends.high))
    assert (row["n_scenes"], row["n_images"], row["over"]) == (5, 150, "scenes")


# Five images of three scenes (1, 2, 2). Curves of constant height, so that the area is the height.
SCENE = np.array([4, 0, 0, 9, 9])
HEIGHTS = {
    # Two unlike networks; the second image's map is flat, the fourth's is empty in the first network.
    "ours": np.array([[0.6, 0.0, 0.4, 0.1, 0.3], [0.2, 0.5, 0.4, 0.7, 0.3]]),
    "theirs": np.array([[0.1, 0.2, 0.1, 0.2, 0.1], [0.3, 0.1, 0.2, 0.1, 0.1]]),
}
EMPTY = np.array([[1, 1, 1, 0, 1], [1, 1, 1, 1, 1]])


def unlike_networks() -> list[dict[str, Curves]]:
    def curves(heights, has_map, ranked):
        scores = {"has_map": has_map.astype(float), "ranked_auc": ranked}
        index = np.arange(5)
        return Curves(np.repeat(heights[:, None], 11, 1), index, index > 0, SCENE, scores)

    return [
        {
            "ours": curves(HEIGHTS["ours"][i], EMPTY[i], HEIGHTS["ours"][i] ** 2),
            "theirs": curves(HEIGHTS["theirs"][i], np.ones(5), HEIGHTS["theirs"][i] ** 2),
        }
        for i in range(2)
    ]


def test_a_flat_map_counts_and_an_empty_one_is_shared_out():
    row = auc_table(unlike_networks()[0]).set_index("method").loc["ours"]
    assert row["auc"] == pytest.approx((0.6 + 0 + 0.4 + 0.1 + 0.3) / 5)
    assert row["share_without_map"] == 1 / 5
    assert row["auc_with_map"] == pytest.approx((0.6 + 0 + 0.4 + 0.3) / 4)
    assert row["auc_ranked"] == pytest.approx((0.36 + 0 + 0.16 + 0.01 + 0.09) / 5)
    assert (row["n_scenes"], row["over"]) == (3, "scenes")
    # Student's t of three unequal scenes, by hand: m + 3/5 n (mean of the scene - m).
    m = 0.28
    values = np.array([m + 3 / 5 * n * (x - m) for n, x in ((2, 0.2), (1, 0.6), (2, 0.2))])
    ends = stats.ttest_1samp(values, 0).confidence_interval()
    assert (row["auc_ci_low"], row["auc_ci_high"]) == pytest.approx((ends.low, ends.high))


def test_differences_over_all_images_and_over_those_with_maps():
    runs = unlike_networks()
    row = paired_table(runs, [("ours", "theirs")]).iloc[0]
    difference = HEIGHTS["ours"] - HEIGHTS["theirs"]
    assert row["auc_difference"] == pytest.approx(difference.mean())
    assert row["auc_method"] == pytest.approx(HEIGHTS["ours"].mean())
    assert row["auc_reference"] == pytest.approx(HEIGHTS["theirs"].mean())
    assert row["share_without_map"] == 1 / 10
    assert (row["n_seeds"], row["n_scenes"], row["over"]) == (2, 3, "networks and scenes")
    # The mean of the networks' means, the first over the four images with a map.
    with_map = (np.delete(difference[0], 3).mean() + difference[1].mean()) / 2
    assert row["with_map_difference"] == pytest.approx(with_map)
    ranked = HEIGHTS["ours"] ** 2 - HEIGHTS["theirs"] ** 2
    assert row["ranked_difference"] == pytest.approx(ranked.mean())
    # The crossed interval, from the mean squares of the two-way table of scenes' values.
    sizes = ((2, 0), (1, 4), (2, 9))
    table = np.array(
        [
            [d.mean() + 3 / 5 * n * (d[j == SCENE].mean() - d.mean()) for n, j in sizes]
            for d in difference
        ]
    )
    found = over_networks_and_scenes(table)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((found.low, found.high))
    assert row["p_value"] == pytest.approx(found.p_value())


def test_one_network_says_over_scenes_and_one_scene_has_no_interval():
    run = unlike_networks()[0]
    row = paired_table([run], [("ours", "theirs")]).iloc[0]
    assert row["over"] == "scenes"
    assert row["ci_low"] < row["auc_difference"] < row["ci_high"]
    alone = {name: replace(item, scene=np.zeros(5, int)) for name, item in run.items()}
    row = paired_table([alone], [("ours", "theirs")]).iloc[0]
    assert row["auc_difference"] == pytest.approx((HEIGHTS["ours"] - HEIGHTS["theirs"])[0].mean())
    assert np.isnan([row["ci_low"], row["ci_high"], row["p_value"]]).all()


def test_which_images_have_a_map_and_what_ranks_are(measured, tmp_path):
    """A method whose file has features: the images without any are those with -1 only."""
    _, masks, maps = measured
    index = np.arange(1, N, 2)
    features = np.full((len(index), 2, 2), -1)
    features[::3, 1] = (0, 4)
    with h5py.File(tmp_path / "some.h5", "w") as file:
        file["heatmaps"], file["image_index"] = maps["good"] ** 3, index
        file["features"] = features
    measure(
        tmp_path / "d.h5",
        tmp_path / "descriptors.h5",
        {"some": tmp_path / "some.h5", "good": tmp_path / "good.h5"},
        tmp_path / "ranked.h5",
        n_thresholds=51,
        seed=7,
        ranked=True,
    )
    found = read_curves(tmp_path / "ranked.h5")
    assert found["some"].scores["has_map"].tolist() == [n % 3 == 0 for n in range(len(index))]
    assert found["good"].scores["has_map"].all()
    assert found[CHANCE.name].scores.keys() >= {"ranked_auc"}
    # Ranks do not change under a monotone function of the values, areas do.
    assert np.array_equal(found["some"].ranked_areas, found["good"].ranked_areas)
    assert not np.allclose(found["some"].areas, found["good"].areas)
    # At threshold t the pixels above a share t of the others are kept.
    for n in (0, 5):
        flat = maps["good"][n].ravel()
        below = np.array([(flat < value).mean() * len(flat) / (len(flat) - 1) for value in flat])
        area = area_under_curve(iou_curves(below.reshape(1, SIZE, SIZE), masks[n : n + 1], 51))
        assert found["good"].ranked_areas[n] == pytest.approx(area[0])


def test_ranks_of_ties_and_flat_maps():
    maps = np.array([[[0.0, 0.0], [0.0, 0.5]], [[0.3, 0.3], [0.3, 0.3]]])
    assert rank_normalised(maps).tolist() == [[[0, 0], [0, 1]], [[0, 0], [0, 0]]]


def test_the_pointing_game_has_the_interval_of_a_share():
    """Hits 3, 0, 4 of 4 in three scenes: never outside [0, 1], as Student's t would be."""
    scene = np.repeat([0, 1, 2], 4)
    hits = np.array([1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1.0])
    scores = dict.fromkeys(LOCALISATION, hits)
    item = Curves(np.ones((12, 3)), np.arange(12), hits > 0, scene, scores)
    row = localisation_table({"a": item}).iloc[0]
    low, high = clustered_proportion_interval(np.array([3, 0, 4]), np.array([4, 4, 4]))
    assert (row["pointing_ci_low"], row["pointing_ci_high"]) == (low, high)
    assert row["pointing"] == pytest.approx(7 / 12)
    assert 0 < low < 7 / 12 < high < 1
    assert row["relevance_mass_ci_low"] < 0
