"""The words of the claims, each by one rule from an estimate, an effect over cells, or a prediction.

`Verdict` says what was found, `Comparability` how like the published experiment ours is: two
questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from vebi.io.errors import VebiError
from vebi.statistics.estimate import Estimate
from vebi.statistics.families import holm
from vebi.statistics.orderings import WIDEST, judge_difference
from vebi.statistics.pooled import Interaction, Pooled
from vebi.statistics.values import Prediction

ALPHA = 0.05


class Verdict(StrEnum):
    """What our numbers say of a claim."""

    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
    DEPENDS = "depends"
    NEGLIGIBLE = "negligible"
    CONSISTENT = "consistent"
    DIFFERS = "differs"
    INCONCLUSIVE = "inconclusive"
    IMPROVED = "improved on"
    ANSWERED = "answered"
    NOT_TESTED = "not tested"


class Comparability(StrEnum):
    """How like the published experiment ours is.

    Same design: the data, network and procedure that the work describes. Stand-in: something
    smaller or different in place of something unavailable. Not comparable: a different quantity.
    Vacuous: the experiment could not have come out otherwise, as with two dead networks. No data:
    nothing was run.
    """

    SAME_DESIGN = "same design"
    STAND_IN = "stand-in"
    NOT_COMPARABLE = "not comparable"
    VACUOUS = "vacuous"
    NO_DATA = "no data"


@dataclass(frozen=True)
class Judgement:
    """A verdict and what belongs to it in `claims.csv`.

    Args:
        verdict: the word.
        problem: why nothing was decided ("one network", "holds zero", "too wide", ...), or what a
            reader must know to judge the word; "" for nothing.
        factor: on what an effect depends; "" for none.
        margin: below what size a difference is negligible; NaN where the rule has none.
        interaction: the difference between levels of `factor` with its interval.
        p_value: of the test that decided, corrected for its family; NaN where none did.
    """

    verdict: Verdict
    problem: str = ""
    factor: str = ""
    margin: float = float("nan")
    interaction: Interaction | None = None
    p_value: float = float("nan")


def judge_ordering(
    found: Pooled | None,
    margin: float,
    p_value: float | None = None,
    p_negligible: float | None = None,
) -> Judgement:
    """Whether an effect lies above zero, as claimed: in this order,

    1. depends: some factor changes the effect (its interaction's p below 0.05, Holm over factors),
       and the levels of that factor do not all have the same verdict;
    2. negligible: the effect over cells is inside the margin (two one-sided tests, p below 0.05),
       whatever its sign;
    3. confirmed or contradicted: the effect over cells is above or below zero (p below 0.05,
       two-sided);
    4. inconclusive.

    So a claim that every cell bears out, more or less strongly, is confirmed, and one cell without
    a decision does not undo it: cells are shown, the effect over them and its heterogeneity decide.

    Args:
        found: from `pool`; None where there are no numbers: not tested.
        margin: differences below it do not matter, see `MARGINS`; 0 for none.
        p_value: of `found.effect`, corrected for its family; uncorrected if not given.
        p_negligible: likewise of `found.effect.p_negligible(margin)`.
    """
    if found is None:
        return Judgement(Verdict.NOT_TESTED, "no data", margin=margin)
    dependent = _depends(found, margin)
    if dependent is not None:
        return dependent
    return _judge_effect(found.effect, margin, p_value, p_negligible)


def judge_orderings(found: Sequence[Pooled | None], margins: Sequence[float]) -> list[Judgement]:
    """`judge_ordering` of a family of claims (of one section), p-values corrected by Holm's rule."""
    if len(found) != len(margins):
        raise VebiError(
            f"There are {len(found)} claims and {len(margins)} margins; give one for each."
        )
    nan = float("nan")
    p = holm([nan if f is None else float(f.effect.p_value()) for f in found])
    small = holm(
        [
            nan if f is None or not m else float(f.effect.p_negligible(m))
            for f, m in zip(found, margins, strict=True)
        ]
    )
    return [
        judge_ordering(f, m, float(a), float(b))
        for f, m, a, b in zip(found, margins, p, small, strict=True)
    ]


def judge_interval(low: float, high: float) -> Judgement:
    """The verdict on an ordering where a table has only both ends of a 95 % interval.

    Confirmed above zero, contradicted below, else inconclusive. For one finding by itself: no correction
    for a family, no margin.
    """
    if not low <= high:
        return Judgement(Verdict.INCONCLUSIVE, "no interval")
    return {
        "holds": Judgement(Verdict.CONFIRMED),
        "reversed": Judgement(Verdict.CONTRADICTED, "below zero"),
        "undecided": Judgement(Verdict.INCONCLUSIVE, "holds zero"),
    }[judge_difference(low, high)]


def judge_absence(
    effect: Estimate | None, margin: float, p_negligible: float | None = None
) -> Judgement:
    """Whether there is no difference, as claimed.

    Confirmed where the effect is shown to be inside the margin, contradicted where its 95 %
    interval lies outside, else inconclusive: a test that finds nothing is no evidence that there is
    nothing.

    Args:
        effect: None where there are no numbers.
        margin: above zero, see `MARGINS`.
        p_negligible: of `effect.p_negligible(margin)`, corrected for its family; uncorrected if not
            given.
    """
    if not margin > 0:
        raise VebiError(
            f"The margin of a claim of no difference is {margin}; it must be above zero."
        )
    if effect is None:
        return Judgement(Verdict.NOT_TESTED, "no data", margin=margin)
    if effect.problem:
        return Judgement(Verdict.INCONCLUSIVE, effect.problem, margin=margin)
    p = float(effect.p_negligible(margin)) if p_negligible is None else p_negligible
    if p < ALPHA:
        return Judgement(Verdict.CONFIRMED, margin=margin, p_value=p)
    if effect.low >= margin or effect.high <= -margin:
        return Judgement(Verdict.CONTRADICTED, margin=margin)
    return Judgement(Verdict.INCONCLUSIVE, "reaches beyond the margin", margin=margin, p_value=p)


def judge_value(
    published: float,
    found: Prediction | None,
    rounding: float = 0.0,
    scale: float | None = None,
) -> Judgement:
    """Whether a printed number could be one more network of ours.

    Differs where the number, give or take its rounding, lies outside the prediction interval,
    however wide that is. Inside, it is consistent, unless the interval is wider than half of
    `scale`: inconclusive.

    Args:
        published: the printed number.
        found: from `predict`; None where there are no numbers.
        rounding: half a unit of its last printed digit.
        scale: what the width is compared with; the printed number itself if not given. For an
            accuracy near 1, its distance to what chance gives says more.
    """
    if found is None:
        return Judgement(Verdict.NOT_TESTED, "no data")
    if found.problem:
        return Judgement(Verdict.INCONCLUSIVE, found.problem)
    if published + rounding < found.low:
        return Judgement(Verdict.DIFFERS, "ours is larger")
    if published - rounding > found.high:
        return Judgement(Verdict.DIFFERS, "ours is smaller")
    if found.relative_width(published if scale is None else scale) > WIDEST:
        return Judgement(Verdict.INCONCLUSIVE, "too wide")
    return Judgement(Verdict.CONSISTENT)


def _judge_effect(
    effect: Estimate, margin: float, p_value: float | None, p_negligible: float | None
) -> Judgement:
    if effect.problem:
        return Judgement(Verdict.INCONCLUSIVE, effect.problem, margin=margin)
    p = float(effect.p_value()) if p_value is None else p_value
    small = float(effect.p_negligible(margin)) if p_negligible is None else p_negligible
    if margin and small < ALPHA:
        sign = "" if p >= ALPHA else "above zero" if effect.value > 0 else "below zero"
        return Judgement(Verdict.NEGLIGIBLE, sign, margin=margin, p_value=small)
    if p < ALPHA:
        above = effect.value > 0
        return Judgement(
            Verdict.CONFIRMED if above else Verdict.CONTRADICTED,
            "" if above else "below zero",
            margin=margin,
            p_value=p,
        )
    return Judgement(Verdict.INCONCLUSIVE, "holds zero", margin=margin, p_value=p)


def _depends(found: Pooled, margin: float) -> Judgement | None:
    """The verdict `depends` with its factor; None where no factor is shown to change the verdict."""
    interactions = list(found.interactions.values())
    p = holm([one.p_value for one in interactions])
    changing = [
        (float(value), one)
        for value, one in zip(p, interactions, strict=True)
        if value < ALPHA and not _are_alike(list(found.levels[one.factor].values()), margin)
    ]
    if not changing:
        return None
    smallest = min(value for value, _ in changing)
    first = next(one for value, one in changing if value == smallest)
    # Factors that change together can't be told apart: their differences are the same cells'.
    factors = [
        one.factor
        for value, one in changing
        if value - smallest < 1e-9 and _size(one) == _size(first)
    ]
    return Judgement(
        Verdict.DEPENDS,
        "" if first.matched else "other factors change with it",
        factor=" or ".join(factors),
        margin=margin,
        interaction=first,
        p_value=smallest,
    )


def _are_alike(levels: Sequence[Estimate], margin: float) -> bool:
    """Whether all levels have one and the same verdict, other than inconclusive."""
    p = holm([float(level.p_value()) for level in levels])
    words = {
        _judge_effect(level, margin, float(value), None).verdict
        for level, value in zip(levels, p, strict=True)
    }
    return len(words) == 1 and Verdict.INCONCLUSIVE not in words


def _size(one: Interaction) -> float:
    return round(abs(float(one.difference.value)), 9)
