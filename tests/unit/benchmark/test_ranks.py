"""Ranks of methods by a measure, and which differences can be told."""

import numpy as np
import pandas as pd
import pytest

from vebi.benchmark.ranks import rank_table
from vebi.benchmark.score import summarise
from vebi.catalogue.measures import MEASURES
from vebi.statistics import over_networks_and_scenes, over_scenes

SCENES = np.arange(12)


def scores(
    values: dict[str, np.ndarray], measure: str = "auc", kind: str = "known"
) -> pd.DataFrame:
    """Scores of methods by one measure, (networks, scenes) each; the other measures are missing."""
    rows = []
    for method, found in values.items():
        for seed, by_scene in enumerate(found):
            about = {"model": "net", "seed": seed, "method": method, "kind": kind, "n_images": 4}
            missing = dict.fromkeys((*MEASURES, "best_threshold"), np.nan)
            rows.append(pd.DataFrame({**about, "scene": SCENES, **missing, measure: by_scene}))
    return pd.concat(rows, ignore_index=True)


def test_clear_differences_have_one_rank_and_are_told() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, (3, 1, 12))
    values = {
        name: level + noise[i]
        for i, (name, level) in enumerate(zip("abc", (0.2, 0.9, 0.5), strict=True))
    }
    table = rank_table(scores(values)).set_index("method")
    assert table["rank"].to_dict() == {"a": 3, "b": 1, "c": 2}
    assert (table["ci_low"] == table["rank"]).all()
    assert (table["ci_high"] == table["rank"]).all()
    assert table["best"].to_dict() == {"a": 0, "b": 1, "c": 0}
    assert table["differs"].to_dict() == {"a": True, "b": False, "c": True}
    less = rank_table(scores(values, "wrong_order")).set_index("method")
    assert less["rank"].to_dict() == {"a": 1, "b": 3, "c": 2}


def test_methods_that_can_t_be_told_share_their_ranks() -> None:
    rng = np.random.default_rng(1)
    values = {name: rng.normal(0.5, 0.1, (1, 12)) for name in "abc"}
    # A pair that is equal in every scene: both first, or both second.
    values["d"] = values["c"]
    table = rank_table(scores(values)).set_index("method")
    assert not table["differs"].any()
    assert (table["ci_high"] - table["ci_low"] >= 1).all()
    assert table["best"].sum() == pytest.approx(1)
    columns = ["rank", "ci_low", "ci_high", "best"]
    assert table.loc["c", columns].tolist() == table.loc["d", columns].tolist()


def test_a_rank_s_interval_is_that_of_scenes_drawn_again() -> None:
    """Two methods: b is ahead as often as the drawn scenes' mean difference is positive."""
    difference = np.random.default_rng(2).normal(0.02, 0.1, (1, 12))
    table = rank_table(scores({"a": np.zeros((1, 12)), "b": difference})).set_index("method")
    drawn = np.random.default_rng(3).choice(difference[0], (20_000, 12)).mean(1)
    assert table.loc["b", "best"] == pytest.approx((drawn > 0).mean(), abs=0.03)


def test_controls_and_what_does_not_apply_have_no_rank() -> None:
    rng = np.random.default_rng(4)
    known = scores({"a": rng.random((2, 12)), "b": np.full((2, 12), np.nan)})
    edges = scores({"edges": np.ones((2, 12))}, kind="negative control")
    table = rank_table(pd.concat([known, edges]))
    assert table["method"].tolist() == ["a"]
    assert table["measure"].tolist() == ["auc"]


@pytest.mark.parametrize("n_networks", [1, 3])
def test_intervals_are_over_scenes_and_over_networks_where_there_are_several(n_networks) -> None:
    values = np.random.default_rng(5).random((n_networks, 12))
    row = summarise(scores({"a": values}), {("net", "a"): 0.5}).iloc[0]
    expected = over_scenes(values[0]) if n_networks == 1 else over_networks_and_scenes(values)
    assert (row["auc"], row["auc_ci_low"], row["auc_ci_high"]) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
    assert (row["n_networks"], row["n_scenes"], row["n_images"]) == (n_networks, 12, 48)
    assert row["seconds_per_image"] == 0.5
    assert np.isnan(row["grid"])
