"""Tables of a run with known accuracies, and what they say."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vebi.io.tables import read_table, write_table
from vebi.report.places import TABLES
from vebi.studies.mcgill.report_networks import REPORTED
from vebi.studies.mcgill.tables import Network, conclude, make_tables, tabulate_removal

NETWORK = Network("keras-8", "keras", "digits", 10, "spgl1_1000", False)
LEFT = {"selected": 0.4, "random": 0.9, "random_layer_matched": 0.8}


def study(seed):
    """Accuracy LEFT plus 0.01 per seed and 0.001 per draw, at two of the report's values of mu."""
    none = {"condition": "none", "mu": 0.0, "repeat": 0, "n_removed": 0, "test": 1.0}
    rows = [{**none, "labels": "", "rows": "", "solver": "", "removal": ""}]
    for removal in ("complete", "partial"):
        for solver in ("path", "spgl1_1000"):
            for mu, removed in ((10.0, 5), (100.0, 30)):
                for condition, value in LEFT.items():
                    for repeat in range(1 if condition == "selected" else 3):
                        rows.append(
                            {
                                **{"labels": "annotations", "rows": "conv", "solver": solver},
                                **{"removal": removal, "mu": mu, "condition": condition},
                                **{"repeat": repeat, "n_removed": removed},
                                "test": value + 0.01 * seed + 0.001 * repeat,
                            }
                        )
    return pd.DataFrame(rows).assign(n_filters=40, train=np.nan, train_agreement=np.nan)


def solutions(gap):
    return pd.DataFrame(
        [
            {
                **{"labels": "annotations", "scope": "all", "solver": solver, "mu": mu},
                **{"n_features": 5, "n_features_total": 40, "relative_gap": gap},
                **{"iterations": 7, "classes_at_limit": 0, "peak_memory_gb": 1},
            }
            for solver in ("path", "spgl1_1000")
            for mu in (10.0, 100.0)
        ]
    )


@pytest.fixture(scope="module")
def tables():
    history = pd.DataFrame({"epoch": [1], "train_accuracy": [0.9], "test_accuracy": [0.8]})
    places = [("keras-8", 0), ("keras-8", 1)]
    return make_tables(
        [NETWORK],
        histories=dict.fromkeys(places, history),
        studies={place: study(place[1]) for place in places},
        solutions=[
            (place, solutions(gap)) for place, gap in zip(places, (1e-9, 1e-3), strict=True)
        ],
        invariance={},
        sensitivity={},
    )


def test_every_table_can_be_written_and_read(tables, tmp_path):
    for name, table in tables.items():
        write_table(tmp_path / f"{name}.csv", table, TABLES[name])
        assert (
            list(read_table(tmp_path / f"{name}.csv", TABLES[name]).columns) == TABLES[name].columns
        )


def test_rows_of_the_contract(tables):
    table = tables["mcgill_keras"].set_index(["mu", "variant", "solver"])
    row = table.loc[100.0, "conv/annotations/test/partial/layer_matched", "path"]
    assert row["filters_dropped"] == 30
    assert row["accuracy_selected"] == pytest.approx(0.405)
    assert row["accuracy_random_mean"] == pytest.approx(0.806)
    draws = [0.8 + 0.01 * s + 0.001 * r for s in range(2) for r in range(3)]
    assert row["accuracy_random_std"] == pytest.approx(np.std(draws, ddof=1))
    assert row["difference"] == pytest.approx(0.401)
    # Both networks differ from their controls by the same: no spread, no interval.
    assert np.isnan([row["difference_ci_low"], row["difference_ci_high"]]).all()
    ends = stats.ttest_1samp([0.4, 0.41], 0).confidence_interval()
    assert (row["selected_ci_low"], row["selected_ci_high"]) == pytest.approx((ends.low, ends.high))
    ends = stats.ttest_1samp([0.801, 0.811], 0).confidence_interval()
    assert (row["random_ci_low"], row["random_ci_high"]) == pytest.approx((ends.low, ends.high))
    assert row["over"] == "networks"
    # The larger gap of the two seeds; the report's Fig. 4 at mu = 100.
    assert row["relative_gap"] == 1e-3
    assert row["published_selected"] == 0.9881
    assert row["published_dropped"] == 69
    assert bool(row["reduced"])
    assert len(table) == 2 * 2 * 2 * 2


def test_one_network_is_judged_over_its_draws_and_says_so():
    """Three draws of a control, one selection: Student's t of the draws, and none of the selection."""
    one = study(0)
    rows = one["condition"].isin(["random", "random_layer_matched"])
    one.loc[rows, "test"] += 0.01 * (one.loc[rows, "repeat"] ** 2)
    table = tabulate_removal(one.assign(seed=0, model="m"), solutions(0.0), NETWORK)
    row = table.set_index(["mu", "variant", "solver"]).loc[
        100.0, "conv/annotations/test/complete/uniform", "path"
    ]
    draws = np.array([0.9, 0.9 + 0.011, 0.9 + 0.042])
    assert row["over"] == "draws"
    assert row["accuracy_random_mean"] == pytest.approx(draws.mean())
    ends = stats.ttest_1samp(draws - 0.4, 0).confidence_interval()
    assert row["difference"] == pytest.approx(draws.mean() - 0.4)
    assert row["difference_ci_low"] == pytest.approx(ends.low)
    assert row["difference_ci_high"] == pytest.approx(ends.high)
    assert np.isnan([row["selected_ci_low"], row["selected_ci_high"]]).all()


def test_unlike_networks_give_an_interval_over_networks():
    """Differences of three networks by hand; draws of each are averaged first."""
    some = [study(0), study(1), study(2)]
    for one, lost in zip(some, (0.0, 0.1, 0.05), strict=True):
        one.loc[one["condition"] == "selected", "test"] -= lost
    stacked = pd.concat([one.assign(seed=i) for i, one in enumerate(some)])
    row = (
        tabulate_removal(stacked, solutions(0.0), NETWORK)
        .set_index(["mu", "variant", "solver"])
        .loc[10.0, "conv/annotations/test/complete/uniform", "path"]
    )
    values = np.array([0.501, 0.601, 0.551])
    ends = stats.ttest_1samp(values, 0).confidence_interval()
    assert row["difference"] == pytest.approx(values.mean())
    assert (row["difference_ci_low"], row["difference_ci_high"]) == pytest.approx(
        (ends.low, ends.high)
    )


def test_claims_follow_from_the_intervals(tables):
    claims = tables["mcgill_claims"].set_index("claim_id")
    at_100 = claims.loc["mcgill.keras-8.mu100"]
    # Two networks with one and the same difference: no interval, no verdict.
    assert at_100["verdict"] == "inconclusive"
    assert at_100["published"] == pytest.approx(0.9908 - 0.9881)
    assert "(reduced)" in at_100["statement"]
    # All four curves are equal: nothing is shifted, and the fall starts at the first point.
    tip = claims.loc["mcgill.keras-8.tipping_point"]
    assert tip["measured"] == 0
    assert tip["verdict"] == "contradicted"
    assert tables["mcgill_verdict"]["verdict"].tolist() == ["gradual"]


def test_curves_start_at_the_whole_network(tables):
    curves = tables["mcgill_curves"].set_index(["seed", "removal", "solver", "condition", "mu"])
    assert curves.loc[(1, "none", "none", "none", 0.0), "accuracy"] == 1
    drawn = curves.loc[(1, "partial", "path", "random", 10.0)]
    assert drawn["accuracy"] == pytest.approx(0.911)
    assert drawn["accuracy_low"] == pytest.approx(0.91)


@pytest.mark.parametrize("verdict", ["quirk", "property", "gradual", "undecided"])
def test_the_conclusion_has_its_numbers(verdict):
    numbers = {"as_in_the_report": 0.53, "corrected": 0.21, "plateau": 0.08, "verdict": verdict}
    text = conclude({**numbers, "peer": "spgl1"})
    assert all(part in text for part in ("53 %", "21 %", "8 %", "removal and solver"))
    alone = conclude({**numbers, "as_in_the_report": 1.0, "peer": "path"})
    assert "the report's removal half of the accuracy is gone never" in alone


def test_printed_numbers_are_the_reports():
    keras, matconvnet = (
        REPORTED["keras"].printed["conv"],
        REPORTED["matconvnet"].printed["conv_dense"],
    )
    assert [p.dropped for p in keras.values()] == [23, 69, 301, 333, 397]
    assert [p.dropped for p in matconvnet.values()] == [17, 175, 387]
    assert keras[700.0].selected == 0.1142
    assert matconvnet[200.0].random == 0.32
