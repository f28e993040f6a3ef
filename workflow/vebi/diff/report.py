"""What a comparison found, free of how it is shown."""

import math
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

# A table of a million changed rows must not make a report of a million lines; counts stay exact.
MOST_FINDINGS = 50


class Outcome(StrEnum):
    """What is said about one file."""

    ALIKE = "alike"
    LISTED = "listed"
    DIFFERENT = "different"
    FAILED = "could not compare"


@dataclass
class Finding:
    """One thing that is not the same in A and B.

    `what` is its kind (value, row, column, array, attribute, image, …), `column` the column of a
    table or the data set of an HDF5 file, `where` the row's key or the array's index.

    `excess` is the difference divided by what the tolerance allows (infinite where nothing is
    allowed), `relative` the difference divided by the larger of the two numbers: what findings are
    sorted by. `mode` is `counted` (a difference), `follows` (counted only while every table's
    numbers are the same) or `listed` (told, but no difference).
    """

    what: str
    where: str
    column: str = ""
    a: str = ""
    b: str = ""
    difference: float | None = None
    allowed: str = "exact"
    excess: float = math.inf
    relative: float = math.inf
    mode: str = "counted"

    def order(self) -> tuple[Any, ...]:
        """Sort key: the largest differences first, then by name for a stable order."""
        return (self.mode == "listed", -self.excess, -self.relative, self.where, self.column)


@dataclass
class Pictures:
    """PNG bytes of a figure that changed: both sides and where they differ (None: other size)."""

    a: bytes
    b: bytes
    change: bytes | None


@dataclass
class FileResult:
    """The comparison of one file that both sides have.

    `compared` counts cells, array elements or pixels; `moved` those that are not exactly the same,
    within tolerance or not; `counts` the differences by column and mode. Of those, `findings` has the
    largest of each column. `keys` are the key columns that the rows were matched by.
    """

    name: str
    kind: str
    compared: int = 0
    moved: int = 0
    keys: list[str] = field(default_factory=list)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    rows_only_a: int = 0
    rows_only_b: int = 0
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    pictures: Pictures | None = None

    def add(self, finding: Finding, count: int = 1) -> None:
        """Record a finding that stands for `count` differences."""
        self.count(finding.column, finding.mode, count)
        self.findings.append(finding)

    def count(self, column: str, mode: str, count: int) -> None:
        """Count differences of a column."""
        self.counts[column, mode] = self.counts.get((column, mode), 0) + count

    @property
    def different(self) -> int:
        """Number of differences that count."""
        return sum(count for (_, mode), count in self.counts.items() if mode == "counted")

    @property
    def listed(self) -> int:
        """Number of differences that are reported but don't count."""
        return sum(count for (_, mode), count in self.counts.items() if mode == "listed")

    @property
    def outcome(self) -> Outcome:
        """The file's verdict."""
        if self.error is not None:
            return Outcome.FAILED
        if self.different:
            return Outcome.DIFFERENT
        return Outcome.LISTED if self.listed else Outcome.ALIKE

    def settle(self, follow: bool, strict: bool) -> None:
        """Decide the open modes: `follow` lets what follows from moved numbers pass as listed."""
        becomes = {"counted": "counted", "listed": "listed"}
        becomes["follows"] = "listed" if follow else "counted"
        if strict:
            becomes = dict.fromkeys(becomes, "counted")
        for finding in self.findings:
            finding.mode = becomes[finding.mode]
        counts, self.counts = self.counts, {}
        for (column, mode), count in counts.items():
            self.count(column, becomes[mode], count)
        self.findings.sort(key=Finding.order)

    def groups(self) -> "list[Group]":
        """The findings of each column and mode together, the largest first."""
        found: dict[tuple[str, str], Group] = {}
        for finding in self.findings:
            key = (finding.column, finding.mode)
            group = found.setdefault(key, Group(self, *key, self.counts[key], []))
            group.findings.append(finding)
        return list(found.values())


@dataclass
class Group:
    """The differences of one column of a file: how many, and the largest of them."""

    result: FileResult
    column: str
    mode: str
    count: int
    findings: list[Finding]


@dataclass
class Verdict:
    """A claim whose verdict is not the same on both sides."""

    claim: str
    statement: str
    a: str
    b: str


@dataclass
class Change:
    """One changed entry of the manifests: `section` is config, versions, seeds, machine, …"""

    section: str
    entry: str
    a: str
    b: str


@dataclass
class Report:
    """Everything that `vebi diff A B` knows."""

    a: str
    b: str
    files: list[FileResult] = field(default_factory=list)
    only_a: list[str] = field(default_factory=list)
    only_b: list[str] = field(default_factory=list)
    missing_tables: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    provenance: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    strict: bool = False

    def settle(self) -> None:
        """Give every finding its final mode and sort; called once, when all files are compared.

        Figures, heatmaps and the like are functions of numbers that the tables show. While every
        table is the same, a change in them is a difference. Once tables moved within tolerance (another
        processor, say) such a change is what one expects, and is listed.
        """
        follow = any(result.moved for result in self.files if result.kind == "table")
        for result in self.files:
            result.settle(follow and not self.strict, self.strict)

    @property
    def failed(self) -> list[FileResult]:
        """Files that could not be compared."""
        return [result for result in self.files if result.outcome is Outcome.FAILED]

    @property
    def missing(self) -> int:
        """Number of files on one side only that count as differences."""
        if self.strict:
            return len(self.only_a) + len(self.only_b)
        return len(self.missing_tables)

    @property
    def exit_code(self) -> int:
        """0 alike, 1 different, 2 something could not be compared."""
        if self.failed:
            return 2
        return 1 if self.missing or any(result.different for result in self.files) else 0

    def groups(self) -> list[Group]:
        """Differences by file and column, the largest first, tables before other files."""
        rank = {"table": 0, "json": 1, "image": 2}
        groups = [group for result in self.files for group in result.groups()]
        groups.sort(
            key=lambda group: (
                group.mode == "listed",
                rank.get(group.result.kind, 3),
                group.findings[0].order(),
                group.result.name,
            )
        )
        return groups

    def sentence(self) -> str:
        """The result in one line."""
        if self.failed:
            return f"Could not compare {_count(len(self.failed), 'file')}."
        if self.exit_code == 0:
            count = len(self.files)
            return f"Alike: {_count(count, 'file')} compared, no difference beyond tolerance."
        parts = []
        bad = [result for result in self.files if result.outcome is Outcome.DIFFERENT]
        if bad:
            values = sum(result.different for result in bad)
            parts.append(f"{_count(values, 'difference')} in {_count(len(bad), 'file')}")
        if self.missing:
            noun = "file" if self.strict else "table"
            parts.append(f"{_count(self.missing, noun)} on one side only")
        return f"Different: {', '.join(parts)}."

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`. An infinite excess (nothing was allowed) becomes null."""
        files = []
        for result in self.files:
            entry = {
                key: value
                for key, value in asdict(result).items()
                if key not in ("pictures", "counts", "findings")
            }
            entry |= {
                "outcome": str(result.outcome),
                "different": result.different,
                "listed": result.listed,
                "findings": [_finite(asdict(finding)) for finding in result.findings],
            }
            files.append(entry)
        return {
            "format": 1,
            "a": self.a,
            "b": self.b,
            "strict": self.strict,
            "exit_code": self.exit_code,
            "result": self.sentence(),
            "files": files,
            "only_in_a": self.only_a,
            "only_in_b": self.only_b,
            "missing_tables": self.missing_tables,
            "changed_verdicts": [asdict(verdict) for verdict in self.verdicts],
            "changed_provenance": [asdict(change) for change in self.provenance],
            "notes": self.notes,
        }


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }
