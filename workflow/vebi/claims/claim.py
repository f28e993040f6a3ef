"""What a claim is, and the rules that turn our numbers into a verdict.

The rules are few and the same for every claim of a kind, so that none can be made to fit a number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from vebi.statistics import judge_difference, judge_published

if TYPE_CHECKING:
    from vebi.claims.run import Run

REPRODUCED, NOT_REPRODUCED, NOT_TESTED = "reproduced", "not reproduced", "not tested"


@dataclass(frozen=True)
class Part:
    """One of our numbers with its 95 % interval: of `label`, a data set, network or setting.

    The ends are NaN where nothing says how far the number may be off (one network alone). `verdict`: what
    the table says of it, for the rule that takes it from there.
    """

    label: str
    value: float
    low: float
    high: float
    verdict: str = ""

    @property
    def has_interval(self) -> bool:
        return self.low <= self.high


@dataclass(frozen=True)
class Source:
    """Tables of the run by name, and which of their rows, in words."""

    tables: tuple[str, ...]
    rows: str

    @property
    def words(self) -> str:
        return f"{' and '.join(f'{name}.csv' for name in self.tables)}: {self.rows}"


@dataclass(frozen=True)
class Found:
    """What a run has on a claim.

    Args:
        parts: its numbers.
        sources: where they are from.
        note: what else to know.
        networks: how many trained networks the numbers are of.
        reduced: the network that stands for a larger one, or for one on other data; "" for one of the
            work's own size and data.
        conclusion: the word that the table itself comes to; "" where it has none.
    """

    parts: tuple[Part, ...]
    sources: tuple[Source, ...]
    note: str = ""
    networks: int = 0
    reduced: str = ""
    conclusion: str = ""

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of all tables that the numbers are from, each once."""
        return tuple(dict.fromkeys(name for source in self.sources for name in source.tables))

    @property
    def remarks(self) -> str:
        """What to know beside the numbers, in words."""
        conclusion = f"verdict: {self.conclusion}" if self.conclusion else ""
        facts = (describe_reduced(self.reduced), conclusion)
        return _join("; ".join(fact for fact in facts if fact), self.note)


class Judged(NamedTuple):
    """The verdict on a claim, the note beside it, and, if not reproduced, why: some of PROBLEMS."""

    verdict: str
    note: str
    problem: str = ""


def describe_reduced(network: str) -> str:
    """What is said of a number of a reduced `network`; "" for none."""
    return f"reduced: {network}" if network else ""


@dataclass(frozen=True)
class Rule:
    """When a claim counts as reproduced, in words and as code; `problem` says why it does not.

    `holds` gets the claim and its parts, each with an interval; `problem` gets one part, and returns ""
    for one that is as claimed.
    """

    words: str
    holds: Callable[[Claim, Sequence[Part]], bool]
    problem: Callable[[Claim, Part], str]


@dataclass(frozen=True)
class Claim:
    """A sentence of a work that a run can confirm or not.

    Args:
        claim_id: unique; the first part is the work.
        place: section, figure or table; claims of one place stand together.
        published: the printed number; None for an ordering without one.
        rounding: half a unit of its last printed digit.
        decimals: digits after the point that our number is shown with.
        measure: finds our numbers in a run's tables; None where they have none.
        needs: what to run where they have none.
    """

    claim_id: str
    source: str
    place: str
    statement: str
    published: float | None
    rule: Rule
    measure: Callable[[Run], Found | None]
    needs: str
    rounding: float = 0.0
    decimals: int = 3


# Why a claim may be "not reproduced".
REVERSED, UNDECIDED, LARGER, SMALLER = "reversed", "undecided", "ours is larger", "ours is smaller"
OTHERWISE = "mcgill_verdict.csv says otherwise"
PROBLEMS = (REVERSED, UNDECIDED, LARGER, SMALLER, OTHERWISE)


def _is_above_zero(claim: Claim, part: Part) -> str:
    word = judge_difference(part.low, part.high)
    return "" if word == "holds" else word


def _holds_published(claim: Claim, part: Part) -> str:
    assert claim.published is not None
    word = judge_published(claim.published, part.low, part.high, claim.rounding)
    return "" if word == "agrees" else word


ORDER = Rule(
    "the 95 % interval of the difference lies above 0, in every data set and network concerned; one that "
    "holds 0 is undecided, and not enough",
    lambda claim, parts: not any(_is_above_zero(claim, part) for part in parts),
    _is_above_zero,
)
VALUE = Rule(
    "the printed number, give or take its rounding, lies in our 95 % interval over networks (three "
    "networks: between the smallest and the largest), in every data set concerned; an interval wider "
    "than half of that number is undecided, and not enough",
    lambda claim, parts: not any(_holds_published(claim, part) for part in parts),
    _holds_published,
)


def judge(claim: Claim, found: Found | None) -> Judged:
    """The verdict on `claim`; not tested where a run has no numbers, or one without an interval."""
    if found is None:
        return Judged(NOT_TESTED, f"needs {claim.needs}")
    if not all(part.has_interval for part in found.parts):
        return Judged(
            NOT_TESTED, _join("no interval: it takes two networks or more", found.remarks)
        )
    note = _join(_describe_parts(claim, found.parts), found.remarks)
    if claim.rule.holds(claim, found.parts):
        return Judged(REPRODUCED, note)
    problems = {claim.rule.problem(claim, part) for part in found.parts}
    return Judged(NOT_REPRODUCED, note, ", ".join(word for word in PROBLEMS if word in problems))


def _describe_parts(claim: Claim, parts: Sequence[Part]) -> str:
    """Every part with its numbers where there are several; else only what is wrong with the one."""
    texts = []
    for part in parts:
        problem = claim.rule.problem(claim, part)
        if len(parts) == 1:
            return problem
        low, value, high = (f"{x:.{claim.decimals}f}" for x in (part.low, part.value, part.high))
        ending = f", {problem}" if problem else ""
        texts.append(f"{part.label} {value} ({low} to {high}){ending}")
    return "; ".join(texts)


def _join(*sentences: str) -> str:
    return ". ".join(sentence for sentence in sentences if sentence)
