"""Coverage: simulated on a small grid, and what the committed tables and the written page say of it."""

import importlib.util
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from vebi.statistics import MARGINS


@pytest.fixture(scope="module")
def tool(root) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "simulated_coverage", root / "tools/interval_coverage.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def small(tool) -> pd.DataFrame:
    grid = tool.Grid(
        networks=(3, 8),
        scenes=(6, 12),
        spreads=((3, 1, 1), (1, 1, 1)),
        data=("normal", "skewed"),
        many=4000,
        few=500,
        rivals=False,
    )
    return tool.coverage_table(grid)


@pytest.fixture(scope="module")
def committed(root) -> pd.DataFrame:
    return pd.read_csv(root / "results/reference/statistics/coverage.csv", keep_default_na=False)


def test_every_interval_in_use_covers_what_it_promises(small, tool):
    assert set(small["rule"]) == tool.IN_USE
    # Four standard errors of a simulated share.
    slack = 4 * np.sqrt(0.95 * 0.05 / small["simulations"].astype(float))
    promised = small[small["promise"] != tool.LIMIT]
    low = promised["coverage"] + slack[promised.index] >= 0.93
    assert low.all(), promised[~low]
    within = promised[promised["promise"] == tool.WITHIN]
    # Beyond 97 % where networks add next to nothing to the spread: wider than needed, by a little.
    high = within["coverage"] - slack[within.index] <= 0.98
    assert high.all(), within[~high]
    normal = within[within["data"] == "normal"]
    assert normal["coverage"].mean() == pytest.approx(0.955, abs=0.01)


def test_nothing_is_found_above_zero_more_often_than_the_level_says(small):
    """False "confirmed": the interval lies above a true effect of zero. Normal data, 2.5 %."""
    normal = small[(small["data"] == "normal") & (small["interval"] != "prediction")]
    slack = 4 * np.sqrt(0.025 * 0.975 / normal["simulations"].astype(float))
    assert (normal["above_truth"] <= 0.025 + slack).all()
    assert normal["above_truth"].mean() <= 0.026


def test_the_simulation_sees_a_wrong_interval(tool):
    """Two rules that leave out a source of spread fail in it."""
    grid = tool.Grid(
        networks=(3, 8), scenes=(6,), spreads=((1, 3, 1),), data=("normal",), many=2000, few=300
    )
    rows = pd.DataFrame(list(tool.crossed_rows(grid)))
    at = rows[(rows["spread"] == "1:3:1") & (rows["networks"] == 8)].set_index("rule")["coverage"]
    assert at["over_networks"] < 0.6 < 0.93 < at["over_networks_and_scenes"]
    rows = pd.DataFrame(list(tool.over_networks_rows(grid)))
    at = rows[rows["networks"] == 3].set_index("rule")["coverage"]
    assert at["bootstrap_interval"] < 0.82 < 0.93 < at["over_networks"]


def test_the_committed_table_keeps_the_promises(committed, tool):
    within = committed[committed["promise"] == tool.WITHIN]
    assert {3, 20} <= set(within["networks"])
    assert {"6", "12", "20"} <= set(within["scenes"].astype(str))
    assert {"normal", "skewed", "hits"} == set(within["data"])
    assert within["coverage"].between(0.93 - 0.005, 0.985).all()
    assert within["coverage"].between(0.93, 0.97).mean() >= 0.95
    at_least = committed[committed["promise"] == tool.AT_LEAST]
    assert (at_least["coverage"] >= 0.93 - 0.005).all()
    assert set(committed["rule"][committed["promise"] == tool.RIVAL]) >= {
        *("bootstrap_interval", "nested_interval", "crossed_interval", "cluster_interval"),
    }


def test_the_committed_verdicts_err_as_seldom_as_they_should(root):
    table = pd.read_csv(root / "results/reference/statistics/verdicts.csv", keep_default_na=False)
    one = table[table["design"] == "one claim"].set_index("truth")
    slack = 4 * np.sqrt(0.025 * 0.975 / one["simulations"].min())
    assert (one.loc["no effect", ["confirmed", "contradicted"]] <= 0.025 + slack).all(axis=None)
    assert (one.loc["at the margin", "negligible"] <= 0.05 + 1.5 * slack).all()
    assert (one.loc[["0.03 everywhere"], "confirmed"][1:] >= 0.8).all()
    families = table[table["design"].str.startswith("any of ten")]
    assert (families[["confirmed", "contradicted"]] <= 0.025 + slack).all(axis=None)


def test_the_page_shows_the_committed_tables(root, tool):
    page = (root / "docs/statistics.md").read_text(encoding="utf-8")
    folder = root / "results/reference/statistics"
    assert tool.fill(page, tool.page_tables(folder)) == page


def test_the_page_has_every_margin(root):
    page = (root / "docs/statistics.md").read_text(encoding="utf-8")
    for name, margin in MARGINS.items():
        assert f"| `{name}` | {margin.size:g} | {margin.reason} |" in page
