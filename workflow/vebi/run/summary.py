"""What a finished run has made, and where to look first."""

import csv
from collections import Counter
from pathlib import Path

from vebi.run.manifest import MANIFEST


def summarise(run_dir: Path) -> str:
    """A few lines for the end of a run; empty if the run is not finished."""
    if not (run_dir / MANIFEST).is_file():
        return ""
    lines = [f"The run in {run_dir} is finished. Where to look:"]
    report, claims = run_dir / "report.html", run_dir / "tables" / "claims.csv"
    if report.is_file():
        lines.append(f"  report      {report} (open it in a browser)")
    if verdicts := _count_verdicts(claims):
        lines.append(f"  claims      {verdicts}: {claims}")
    for name, pattern in (("tables", "*.csv"), ("figures", "*.png")):
        count = len(list((run_dir / name).glob(pattern)))
        lines.append(f"  {name:10}  {count} in {run_dir / name}")
    lines.append(f"  provenance  {run_dir / MANIFEST}; check it with `vebi verify {run_dir}`")
    reference = run_dir.parent / "reference" / run_dir.name
    if reference.is_dir():
        lines.append(f"  compare     `vebi diff {run_dir} {reference}`")
    return "\n".join(lines)


def _count_verdicts(claims: Path) -> str:
    """`12 confirmed, 3 inconclusive`, in the order of their number; empty without claims."""
    try:
        with claims.open(encoding="utf-8", newline="") as stream:
            found = Counter(row["verdict"] for row in csv.DictReader(stream))
    except (OSError, KeyError, UnicodeDecodeError):
        return ""
    return ", ".join(f"{count} {verdict}" for verdict, count in found.most_common())
