"""A report for a terminal."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vebi.diff.report import FileResult, Finding, Group, Outcome, Report
from vebi.diff.tolerances import ROWS

MOST_FILES = 40
MOST_LINES = 20
MOST_GROUPS = 12
MOST_EXAMPLES = 3
STYLES = {
    Outcome.ALIKE: "green",
    Outcome.LISTED: "yellow",
    Outcome.DIFFERENT: "red",
    Outcome.FAILED: "bold red",
}


def plain(text: object, width: int = 160) -> str:
    """Text that is safe to print: control characters and stray bytes are written out."""
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)
    )
    shown = shown.encode("utf-8", "backslashreplace").decode("utf-8")
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def times_allowed(finding: Finding) -> str:
    """How far beyond the tolerance: `3.2 ×`; the plain difference where nothing was allowed."""
    if finding.excess == float("inf"):
        return "" if finding.difference is None else f"by {finding.difference:.3g}"
    return f"{finding.excess:.3g} ×" if finding.excess < 999.5 else f"{finding.excess:,.0f} ×"


def tally(result: FileResult) -> str:
    """How many of the compared values differ: `3 of 168`."""
    count = result.different or result.listed
    if not count:
        return ""
    return f"{count:,} of {result.compared:,}" if result.compared >= count else f"{count:,}"


def heading(group: Group) -> str:
    """What a group of differences is about."""
    return "rows on one side" if group.column == ROWS else group.column


def detail(result: FileResult) -> str:
    """What else there is to say about a file."""
    parts = []
    for side, count in (("A", result.rows_only_a), ("B", result.rows_only_b)):
        if count:
            parts.append(f"{count:,} {'row' if count == 1 else 'rows'} only in {side}")
    if result.moved and not result.different and not result.listed and not result.error:
        parts.append(f"{result.moved:,} moved within tolerance")
    # How the rows were matched matters to none who finds no difference.
    if result.outcome is not Outcome.ALIKE:
        parts += result.notes
    return "; ".join(parts)


def print_report(report: Report, console: Console) -> None:
    """Print a report: the result, the files, the largest differences, the rest."""
    console.print()
    console.print(Text.assemble(("A  ", "bold"), plain(report.a, 400)))
    console.print(Text.assemble(("B  ", "bold"), plain(report.b, 400)))
    console.print()
    _print_files(report, console)
    _print_verdicts(report, console)
    _print_groups(report, console)
    _print_one_sided(report, console)
    _print_provenance(report, console)
    for note in report.notes:
        console.print(Text(f"Note: {plain(note, 400)}", "dim"))
    if any(result.listed for result in report.files):
        hint = "Listed: told, but no difference; --strict counts it."
        console.print(Text(hint, "dim"))
    style = {0: "bold green", 1: "bold red", 2: "bold red"}[report.exit_code]
    console.print(Text(report.sentence(), style))


def _print_files(report: Report, console: Console) -> None:
    alike = [r for r in report.files if r.outcome is Outcome.ALIKE and not detail(r)]
    shown = [r for r in report.files if r not in alike]
    if shown:
        table = _table("Files", console)
        table.add_column("result", no_wrap=True)
        table.add_column("differences", justify="right", no_wrap=True)
        table.add_column("file", overflow="fold")
        order = list(reversed(Outcome))
        shown.sort(key=lambda r: (order.index(r.outcome), r.name))
        for result in shown[:MOST_FILES]:
            more = result.error or detail(result)
            table.add_row(
                Text(str(result.outcome), STYLES[result.outcome]),
                "" if result.error else tally(result),
                Text.assemble(plain(result.name), (f"\n{plain(more, 500)}" if more else "", "dim")),
            )
        console.print(table)
        if len(shown) > MOST_FILES:
            rest = len(shown) - MOST_FILES
            console.print(Text(f"… and {rest:,} more (--html or --json shows all).", "dim"))
    if alike:
        count = f"{len(alike):,} {'file' if len(alike) == 1 else 'files'} without a difference"
        console.print(Text(f"{count}{' besides' if shown else ''}.", "green"))
    console.print()


def _print_groups(report: Report, console: Console) -> None:
    """One block for each column that differs: how often, and the worst of it."""
    groups = report.groups()
    if not groups:
        return
    console.print(Text("Largest differences first", "bold"))
    console.print()
    for group in groups[:MOST_GROUPS]:
        first = group.findings[0]
        style = "dim" if group.mode == "listed" else ""
        head = Text("  ", style)
        head.append(plain(heading(group)), "bold")
        head.append(f" in {plain(group.result.name)}: {group.count:,}")
        head.append(" listed" if group.mode == "listed" else "")
        if first.excess < float("inf"):
            head.append(f", allowed {first.allowed}")
        console.print(head)
        grid = Table.grid(padding=(0, 2))
        grid.add_column(min_width=11, justify="right", no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_column(overflow="fold")
        for finding in group.findings[:MOST_EXAMPLES]:
            left, right = plain(finding.a, 60) or "absent", plain(finding.b, 60) or "absent"
            cells = (times_allowed(finding), f"{left} → {right}", plain(finding.where))
            grid.add_row(*(Text(cell, style) for cell in cells))
        console.print(grid)
    if len(groups) > MOST_GROUPS:
        rest = len(groups) - MOST_GROUPS
        console.print(Text(f"  … and {rest:,} more (--html or --json shows all).", "dim"))
    console.print()


def _print_verdicts(report: Report, console: Console) -> None:
    if not report.verdicts:
        return
    table = _table("Changed verdicts", console)
    for name in ("claim or row", "statement", "A", "B"):
        table.add_column(name, overflow="fold")
    for verdict in report.verdicts:
        cells = (verdict.claim, verdict.statement, verdict.a, verdict.b)
        table.add_row(*(Text(plain(cell)) for cell in cells))
    console.print(table)
    console.print()


def _print_one_sided(report: Report, console: Console) -> None:
    for side, names in (("A", report.only_a), ("B", report.only_b)):
        if not names:
            continue
        tables = [name for name in names if name in report.missing_tables]
        others = [name for name in names if name not in report.missing_tables]
        if tables:
            line = f"Tables only in {side} (a difference): {_some(tables)}"
            console.print(Text(line, "red"))
        if others:
            weight = "a difference, by --strict" if report.strict else "no difference"
            style = "red" if report.strict else "dim"
            console.print(Text(f"Files only in {side} ({weight}): {_some(others)}", style))


def _some(names: list[str]) -> str:
    shown = ", ".join(plain(name) for name in names[:8])
    return shown + (f" and {len(names) - 8:,} more" if len(names) > 8 else "")


def _print_provenance(report: Report, console: Console) -> None:
    if not report.provenance:
        return
    console.print()
    table = _table("Changed provenance (no difference by itself)", console)
    for name in ("section", "entry", "A", "B"):
        table.add_column(name, overflow="fold")
    for change in report.provenance[:MOST_LINES]:
        cells = (change.section, change.entry, change.a, change.b)
        table.add_row(*(Text(plain(cell)) for cell in cells))
    console.print(table)
    if len(report.provenance) > MOST_LINES:
        rest = len(report.provenance) - MOST_LINES
        console.print(Text(f"… and {rest:,} more (--html or --json shows all).", "dim"))


def _table(title: str, console: Console) -> Table:
    # A table's title would be wrapped at the table's width.
    console.print(Text(title, "bold"))
    return Table(box=box.SIMPLE_HEAD)
