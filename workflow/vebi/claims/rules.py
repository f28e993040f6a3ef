"""The rules of the verdicts: few, and the same for every claim of a kind.

So none can be made to fit a number. What the words mean, why, and how often they err is in
docs/statistics.md; the tests behind them are in `vebi.statistics`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vebi.claims.claim import Claim, Found
from vebi.statistics import (
    Judgement,
    Pooled,
    Verdict,
    holm,
    judge_absence,
    judge_orderings,
    judge_value,
    pool,
    predict,
)

NAN = float("nan")
# Smallest and largest possible value of a score: ends of prediction intervals are cut there.
BOUNDS = {"accuracy": (0.0, 1.0), "iou_area": (0.0, 1.0), "count": (0.0, float("inf"))}


@dataclass(frozen=True, eq=False)
class Judged:
    """A verdict with our number, its 95 % interval, and the experiments that it is of."""

    judgement: Judgement
    value: float = NAN
    low: float = NAN
    high: float = NAN
    pooled: Pooled | None = None


Family = Sequence[tuple[Claim, Found]]


@dataclass(frozen=True)
class Rule:
    """How claims of a kind are judged, in words and as code.

    `judge` gets all claims of one place with what was found, and returns a verdict for each: p-values
    are corrected for the number of them.
    """

    name: str
    words: str
    judge: Callable[[Family], list[Judged]]


def _with_effect(judgement: Judgement, pooled: Pooled) -> Judged:
    effect = pooled.effect
    return Judged(judgement, float(effect.value), float(effect.low), float(effect.high), pooled)


def _judge_orders(family: Family) -> list[Judged]:
    found = [pool(one.cells) for _, one in family]
    judgements = judge_orderings(found, [claim.margin for claim, _ in family])
    return [
        _with_effect(_name_correction(said, one), one)
        for said, one in zip(judgements, found, strict=True)
    ]


def _name_correction(said: Judgement, found: Pooled) -> Judgement:
    """Say so where only the interval, which is not corrected for the family, leaves zero out."""
    effect = found.effect
    decided = effect.problem == "" and (effect.low > 0 or effect.high < 0)
    if said.verdict == Verdict.INCONCLUSIVE and decided:
        return replace(said, problem=f"p = {said.p_value:.2f} by Holm over the section")
    return said


def _judge_absences(family: Family) -> list[Judged]:
    found = [pool(one.cells) for _, one in family]
    margins = [claim.margin for claim, _ in family]
    p = holm(
        [
            NAN if one.effect.problem else float(one.effect.p_negligible(margin))
            for one, margin in zip(found, margins, strict=True)
        ]
    )
    judgements = [
        judge_absence(one.effect, margin, float(value))
        for one, margin, value in zip(found, margins, p, strict=True)
    ]
    return [_with_effect(*pair) for pair in zip(judgements, found, strict=True)]


def _judge_values(family: Family) -> list[Judged]:
    return [_judge_number(claim, found, claim.published, 0) for claim, found in family]


def _judge_number(claim: Claim, found: Found, published: float | None, cell: int) -> Judged:
    """Judge the printed number by the networks of one experiment."""
    assert published is not None
    predicted = predict(found.cells[cell].values, bounds=BOUNDS.get(claim.score))
    judgement = judge_value(published, predicted, claim.rounding)
    return Judged(judgement, predicted.value, predicted.low, predicted.high)


def pair_rule(other: float) -> Rule:
    """The rule of a pair of printed numbers of one data set, which of several is not said."""

    def judge(family: Family) -> list[Judged]:
        return [_judge_pair(claim, found, other) for claim, found in family]

    words = (
        "each number of the pair by the rule for printed numbers, on one of these data sets: the work "
        "does not say which. Consistent if both are, on any; differs if on each at least one does"
    )
    return Rule("pair of numbers", words, judge)


def _judge_pair(claim: Claim, found: Found, other: float) -> Judged:
    """`found` has two experiments for each data set, in the order of the pair."""
    pairs = [
        [_judge_number(claim, found, claim.published, k), _judge_number(claim, found, other, k + 1)]
        for k in range(0, len(found.cells), 2)
    ]
    words = [[one.judgement.verdict for one in pair] for pair in pairs]
    for pair, said in zip(pairs, words, strict=True):
        if set(said) == {Verdict.CONSISTENT}:
            return pair[0]
    if all(Verdict.DIFFERS in said for said in words):
        judged = pairs[0][words[0].index(Verdict.DIFFERS)]
    else:
        judged = next(one for pair in pairs for one in pair if _is_open(one))
    return replace(pairs[0][0], judgement=judged.judgement)


def _is_open(judged: Judged) -> bool:
    return judged.judgement.verdict == Verdict.INCONCLUSIVE


def _judge_costs(family: Family) -> list[Judged]:
    judged = []
    for claim, found in family:
        assert claim.published is not None
        largest = max(float(np.nanmax(cell.values)) for cell in found.cells)
        less = largest < claim.published
        verdict = Verdict.IMPROVED if less else Verdict.CONSISTENT
        judged.append(Judged(Judgement(verdict), largest))
    return judged


def _judge_questions(family: Family) -> list[Judged]:
    judged = []
    for _, found in family:
        effect = pool(found.cells).effect
        word = Verdict.ANSWERED if found.answer else Verdict.INCONCLUSIVE
        answer = Judgement(word, found.answer)
        judged.append(Judged(answer, float(effect.value), float(effect.low), float(effect.high)))
    return judged


ORDER = Rule(
    "ordering",
    "the mean difference over the experiments, with its 95 % interval over networks (and scenes, where "
    "there are any) and p-values by Holm over the claims of the section. Depends: a factor changes the "
    "difference, and its levels have not all one verdict; negligible: shown to be inside the margin; "
    "confirmed above 0, contradicted below 0; else inconclusive",
    _judge_orders,
)
ABSENCE = Rule(
    "no difference",
    "the mean difference over the experiments against the margin. Confirmed: shown to be inside it by "
    "two one-sided tests, by Holm over the claims of the section; contradicted: its 95 % interval lies "
    "outside; else inconclusive",
    _judge_absences,
)
VALUE = Rule(
    "printed number",
    "the interval that holds one more network of ours with 95 %. Differs: the printed number, give or "
    "take its rounding, lies outside; consistent: inside; inconclusive where the interval is wider than "
    "half of that number",
    _judge_values,
)
COST = Rule(
    "cost",
    "the largest of any network. Improved on: less than what is printed; consistent: as much or more",
    _judge_costs,
)
QUESTION = Rule(
    "question",
    "answered by a network of the work's own size; the answer is the word of the table, with the "
    "difference that it rests on",
    _judge_questions,
)
