"""Where curves cross, and what the verdict says of curves that are known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vebi.studies.mcgill.report_networks import REPORTED
from vebi.studies.mcgill.tipping import find_crossing, judge, tipping_points

KERAS = REPORTED["keras"]
FEW = {"n_classes": 10}


def test_the_report_tips_over_between_333_and_397_of_640_filters():
    """Half of the way from 0.9919 to 0.1 is 0.546: between 0.5861 at 333 and 0.1142 at 397."""
    printed = KERAS.printed["conv"].values()
    removed = np.array([p.dropped for p in printed], float)
    accuracy = np.array([p.selected for p in printed])
    half = find_crossing(removed, accuracy, 0.9919, 0.1, 0.5)
    assert half == pytest.approx(333 + 64 * (0.5861 - 0.54595) / (0.5861 - 0.1142))


@given(
    st.lists(st.tuples(st.floats(0.1, 20), st.floats(0.05, 1)), min_size=1, max_size=8),
    st.floats(0.05, 0.95),
)
def test_crossing_against_a_fine_grid(points, share):
    removed = np.cumsum([step for step, _ in points])
    accuracy = np.array([value for _, value in points])
    found = find_crossing(removed, accuracy, 1.0, 0.1, share)
    level = 1 - share * 0.9
    grid = np.linspace(0, removed[-1], 40_001)
    below = np.interp(grid, [0, *removed], [1, *accuracy]) <= level
    if np.isfinite(found):
        assert found == pytest.approx(
            grid[below.argmax()] if below.any() else removed[-1], abs=0.01
        )
    else:
        assert not below.any()


def test_curves_that_stay_up_never_cross():
    assert find_crossing(np.array([1.0, 2.0]), np.array([0.9, 0.8]), 1.0, 0.1, 0.5) == np.inf
    both = find_crossing(
        np.array([1.0, 2.0]), np.array([[0.9, 0.8], [0.5, 0.1]]), np.ones(2), 0.1, 0.5
    )
    assert both[0] == np.inf
    assert both[1] == pytest.approx(0.9)


def study(tips, seeds=3, repeats=4, noise=0.0, jitter=0.0):
    """Curves that fall from 1 to 0.1 within 20 of 200 filters, half way at tips[removal, solver].

    `jitter`: how much later the next network's curve does.
    """
    rows, rng = [], np.random.default_rng(0)
    for seed in range(seeds):
        rows.append({"seed": seed, "condition": "none", "test": 1.0, "mu": 0.0, "repeat": 0})
        for (removal, solver), tip in tips.items():
            for condition, count in (("selected", 1), ("random", repeats)):
                for repeat in range(count):
                    for mu in range(1, 21):
                        there = tip + jitter * (seed - 1) + noise * rng.normal()
                        fall = np.clip((10 * mu - (there - 10)) / 20, 0, 1)
                        rows.append(
                            {
                                **{"seed": seed, "condition": condition, "repeat": repeat},
                                **{"removal": removal, "solver": solver, "mu": float(mu)},
                                **{"n_removed": 10 * mu, "test": 1 - 0.9 * fall},
                            }
                        )
    table = pd.DataFrame(rows)
    return table.assign(model="m", n_filters=200, labels="annotations", rows="conv")


TIPS = {
    ("complete", "path"): 40,
    ("complete", "spgl1"): 60,
    ("partial", "path"): 100,
    ("partial", "spgl1"): 140,
}


def test_table_gives_the_tips_back():
    table = tipping_points(study(TIPS, jitter=10.0), KERAS, **FEW, reduced=True).set_index(
        ["removal", "solver", "condition"]
    )
    # Student's t of tip - 10, tip, tip + 10: a step of the sweep, so that nothing is interpolated.
    half = stats.t.ppf(0.975, 2) * 10 / np.sqrt(3)
    for (removal, solver), tip in TIPS.items():
        for condition in ("selected", "random"):
            row = table.loc[removal, solver, condition]
            assert row["filters_at_50"] == pytest.approx(tip)
            assert (row["ci_low"], row["ci_high"]) == pytest.approx((tip - half, tip + half))
            assert row["over"] == "networks"
            assert row["filters_at_90"] - row["filters_at_10"] == pytest.approx(16)
            assert row["n_seeds_reached"] == 3


def test_a_curve_that_stays_up_is_blank_and_counted():
    table = tipping_points(study({**TIPS, ("partial", "spgl1"): 400}), KERAS, **FEW, reduced=True)
    row = table.set_index(["removal", "solver", "condition"]).loc["partial", "spgl1", "selected"]
    assert np.isnan(row["filters_at_50"])
    assert np.isnan([row["ci_low"], row["ci_high"]]).all()
    assert row["n_seeds_reached"] == 0
    assert row["largest_removed"] == 200
    # One of three that gets there is not a mean either.
    table = tipping_points(
        study({**TIPS, ("partial", "spgl1"): 210}, jitter=-30.0), KERAS, **FEW, reduced=True
    )
    row = table.set_index(["removal", "solver", "condition"]).loc["partial", "spgl1", "selected"]
    assert np.isnan([row["filters_at_50"], row["ci_low"], row["ci_high"]]).all()
    assert row["n_seeds_reached"] == 1


def test_the_two_causes_share_the_whole_shift():
    curves = study(TIPS, noise=0.5)
    verdict = judge(curves, KERAS, **FEW, peer="spgl1")
    exact = judge(study(TIPS), KERAS, **FEW, peer="spgl1")
    # Equal networks have no interval, so that nothing is shown of the next one.
    assert np.isnan([exact["shift_ci_low"], exact["shift_ci_high"]]).all()
    assert exact["verdict"] == "gradual"
    assert verdict["shift_ci_low"] < verdict["shift"] < verdict["shift_ci_high"]
    assert verdict["verdict"] == "quirk"
    verdict = exact
    assert verdict["as_in_the_report"] == pytest.approx(0.7)
    assert verdict["corrected"] == pytest.approx(0.2)
    # Shapley: ((100 - 40) + (140 - 60)) / 2 and ((60 - 40) + (140 - 100)) / 2 of 200 filters.
    assert verdict["by_removal"] == pytest.approx(0.35)
    assert verdict["by_solver"] == pytest.approx(0.15)
    alone = judge(study(TIPS, seeds=1), KERAS, **FEW, peer="spgl1")
    assert alone["verdict"] == "undecided"


def test_the_report_removes_completely_in_its_matconvnet_network():
    of_matconvnet = study(TIPS).replace({"annotations": "predictions", "conv": "conv_dense"})
    verdict = judge(of_matconvnet, REPORTED["matconvnet"], **FEW, peer="spgl1")
    assert verdict["as_in_the_report"] == pytest.approx(60 / 200)
    assert verdict["shift"] == pytest.approx(20 / 200)
    assert verdict["by_removal"] == pytest.approx(0.35)
    assert verdict["n_censored"] == 0


def test_a_plateau_that_stays_is_a_property():
    tips = dict.fromkeys(TIPS, 120)
    assert judge(study(tips), KERAS, **FEW, peer="spgl1")["verdict"] == "property"


def test_an_early_fall_without_any_shift_is_gradual():
    tips = dict.fromkeys(TIPS, 30)
    assert judge(study(tips), KERAS, **FEW, peer="spgl1")["verdict"] == "gradual"
