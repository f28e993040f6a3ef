"""Effects over cells: scipy's Welch tests, meta-analysis by hand, and what depends on what."""

import numpy as np
import pytest
from scipy import stats

from vebi.io.errors import VebiError
from vebi.statistics import Cell, Estimate, contrast, over_networks, pool
from vebi.statistics.pooled import heterogeneity, interaction


def cells(effects: dict[tuple[str, str], float], networks: int = 6, seed: int = 0) -> list[Cell]:
    """One cell per (dataset, stride) around its effect; standard deviation of networks 0.02."""
    rng = np.random.default_rng(seed)
    return [
        Cell(
            effect + rng.normal(0, 0.02, networks),
            f"{dataset}, {stride}",
            {"dataset": dataset, "stride": stride},
            scenes=None,
        )
        for (dataset, stride), effect in effects.items()
    ]


def test_the_pooled_effect_is_the_mean_of_cells_with_satterthwaites_degrees_of_freedom():
    some = cells({("u", "1"): 0.1, ("u", "2"): 0.3, ("v", "1"): 0.2}, networks=4)
    found = pool(some)
    means = [cell.values.mean() for cell in some]
    variances = np.array([cell.values.var(ddof=1) / 4 / 9 for cell in some])
    assert found.effect.value == pytest.approx(np.mean(means))
    assert found.effect.standard_error == pytest.approx(np.sqrt(variances.sum()))
    assert found.effect.df == pytest.approx(variances.sum() ** 2 / (variances**2 / 3).sum())
    assert found.effect.n_networks == 12
    assert found.cells["u, 2"] == some[1].estimate()
    assert found.levels["dataset"]["v"].interval() == over_networks(some[2].values).interval()


def test_heterogeneity_of_three_cells_is_welchs_analysis_of_variance():
    rng = np.random.default_rng(1)
    groups = [rng.normal(0, s, n) for s, n in ((1, 4), (3, 7), (0.5, 12))]
    found = heterogeneity([over_networks(g) for g in groups])
    assert found["p_heterogeneity"] == pytest.approx(
        stats.f_oneway(*groups, equal_var=False).pvalue
    )
    # Cochran's Q by its definition.
    weight = [len(g) / g.var(ddof=1) for g in groups]
    centre = sum(w * g.mean() for w, g in zip(weight, groups, strict=True)) / sum(weight)
    q = sum(w * (g.mean() - centre) ** 2 for w, g in zip(weight, groups, strict=True))
    assert found["q"] == pytest.approx(q)
    assert found["i_squared"] == pytest.approx(max(0, (q - 2) / q))


def test_i_squared_by_hand():
    """Effects 0, 1, 2 with standard error 0.5: Q = 8 on 2 degrees of freedom, I^2 = 0.75."""
    found = heterogeneity([Estimate(value, 0.5, 100.0) for value in (0.0, 1.0, 2.0)])
    assert (found["q"], found["i_squared"]) == pytest.approx((8.0, 0.75))
    # With many degrees of freedom the test is Q's chi-square.
    many = heterogeneity([Estimate(value, 0.5, 1e9) for value in (0.0, 1.0, 2.0)])
    assert many["p_heterogeneity"] == pytest.approx(stats.chi2.sf(8, 2), rel=1e-6)
    alike = heterogeneity([Estimate(1.0, 0.5, 9.0)] * 3)
    assert (alike["q"], alike["i_squared"], alike["p_heterogeneity"]) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("errors", [(0.5,), (0.5, 0.0), (0.5, np.nan)])
def test_heterogeneity_needs_two_intervals(errors: tuple[float, ...]):
    assert np.isnan(list(heterogeneity([Estimate(0.1, e, 3.0) for e in errors]).values())).all()


def test_welchs_test_rejects_at_its_level_where_chi_square_does_not():
    rng, welch, chi = np.random.default_rng(2), 0, 0
    for _ in range(2000):
        found = heterogeneity([over_networks(rng.normal(size=3)) for _ in range(2)])
        welch += found["p_heterogeneity"] < 0.05
        chi += stats.chi2.sf(found["q"], 1) < 0.05
    assert 0.02 < welch / 2000 < 0.065
    assert chi / 2000 > 0.10


def test_an_interaction_is_welchs_difference_of_two_cells():
    some = cells({("u", "1"): 0.1, ("u", "2"): 0.13})
    found = interaction(some, "stride")
    expected = stats.ttest_ind(some[0].values, some[1].values, equal_var=False)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.levels, found.matched) == (("1", "2"), True)
    assert found.difference.value == pytest.approx(some[0].values.mean() - some[1].values.mean())


def test_an_interaction_compares_what_is_alike_in_all_else():
    """Data set v has larger effects and was run at stride 2 only: that is no effect of the stride."""
    some = cells({("u", "1"): 0.1, ("u", "2"): 0.1, ("v", "2"): 0.9})
    stride = pool(some).interactions["stride"]
    assert abs(stride.difference.value) < 0.05 < stride.p_value
    assert stride.matched
    dataset = pool(some).interactions["dataset"]
    assert dataset.difference.value == pytest.approx(-0.8, abs=0.05)
    assert dataset.p_value < 1e-6


def test_factors_that_always_change_together_are_not_matched():
    found = pool(cells({("u", "1"): 0.1, ("v", "2"): 0.5}))
    assert not found.interactions["stride"].matched
    assert not found.interactions["dataset"].matched


def test_of_three_levels_the_two_that_differ_most_clearly_are_named():
    some = cells({("u", "1"): 0.1, ("u", "2"): 0.11, ("u", "4"): 0.5})
    found = interaction(some, "stride")
    assert found.levels == ("1", "4") or found.levels == ("2", "4")
    raw = [contrast([some[a], some[b]], [1.0, -1.0]).p_value() for a, b in ((0, 1), (0, 2), (1, 2))]
    assert found.p_value == pytest.approx(3 * min(raw))


def test_one_level_is_no_factor():
    assert set(pool(cells({("u", "1"): 0.1, ("u", "2"): 0.1})).interactions) == {"stride"}
    alone = pool(cells({("u", "1"): 0.1}))
    assert alone.interactions == {}
    assert alone.effect.interval() == alone.cells["u, 1"].interval()


def test_a_cell_of_one_network_leaves_the_mean_without_interval():
    some = [
        *cells({("u", "1"): 0.1}),
        Cell(np.array([0.2]), "v, 1", {"dataset": "v", "stride": "1"}, scenes=None),
    ]
    found = pool(some)
    assert found.effect.problem == "one network"
    assert found.effect.value == pytest.approx((some[0].values.mean() + 0.2) / 2)
    assert np.isnan(found.p_heterogeneity)
    assert np.isnan(found.interactions["dataset"].p_value)


def test_cells_that_do_not_fit_together_are_refused():
    some = cells({("u", "1"): 0.1, ("u", "2"): 0.1})
    with pytest.raises(VebiError, match="no cells"):
        pool([])
    with pytest.raises(VebiError, match="label of its own"):
        pool([some[0], some[0]])
    with pytest.raises(VebiError, match="factors"):
        pool([some[0], Cell(some[1].values, "x", {"dataset": "u"}, scenes=None)])


def test_a_level_without_interval_leaves_the_others_to_be_compared():
    lone = Cell(np.array([0.2]), "u, 4", {"dataset": "u", "stride": "4"}, scenes=None)
    some = [lone, *cells({("u", "1"): 0.1, ("u", "2"): 0.5})]
    found = interaction(some, "stride")
    assert found.levels == ("1", "2")
    # The one pair that can be tested is a family of its own.
    assert found.p_value == pytest.approx(contrast(some[1:], [1.0, -1.0]).p_value())
