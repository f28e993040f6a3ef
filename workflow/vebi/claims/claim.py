"""What a claim is, and what a run has on it. `rules.py` turns the one and the other into a verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from vebi.claims.cells import Numbers, count_networks, to_cells
from vebi.statistics import MARGINS, Cell, Comparability

if TYPE_CHECKING:
    from vebi.claims.rules import Rule
    from vebi.claims.run import Run


@dataclass(frozen=True)
class Source:
    """Tables of the run by name, and which of their rows, in words."""

    tables: tuple[str, ...]
    rows: str

    @property
    def words(self) -> str:
        return f"{' and '.join(f'{name}.csv' for name in self.tables)}: {self.rows}"


@dataclass(frozen=True, eq=False)
class Found:
    """What a run has on a claim.

    Args:
        numbers: effects or values per network, of each experiment.
        sources: where they are from.
        comparability: how like the published experiment ours is.
        note: what else to know.
        reduced: the network that stands for a larger one, or for one on other data; "" for none.
        problem: why the numbers can't be judged; "" where they can.
        answer: the word that the table itself comes to; "" where it has none.
        count: of how many networks, where the numbers are not one per network.
    """

    numbers: tuple[Numbers, ...]
    sources: tuple[Source, ...]
    comparability: Comparability = Comparability.STAND_IN
    note: str = ""
    reduced: str = ""
    problem: str = ""
    answer: str = ""
    count: int = 0

    @cached_property
    def cells(self) -> list[Cell]:
        """The numbers as the statistics take them."""
        return to_cells(self.numbers)

    @property
    def networks(self) -> int:
        """How many trained networks the numbers are of."""
        return self.count or count_networks(self.numbers)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of all tables that the numbers are from, each once."""
        return tuple(dict.fromkeys(name for source in self.sources for name in source.tables))


@dataclass(frozen=True)
class Claim:
    """A sentence of a work that a run can confirm or not.

    Args:
        claim_id: unique; the first part is the work.
        source: the work; "Ours" for what none of them says.
        place: section, figure or table. Claims of one place stand together, and p-values are
            corrected for all that are judged by the same rule there.
        published: the printed number; None for an ordering without one.
        measure: finds our numbers in a run's tables; None where they have none.
        needs: what to run where they have none.
        rounding: half a unit of the printed number's last digit.
        decimals: digits after the point that our number is shown with.
        score: what is measured, a name of MARGINS or of BOUNDS; "" for something without a margin.
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
    score: str = ""

    @property
    def margin(self) -> float:
        """Below what size a difference is negligible; 0 where no margin is written down."""
        return MARGINS[self.score].size if self.score in MARGINS else 0.0


def describe_reduced(network: str) -> str:
    """What is said of a number of a reduced `network`; "" for none."""
    return f"reduced: {network}" if network else ""
