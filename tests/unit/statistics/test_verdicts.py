"""Verdicts: every word from numbers that allow no other, and p-values of families."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from vebi.io.errors import VebiError
from vebi.statistics import (
    MARGINS,
    Cell,
    Comparability,
    Estimate,
    Judgement,
    Prediction,
    Verdict,
    holm,
    judge_absence,
    judge_interval,
    judge_ordering,
    judge_orderings,
    judge_value,
    pool,
    predict,
)
from vebi.statistics.pooled import Pooled

MARGIN = 0.01


def values(mean: float, spread: float, n: int = 10) -> np.ndarray:
    """Exactly this mean, and this standard error of it."""
    one = np.linspace(-1, 1, n)
    return mean + one / one.std(ddof=1) * spread * np.sqrt(n)


def effect(mean: float, error: float) -> Pooled:
    return pool([Cell(values(mean, error), "cell", scenes=None)])


def grid(**effects: tuple[float, float]) -> Pooled:
    """Cells of one factor, `stride`: mean and standard error of each."""
    return pool(
        [
            Cell(values(*pair), name, {"stride": name, "dataset": "u"}, scenes=None)
            for name, pair in effects.items()
        ]
    )


@pytest.mark.parametrize(
    ("mean", "error", "verdict", "problem"),
    [
        (0.10, 0.02, Verdict.CONFIRMED, ""),
        (-0.10, 0.02, Verdict.CONTRADICTED, "below zero"),
        (0.10, 0.08, Verdict.INCONCLUSIVE, "holds zero"),
        (0.001, 0.003, Verdict.NEGLIGIBLE, ""),
        (0.004, 0.001, Verdict.NEGLIGIBLE, "above zero"),
        (-0.004, 0.001, Verdict.NEGLIGIBLE, "below zero"),
        (0.015, 0.002, Verdict.CONFIRMED, ""),
        # The estimate alone would decide each of these otherwise.
        (0.02, 0.01, Verdict.INCONCLUSIVE, "holds zero"),
        (0.009, 0.003, Verdict.CONFIRMED, ""),
    ],
)
def test_an_ordering_is_judged_by_its_interval(mean, error, verdict, problem):
    found = judge_ordering(effect(mean, error), MARGIN)
    assert (found.verdict, found.problem, found.margin) == (verdict, problem, MARGIN)


def test_the_verdict_is_that_of_the_interval_that_is_shown():
    """Just inside and just outside: t(9) = 2.2622 for 95 %, 1.8331 for the 90 % of the margin."""
    t, t_90 = stats.t.ppf(0.975, 9), stats.t.ppf(0.95, 9)
    for factor, verdict in ((1.001, Verdict.CONFIRMED), (0.999, Verdict.INCONCLUSIVE)):
        assert judge_ordering(effect(0.05 * t * factor, 0.05), MARGIN).verdict == verdict
    for factor, verdict in ((1.001, Verdict.NEGLIGIBLE), (0.999, Verdict.INCONCLUSIVE)):
        assert judge_ordering(effect(0.0, 0.003), 0.003 * t_90 * factor).verdict == verdict


def words(found: Judgement) -> tuple:
    """All that goes into a row of claims.csv, p-values to the digits that matter."""
    return found.verdict, found.problem, found.factor, found.margin, found.p_value


def test_a_row_has_the_margin_and_the_p_value_that_decided():
    """Effects of 0.1 with p = 0.02, of 0 with p = 0.03 of being outside; 0.05 itself decides nothing."""
    t = stats.t.isf(0.01, 9)
    clear, unclear = effect(0.1, 0.1 / t), effect(0.1, 0.1)
    inside = effect(0.0, MARGIN / stats.t.isf(0.03, 9))
    one = pool([Cell(np.array([0.3]), "c", scenes=None)])
    p = unclear.effect.p_value()
    nan = pytest.approx(np.nan, nan_ok=True)
    for found, given, expected in (
        (None, (), (Verdict.NOT_TESTED, "no data", "", MARGIN, nan)),
        (one, (), (Verdict.INCONCLUSIVE, "one network", "", MARGIN, nan)),
        (clear, (), (Verdict.CONFIRMED, "", "", MARGIN, pytest.approx(0.02))),
        (clear, (0.04,), (Verdict.CONFIRMED, "", "", MARGIN, 0.04)),
        (clear, (0.05,), (Verdict.INCONCLUSIVE, "holds zero", "", MARGIN, 0.05)),
        (unclear, (), (Verdict.INCONCLUSIVE, "holds zero", "", MARGIN, pytest.approx(p))),
        (inside, (), (Verdict.NEGLIGIBLE, "", "", MARGIN, pytest.approx(0.03))),
        (inside, (0.6, 0.04), (Verdict.NEGLIGIBLE, "", "", MARGIN, 0.04)),
        (inside, (0.6, 0.05), (Verdict.INCONCLUSIVE, "holds zero", "", MARGIN, 0.6)),
        (inside, (0.05, 0.04), (Verdict.NEGLIGIBLE, "", "", MARGIN, 0.04)),
    ):
        assert words(judge_ordering(found, MARGIN, *given)) == expected


def test_without_a_margin_nothing_is_negligible():
    assert judge_ordering(effect(0.0, 0.0001), 0.0).verdict == Verdict.INCONCLUSIVE
    assert judge_ordering(effect(0.001, 0.0001), 0.0).verdict == Verdict.CONFIRMED


def test_no_numbers_one_network_and_equal_networks():
    assert judge_ordering(None, MARGIN).verdict == Verdict.NOT_TESTED
    for numbers, problem in (
        ([0.3], "one network"),
        ([0.3] * 5, "no variance"),
        ([0.0] * 5, "no variance"),
    ):
        found = judge_ordering(pool([Cell(np.array(numbers), "c", scenes=None)]), MARGIN)
        assert (found.verdict, found.problem) == (Verdict.INCONCLUSIVE, problem)


def test_an_effect_at_one_level_and_none_at_the_other_depends():
    """The strided network gains 0.098, the other 0.007: their mean is not a finding."""
    found = judge_ordering(grid(strided=(0.098, 0.01), inferred=(0.007, 0.01)), MARGIN)
    assert (found.verdict, found.factor) == (Verdict.DEPENDS, "stride")
    low, high = found.interaction.difference.interval()
    assert -0.2 < low < high < 0
    assert found.interaction.levels == ("inferred", "strided")
    assert found.p_value == pytest.approx(found.interaction.difference.p_value())


def test_an_effect_of_both_signs_depends():
    assert judge_ordering(grid(a=(0.1, 0.01), b=(-0.1, 0.01)), MARGIN).verdict == Verdict.DEPENDS
    # Neither level is decided alone, but one order for both can't be right.
    assert (
        judge_ordering(grid(a=(0.05, 0.025), b=(-0.05, 0.025)), MARGIN).verdict == Verdict.DEPENDS
    )


def test_stronger_at_one_level_is_still_confirmed():
    assert judge_ordering(grid(a=(0.3, 0.01), b=(0.1, 0.01)), MARGIN).verdict == Verdict.CONFIRMED
    assert (
        judge_ordering(grid(a=(-0.3, 0.01), b=(-0.1, 0.01)), MARGIN).verdict == Verdict.CONTRADICTED
    )


def test_one_undecided_cell_does_not_undo_an_effect_that_all_share():
    found = judge_ordering(grid(a=(0.1, 0.02), b=(0.1, 0.07)), MARGIN)
    assert grid(b=(0.1, 0.07)).effect.low < 0
    assert found.verdict == Verdict.CONFIRMED


def test_factors_that_change_together_are_named_together():
    cells = [
        Cell(values(0.1, 0.01), "a", {"stride": "1", "dataset": "u", "mu": "5"}, scenes=None),
        Cell(values(-0.1, 0.01), "b", {"stride": "2", "dataset": "v", "mu": "5"}, scenes=None),
    ]
    found = judge_ordering(pool(cells), MARGIN)
    assert (found.verdict, found.factor) == (Verdict.DEPENDS, "stride or dataset")
    assert found.problem == "other factors change with it"


def test_the_stronger_of_two_factors_that_both_decide_is_named():
    """Both p-values are zero to nine digits; the differences are not the same cells'."""
    sizes = {("1", "u"): 0.5, ("2", "u"): -0.1, ("1", "v"): 0.3, ("2", "v"): -0.4}
    cells = [
        Cell(values(size, 1e-4), str(key), dict(zip(("f", "g"), key, strict=True)), scenes=None)
        for key, size in sizes.items()
    ]
    pooled = pool(cells)
    assert max(one.p_value for one in pooled.interactions.values()) < 1e-9
    # By f all levels are decided, with two signs; by g the second level is below zero, too.
    assert judge_ordering(pooled, MARGIN).factor == "f"


def test_levels_are_alike_only_by_verdicts_that_are_corrected_for_their_number():
    """Each of two levels has p = 0.03, which together decides nothing; 0.02 would."""
    pooled = grid(a=(0.09, 0.001), b=(0.051, 0.001))
    for p, verdict in ((0.03, Verdict.DEPENDS), (0.02, Verdict.CONFIRMED)):
        level = Estimate(0.1, 0.1 / stats.t.isf(p / 2, 9), 9.0)
        found = replace(pooled, levels={"stride": {"a": level, "b": level}})
        assert judge_ordering(found, MARGIN).verdict == verdict


def test_several_factors_are_corrected_for():
    """An interaction of p = 0.03 among four factors is none."""
    pooled = grid(a=(0.09, 0.01), b=(0.051, 0.01))
    one = pooled.interactions["stride"]
    assert 0.01 < one.p_value < 0.05
    levels = {"1": Estimate(0.09, 0.01, 9.0), "2": Estimate(0.0, 0.01, 9.0)}
    for names, verdict in (("f", Verdict.DEPENDS), ("fghi", Verdict.CONFIRMED)):
        found = replace(
            pooled,
            levels=dict.fromkeys(names, levels),
            interactions={name: replace(one, factor=name) for name in names},
        )
        assert judge_ordering(found, MARGIN).verdict == verdict


def test_a_family_is_corrected_by_holm():
    """p = 0.03 is confirmed alone, not among ten claims; a strong one alongside it stays."""
    weak = effect(0.1, 0.1 / stats.t.isf(0.015, 9))
    strong, nothing = effect(0.1, 0.01), effect(0.0, 0.1)
    assert weak.effect.p_value() == pytest.approx(0.03)
    assert judge_orderings([weak], [MARGIN])[0].verdict == Verdict.CONFIRMED
    family = judge_orderings([weak, strong, None, *[nothing] * 8], [MARGIN] * 11)
    words = [one.verdict for one in family]
    assert words[:3] == [Verdict.INCONCLUSIVE, Verdict.CONFIRMED, Verdict.NOT_TESTED]
    # The other eight have p = 1, the strong one comes first: nine are left for the weak one.
    assert family[0].p_value == pytest.approx(0.03 * 9)
    with pytest.raises(VebiError, match="2 claims and 1 margins"):
        judge_orderings([weak, strong], [MARGIN])


def test_what_is_negligible_in_a_family_is_corrected_by_holm_too():
    """p = 0.03 of being outside alone, 0.06 alongside another; what has no margin does not count."""
    inside, other = effect(0.0, MARGIN / stats.t.isf(0.03, 9)), effect(0.0, 0.1)
    alone = (Verdict.NEGLIGIBLE, "", "", MARGIN, pytest.approx(0.03))
    assert words(judge_orderings([inside], [MARGIN])[0]) == alone
    assert words(judge_orderings([inside, other, None], [MARGIN, 0.0, MARGIN])[0]) == alone
    both = judge_orderings([inside, other], [MARGIN, 0.2])
    assert [one.verdict for one in both] == [Verdict.INCONCLUSIVE] * 2
    assert [one.margin for one in both] == [MARGIN, 0.2]
    # Each margin is its own claim's.
    assert judge_orderings([other, inside], [MARGIN, 1.0])[1].verdict == Verdict.NEGLIGIBLE


@pytest.mark.parametrize(
    ("low", "high", "verdict", "problem"),
    [
        (0.01, 0.05, Verdict.CONFIRMED, ""),
        (-0.05, -0.01, Verdict.CONTRADICTED, "below zero"),
        (-0.01, 0.9, Verdict.INCONCLUSIVE, "holds zero"),
        (0.0, 0.5, Verdict.INCONCLUSIVE, "holds zero"),
        (-0.5, 0.0, Verdict.INCONCLUSIVE, "holds zero"),
        (0.1, 0.1, Verdict.CONFIRMED, ""),
        (0.2, 0.1, Verdict.INCONCLUSIVE, "no interval"),
        (np.nan, np.nan, Verdict.INCONCLUSIVE, "no interval"),
    ],
)
def test_both_ends_of_an_interval_decide(low, high, verdict, problem):
    found = judge_interval(low, high)
    assert (found.verdict, found.problem) == (verdict, problem)


def test_holm_by_hand():
    """Ordered 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, made monotone; tests not made don't count."""
    given = [0.04, 0.01, np.nan, 0.03, 0.02]
    np.testing.assert_allclose(holm(given), [0.06, 0.04, np.nan, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.4, 0.9]), [0.8, 0.9])
    assert holm([]).shape == (0,)
    assert holm([0.7, 0.8, 0.9]).max() == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_holm_rejects_what_its_step_by_step_rule_rejects(seed: int):
    p = np.random.default_rng(seed).random(8) ** 3
    rejected, left = set(), sorted(range(8), key=lambda i: p[i])
    while left and p[left[0]] <= 0.05 / len(left):
        rejected.add(left.pop(0))
    assert set(np.flatnonzero(holm(p) <= 0.05)) == rejected


@pytest.mark.parametrize(
    ("mean", "error", "verdict"),
    [
        (0.001, 0.003, Verdict.CONFIRMED),
        (0.004, 0.001, Verdict.CONFIRMED),
        (0.05, 0.01, Verdict.CONTRADICTED),
        (-0.05, 0.01, Verdict.CONTRADICTED),
        (0.0, 0.05, Verdict.INCONCLUSIVE),
        (0.03, 0.012, Verdict.INCONCLUSIVE),
        (-0.03, 0.012, Verdict.INCONCLUSIVE),
    ],
)
def test_absence_is_shown_not_assumed(mean, error, verdict):
    assert judge_absence(effect(mean, error).effect, MARGIN).verdict == verdict


def test_a_row_of_no_difference_has_its_margin_and_its_p_value():
    inside, one = effect(0.001, 0.003).effect, pool([Cell(np.array([0.0]), "c", scenes=None)])
    outside, wide = effect(0.05, 0.01).effect, effect(0.0, 0.05).effect
    beyond = "reaches beyond the margin"
    nan = pytest.approx(np.nan, nan_ok=True)
    p = inside.p_negligible(MARGIN)
    for found, given, expected in (
        (None, (), (Verdict.NOT_TESTED, "no data", nan)),
        (one.effect, (), (Verdict.INCONCLUSIVE, "one network", nan)),
        (inside, (), (Verdict.CONFIRMED, "", pytest.approx(p))),
        (inside, (0.04,), (Verdict.CONFIRMED, "", 0.04)),
        (inside, (0.05,), (Verdict.INCONCLUSIVE, beyond, 0.05)),
        (outside, (), (Verdict.CONTRADICTED, "", nan)),
        (wide, (), (Verdict.INCONCLUSIVE, beyond, pytest.approx(wide.p_negligible(MARGIN)))),
    ):
        verdict, problem, p_value = expected
        assert words(judge_absence(found, MARGIN, *given)) == (
            *(verdict, problem, "", MARGIN, p_value),
        )


def test_an_interval_that_begins_at_the_margin_is_outside():
    above, below = effect(0.05, 0.01).effect, effect(-0.05, 0.01).effect
    assert judge_absence(above, above.low).verdict == Verdict.CONTRADICTED
    assert judge_absence(below, -below.high).verdict == Verdict.CONTRADICTED
    assert judge_absence(above, np.nextafter(above.low, 1)).verdict == Verdict.INCONCLUSIVE
    assert judge_absence(below, np.nextafter(-below.high, 1)).verdict == Verdict.INCONCLUSIVE


def test_absence_needs_a_margin_and_numbers():
    with pytest.raises(VebiError, match="above zero"):
        judge_absence(effect(0, 1).effect, 0.0)
    assert judge_absence(None, MARGIN).verdict == Verdict.NOT_TESTED
    found = judge_absence(pool([Cell(np.array([0.0]), "c", scenes=None)]).effect, MARGIN)
    assert (found.verdict, found.problem) == (Verdict.INCONCLUSIVE, "one network")


@pytest.mark.parametrize(
    ("published", "verdict", "problem"),
    [
        (0.80, Verdict.CONSISTENT, ""),
        (0.70, Verdict.CONSISTENT, ""),
        (0.69, Verdict.DIFFERS, "ours is larger"),
        (0.91, Verdict.DIFFERS, "ours is smaller"),
        (0.696, Verdict.CONSISTENT, ""),
        (0.904, Verdict.CONSISTENT, ""),
        (0.906, Verdict.DIFFERS, "ours is smaller"),
    ],
)
def test_a_printed_number_is_one_more_network(published, verdict, problem):
    found = judge_value(published, Prediction(0.8, 0.70, 0.90, 5), rounding=0.005)
    assert (found.verdict, found.problem) == (verdict, problem)


def test_an_interval_that_would_hold_almost_anything_decides_nothing():
    wide = Prediction(0.5, 0.1, 0.9, 3)
    assert judge_value(0.5, wide).problem == "too wide"
    assert judge_value(0.5, wide).verdict == Verdict.INCONCLUSIVE
    assert judge_value(0.95, wide).verdict == Verdict.DIFFERS
    # An accuracy of 0.99 lies 0.01 from 1: there 0.1 is wide, though a tenth of the number.
    near_one = Prediction(0.97, 0.90, 1.0, 3)
    assert judge_value(0.99, near_one).verdict == Verdict.CONSISTENT
    assert judge_value(0.99, near_one, scale=0.01).verdict == Verdict.INCONCLUSIVE
    assert judge_value(0.5, None).verdict == Verdict.NOT_TESTED
    assert judge_value(0.5, predict(np.array([0.5]))).problem == "one network"


def test_more_networks_do_not_undo_a_perfect_replication():
    """The earlier rule, an interval of our mean, said consistent in 28 % of cases at n = 30."""
    rng = np.random.default_rng(0)
    for n in (5, 30):
        said = [
            judge_value(rng.normal(0.8, 0.02), predict(rng.normal(0.8, 0.02, n))).verdict
            for _ in range(1000)
        ]
        assert np.mean([v == Verdict.CONSISTENT for v in said]) == pytest.approx(0.95, abs=0.025)


def test_the_words_are_those_of_the_contract_and_go_into_tables_as_they_are():
    words = {"confirmed", "contradicted", "depends", "consistent", "differs", "negligible"}
    words |= {"inconclusive", "answered", "improved on", "not tested"}
    assert words == {str(v) for v in Verdict}
    assert {str(c) for c in Comparability} == {
        *("same design", "stand-in", "not comparable", "vacuous", "no data")
    }
    file = io.StringIO()
    csv.writer(file).writerow([Verdict.IMPROVED, Comparability.STAND_IN])
    assert file.getvalue() == "improved on,stand-in\r\n"


def test_every_margin_has_a_size_and_a_reason():
    for margin in MARGINS.values():
        assert 0 < margin.size < 1
        assert len(margin.reason) > 30
    assert MARGINS["accuracy"].size == 0.05
    assert MARGINS["iou_area"].size == 0.01
