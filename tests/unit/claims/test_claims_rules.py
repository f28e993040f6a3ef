"""Rules: the verdict on a claim from numbers that allow no other."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vebi.claims.cells import Numbers
from vebi.claims.claim import Claim, Found
from vebi.claims.rules import ABSENCE, COST, ORDER, QUESTION, VALUE, Rule, pair_rule
from vebi.claims.tabulate import judge
from vebi.statistics import Comparability, Verdict

NAN = float("nan")


def claim(rule: Rule, name="x", *, published=None, rounding=0.0, score="", place="p") -> Claim:
    return Claim(
        name, "s", place, "w", published, rule, lambda run: None, "more", rounding, 3, score
    )


def spread(mean: float, error: float, n: int = 5) -> pd.Series:
    """Exactly this mean and this standard error of it."""
    one = np.linspace(-1, 1, n)
    return pd.Series(mean + one / one.std(ddof=1) * error * n**0.5)


def found(*numbers: Numbers, **more) -> Found:
    return Found(tuple(numbers), (), **more)


def one(mean: float, error: float, n: int = 5) -> Found:
    return found(Numbers("here", spread(mean, error, n)))


def verdict(rule: Rule, what: Found | None, **about):
    asked = claim(rule, **about)
    return judge([asked], {"x": what})["x"]


@pytest.mark.parametrize(
    ("mean", "error", "score", "word", "problem"),
    [
        (0.10, 0.02, "accuracy", Verdict.CONFIRMED, ""),
        (-0.10, 0.02, "accuracy", Verdict.CONTRADICTED, "below zero"),
        (0.10, 0.06, "accuracy", Verdict.INCONCLUSIVE, "holds zero"),
        (0.01, 0.01, "accuracy", Verdict.NEGLIGIBLE, ""),
        (0.01, 0.01, "iou_area", Verdict.INCONCLUSIVE, "holds zero"),
        (0.01, 0.01, "", Verdict.INCONCLUSIVE, "holds zero"),
        (0.01, 0.001, "", Verdict.CONFIRMED, ""),
    ],
)
def test_an_ordering_is_judged_with_the_margin_of_its_score(mean, error, score, word, problem):
    judged = verdict(ORDER, one(mean, error), score=score)
    assert (judged.judgement.verdict, judged.judgement.problem) == (word, problem)
    t = stats.t.ppf(0.975, 4)
    assert (judged.value, judged.low, judged.high) == pytest.approx(
        (mean, mean - t * error, mean + t * error)
    )


def test_p_values_are_corrected_for_the_claims_of_one_place_and_rule():
    """p = 0.02 alone, two such claims at one place: 0.04; three: 0.06."""
    error = 0.1 / stats.t.ppf(0.99, 4)
    for many, word in ((1, Verdict.CONFIRMED), (2, Verdict.CONFIRMED), (3, Verdict.INCONCLUSIVE)):
        asked = [claim(ORDER, str(k)) for k in range(many)]
        judged = judge(asked, {c.claim_id: one(0.1, error) for c in asked})
        assert {j.judgement.verdict for j in judged.values()} == {word}
        assert judged["0"].judgement.p_value == pytest.approx(0.02 * many)
    assert judged["0"].low > 0
    assert judged["0"].judgement.problem == "p = 0.06 by Holm over the section"
    # Claims of another place, by another rule, without data or without a test are no family.
    others = [
        claim(ORDER, "0"),
        claim(ORDER, "1", place="q"),
        claim(ABSENCE, "2", score="accuracy"),
        claim(ORDER, "3"),
        claim(ORDER, "4"),
    ]
    there = {str(k): one(0.1, error) for k in range(3)}
    judged = judge(others, {**there, "3": None, "4": found(problem="censored")})
    assert judged["0"].judgement.p_value == pytest.approx(0.02)
    assert judged["1"].judgement.p_value == pytest.approx(0.02)


def test_what_can_t_be_judged_says_why():
    missing, censored = verdict(ORDER, None), verdict(ORDER, found(problem="never falls"))
    assert (missing.judgement.verdict, missing.judgement.problem) == (
        Verdict.NOT_TESTED,
        "no data",
    )
    assert (censored.judgement.verdict, censored.judgement.problem) == (
        Verdict.NOT_TESTED,
        "never falls",
    )
    assert np.isnan([missing.value, censored.value]).all()
    alone = verdict(ORDER, found(Numbers("here", pd.Series([0.1]))))
    assert (alone.judgement.verdict, alone.judgement.problem) == (
        Verdict.INCONCLUSIVE,
        "one network",
    )


@pytest.mark.parametrize(
    ("mean", "error", "word", "problem"),
    [
        (0.00, 0.01, Verdict.CONFIRMED, ""),
        (0.10, 0.01, Verdict.CONTRADICTED, ""),
        (-0.10, 0.01, Verdict.CONTRADICTED, ""),
        (0.04, 0.01, Verdict.INCONCLUSIVE, "reaches beyond the margin"),
        (0.00, 0.10, Verdict.INCONCLUSIVE, "reaches beyond the margin"),
    ],
)
def test_no_difference_must_be_shown(mean, error, word, problem):
    judged = verdict(ABSENCE, one(mean, error), score="accuracy")
    assert (judged.judgement.verdict, judged.judgement.problem) == (word, problem)


def test_absences_are_corrected_for_their_family_too():
    """One-sided p = 0.03 that the effect is beyond the margin of 0.05: alone confirmed, of two not."""
    error = 0.05 / stats.t.ppf(0.97, 4)
    for many, word in ((1, Verdict.CONFIRMED), (2, Verdict.INCONCLUSIVE)):
        asked = [claim(ABSENCE, str(k), score="accuracy") for k in range(many)]
        judged = judge(asked, {c.claim_id: one(0.0, error) for c in asked})
        assert {j.judgement.verdict for j in judged.values()} == {word}


@pytest.mark.parametrize(
    ("mean", "deviation", "word", "problem"),
    [
        (0.22, 0.01, Verdict.CONSISTENT, ""),
        (0.30, 0.01, Verdict.DIFFERS, "ours is larger"),
        (0.14, 0.01, Verdict.DIFFERS, "ours is smaller"),
        (0.30, 0.05, Verdict.INCONCLUSIVE, "too wide"),
    ],
)
def test_a_printed_number_must_be_one_more_network(mean, deviation, word, problem):
    judged = verdict(
        VALUE, one(mean, deviation / 5**0.5), published=0.22, rounding=0.005, score="iou_area"
    )
    assert (judged.judgement.verdict, judged.judgement.problem) == (word, problem)
    width = stats.t.ppf(0.975, 4) * deviation * (1 + 1 / 5) ** 0.5
    assert (judged.low, judged.high) == pytest.approx((mean - width, mean + width))


def test_the_rounding_of_the_printed_number_counts():
    """The interval starts at 0.2249: 0.22 may stand for 0.225, 0.220 may not."""
    low = 0.2249
    deviation = 0.02 / (stats.t.ppf(0.975, 4) * (1 + 1 / 5) ** 0.5)
    numbers = one(low + 0.02, deviation / 5**0.5)
    about = {"published": 0.22, "score": "iou_area"}
    assert verdict(VALUE, numbers, rounding=0.005, **about).judgement.verdict == Verdict.CONSISTENT
    assert verdict(VALUE, numbers, rounding=0.0005, **about).judgement.verdict == Verdict.DIFFERS


def test_more_networks_do_not_rule_out_a_perfect_replication():
    """One more network of the same kind is inside in 95 of 100, of any number of ours."""
    rng = np.random.default_rng(1)
    for n in (3, 30):
        words = []
        for _ in range(400):
            values = found(Numbers("here", pd.Series(rng.normal(1, 0.02, n))))
            words.append(verdict(VALUE, values, published=rng.normal(1, 0.02)).judgement.verdict)
        assert 0.92 < words.count(Verdict.CONSISTENT) / len(words) < 0.98


def test_ends_of_an_accuracy_stay_inside_its_bounds():
    numbers = one(0.99, 0.02)
    inside = verdict(VALUE, numbers, published=0.98, score="accuracy")
    assert (inside.high, verdict(VALUE, numbers, published=0.98).high > 1) == (1.0, True)
    count = verdict(VALUE, one(5, 5), published=9, score="count")
    assert count.low == 0.0


PAIR = pair_rule(101)


def counted(*pairs: tuple[float, float]) -> Found:
    return found(
        *(
            Numbers(f"set {k} {side}", spread(mean, 1.0))
            for k, pair in enumerate(pairs)
            for side, mean in enumerate(pair)
        )
    )


@pytest.mark.parametrize(
    ("pairs", "word"),
    [
        ([(92, 101)], Verdict.CONSISTENT),
        ([(10, 11), (93, 100)], Verdict.CONSISTENT),
        ([(92, 11)], Verdict.DIFFERS),
        ([(92, 11), (10, 101)], Verdict.DIFFERS),  # each number somewhere, the pair nowhere
        ([(10, 11)], Verdict.DIFFERS),
    ],
)
def test_a_pair_must_be_found_on_one_data_set(pairs, word):
    assert verdict(PAIR, counted(*pairs), published=92).judgement.verdict == word


def test_a_pair_of_which_nothing_is_known_well_is_open():
    wide = found(Numbers("a", spread(92, 20.0)), Numbers("b", spread(101, 1.0)))
    judged = verdict(PAIR, wide, published=92)
    assert (judged.judgement.verdict, judged.judgement.problem) == (
        Verdict.INCONCLUSIVE,
        "too wide",
    )
    assert judged.value == pytest.approx(92)


@pytest.mark.parametrize(("most", "word"), [(49, Verdict.IMPROVED), (50, Verdict.CONSISTENT)])
def test_a_cost_is_that_of_the_dearest_network(most, word):
    judged = verdict(COST, found(Numbers("a", pd.Series([1.0, most, 2.0]))), published=50)
    assert (judged.judgement.verdict, judged.value) == (word, most)


def test_a_question_has_the_answer_of_its_table():
    judged = verdict(QUESTION, found(Numbers("a", spread(0.2, 0.1)), answer="gradual"))
    assert (judged.judgement.verdict, judged.judgement.problem) == (Verdict.ANSWERED, "gradual")
    assert judged.value == pytest.approx(0.2)


def test_an_effect_that_turns_round_with_a_factor_depends_on_it():
    numbers = [
        Numbers(f"{d} {n}", spread(mean, 0.01), {"data set": d, "network": n}, n)
        for (d, n), mean in zip(
            [(d, n) for d in "ab" for n in ("strided", "inferred")],
            (0.1, 0.0, 0.12, 0.001),
            strict=True,
        )
    ]
    judged = verdict(ORDER, found(*numbers), score="iou_area")
    assert (judged.judgement.verdict, judged.judgement.factor) == (Verdict.DEPENDS, "network")
    assert judged.judgement.interaction.levels == ("inferred", "strided")
    assert judged.judgement.interaction.difference.value == pytest.approx(0.0005 - 0.11)
    assert judged.value == pytest.approx(0.05525)
    # The same without naming the factor is an average of unlike things.
    unnamed = [Numbers(n.label, n.values, {}, n.networks) for n in numbers]
    assert verdict(ORDER, found(*unnamed), score="iou_area").judgement.verdict == Verdict.CONFIRMED


def test_found_counts_its_networks_and_names_its_tables_once():
    from vebi.claims.claim import Source

    sources = (Source(("a", "b"), "x against y"), Source(("b",), "z"))
    numbers = (
        Numbers("a", pd.Series([1.0, 2.0]), {}, "n"),
        Numbers("b", pd.Series([1.0]), {}, "n"),
    )
    several = Found(numbers, sources)
    assert [source.words for source in sources] == ["a.csv and b.csv: x against y", "b.csv: z"]
    assert (several.tables, several.networks) == (("a", "b"), 2)
    assert Found(numbers, sources, count=7).networks == 7
    assert several.comparability == Comparability.STAND_IN
