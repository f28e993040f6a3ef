"""Verdicts on orderings that are put into the numbers."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vebi.io.errors import VebiError
from vebi.io.tables import read_table, write_table
from vebi.report.places import TABLES
from vebi.statistics import over_networks_and_scenes
from vebi.studies.ablation.ablate import mean_class_accuracy
from vebi.studies.robustness.comparisons import COMPARISONS
from vebi.studies.robustness.figures import draw_robustness
from vebi.studies.robustness.robustness_file import METHODS, Findings, Setting, write_findings
from vebi.studies.robustness.tables import FACTORS, compare, summarise, tabulate

SETTINGS = (Setting("vebi_text", False, 5.0), Setting("vebi_code", True, 10.0))
N = 60
APART = np.arange(N)


def findings(seed: int, areas=(0.1, 0.2, 0.4), accuracies=(0.2, 0.5, 0.9, 0.7)) -> Findings:
    """`areas` of METHODS; accuracies without All, without OnlyConv, with random, layer by layer."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.05, (2, 3, N))
    labels = np.sort(np.arange(N) % 3)

    def right(*shape: int, share) -> np.ndarray:
        return rng.random((*shape, N)) < share

    selected = np.stack([right(2, share=share) for share in accuracies[:2]], axis=1)
    return Findings(
        settings=SETTINGS,
        areas=np.array(areas)[:, None] + noise,
        n_selected=np.full((2, 2), 4),
        whole=np.ones(N, bool),
        selected=selected,
        random=right(2, 2, 5, share=accuracies[2]),
        random_layer_matched=right(2, 2, 5, share=accuracies[3]),
        labels=labels,
        image_index=np.arange(N),
    )


def verdicts(table: pd.DataFrame) -> dict[str, set[str]]:
    return {str(name): set(group["verdict"]) for name, group in table.groupby("comparison")}


def test_orderings_that_are_there_hold_and_their_opposites_are_reversed():
    table = compare([findings(seed) for seed in range(5)], APART)
    assert len(table) == len(SETTINGS) * len(COMPARISONS)
    assert all(values == {"holds"} for values in verdicts(table).values())
    assert (table["seeds_agree"] == 5).all()
    # Every image is a scene of its own here: both are over networks.
    assert (table["over"] == "networks").all()
    assert table["p_value_seeds"].to_numpy() == pytest.approx(table["p_value"].to_numpy())
    assert (table["p_value"] < 0.01).all()
    swapped = [findings(seed, (0.4, 0.2, 0.1), (0.9, 0.7, 0.2, 0.2)) for seed in range(5)]
    table = compare(swapped, APART)
    assert all(values == {"reversed"} for values in verdicts(table).values())
    assert (table["seeds_agree"] == 0).all()


def test_images_of_one_scene_are_no_independent_evidence():
    some = [findings(seed) for seed in range(5)]
    apart, together = (compare(some, scene) for scene in (APART, APART % 6))
    assert set(together["n_scenes"]) == {6}
    assert set(together["over"]) == {"networks and scenes"}
    assert together["mean_difference"].to_numpy() == pytest.approx(
        apart["mean_difference"].to_numpy()
    )
    # By brute force, for one comparison of the second setting: the two-way table of 5 x 6 means.
    values = np.array([one.areas[1, 2] - one.areas[1, 1] for one in some])
    found = over_networks_and_scenes(values.reshape(5, 10, 6).mean(1))
    row = together[together["comparison"] == "vebi > deconv_gb"].iloc[1]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((found.low, found.high))
    assert row["p_value"] == pytest.approx(found.p_value())
    expected = stats.ttest_1samp(values.mean(1), 0).pvalue
    assert row["p_value_seeds"] == pytest.approx(expected)


def test_what_is_not_there_is_undecided():
    """Seeds that contradict each other decide nothing, however sure each one is."""
    one, other = (0.1, 0.2, 0.4), (0.4, 0.2, 0.1)
    table = compare([findings(s, one if s % 2 else other) for s in range(4)], APART)
    areas = table[table["comparison"].isin(["vebi > deconv_gb", "vebi > upsampled_activation"])]
    assert set(areas["verdict"]) == {"undecided"}
    assert set(areas["seeds_agree"]) == {2}


def test_differences_are_those_of_areas_and_of_mean_class_accuracies():
    one = findings(0)
    rows = compare([one], APART).set_index(["descriptor", "comparison"])
    assert (rows["over"] == "scenes").all()
    assert (rows["arm"] - rows["reference_arm"]).to_numpy() == pytest.approx(
        rows["mean_difference"].to_numpy()
    )
    table = rows["mean_difference"]
    for v, setting in enumerate(SETTINGS):
        mean = dict(zip(METHODS, one.areas[v].mean(1), strict=True))
        found = table[setting.descriptor]
        assert found["vebi > deconv_gb"] == pytest.approx(mean["vebi"] - mean["deconv_gb"])
        arms = rows.loc[(setting.descriptor, "vebi > deconv_gb")]
        assert (arms["arm"], arms["reference_arm"]) == pytest.approx(
            (mean["vebi"], mean["deconv_gb"])
        )

        def accuracy(hits: np.ndarray) -> float:
            # Any prediction will do where it is wrong.
            return mean_class_accuracy(np.where(hits, one.labels, -1), one.labels)

        assert found["All > OnlyConv"] == pytest.approx(
            accuracy(one.selected[v, 1]) - accuracy(one.selected[v, 0])
        )
        lost = rows.loc[(setting.descriptor, "All > OnlyConv")]
        assert lost["arm"] == pytest.approx(1 - accuracy(one.selected[v, 0]))
        control = np.mean([accuracy(draw) for draw in one.random_layer_matched[v, 1]])
        assert found["selected > random_layer_matched (OnlyConv)"] == pytest.approx(
            control - accuracy(one.selected[v, 1])
        )


def test_summary_counts_every_setting_once_per_factor(tmp_path):
    runs, paths = [], []
    for model in ("a", "b"):
        for seed in range(3):
            runs.append({"dataset": "d", "model": model, "seed": seed})
            paths.append(tmp_path / f"{model}{seed}.h5")
            # In model b the upsampled activations win.
            areas = (0.1, 0.2, 0.4) if model == "a" else (0.6, 0.2, 0.4)
            write_findings(paths[-1], findings(seed, areas))
    tables = tabulate(paths, runs, {"d": APART})
    for name, table in tables.items():
        write_table(tmp_path / f"{name}.csv", table, TABLES[name])
    summary = tables["robustness_summary"].set_index(["comparison", "factor", "level"])
    row = summary.loc[("vebi > upsampled_activation", "all", "all")]
    assert (row["n_holds"], row["n_undecided"], row["n_reversed"]) == (2, 0, 2)
    assert "holds in 2 of 4 settings" in row["statement"]
    assert summary.loc[("vebi > upsampled_activation", "model", "a")]["n_holds"] == 2
    assert summary.loc[("vebi > upsampled_activation", "model", "b")]["n_reversed"] == 2
    assert summary.loc[("vebi > deconv_gb", "mu", "5")]["n_settings"] == 2
    per_factor = tables["robustness_summary"].groupby(["comparison", "factor"])["n_settings"].sum()
    assert (per_factor == 4).all()
    assert set(per_factor.index.get_level_values("factor")) == {"all", *FACTORS}
    assert summarise(tables["robustness"]).equals(tables["robustness_summary"])

    figure = draw_robustness(read_table(tmp_path / "robustness.csv", TABLES["robustness"]))
    assert len(figure.axes) == 2
    cells = [len(axis.patches) for axis in figure.axes]
    assert cells == [len(SETTINGS) * len(COMPARISONS)] * 2


def test_networks_studied_otherwise_are_refused():
    one = findings(0)
    other = Findings(**{**one.__dict__, "image_index": np.arange(N) + 1})
    with pytest.raises(VebiError, match="same images"):
        compare([one, other], APART)
