"""How much of a run is work, and how much Snakemake, Python and the libraries' imports.

    python bench/workflow.py [--run results/default] [--quick] [--out results/bench/workflow.csv]

Reads a finished run's benchmark files and measures here what they cannot show: the CPU seconds that each
rule's script needs before its first line of work (Python and its imports, `start_up`), and what
Snakemake itself spends per job on a workflow of empty scripts (`snakemake`). `overhead` is both over
everything, the share that more and smaller jobs would raise. `core_seconds` is how long the jobs held
their core: they have one thread each, and Snakemake's own `cpu_time` is a sample of every 30 seconds that
misses the end of each job. So the run should have had the machine to itself. `wall_seconds` is from
the start of its first job to the end of its last, and means something if it was made in one go.
"""

from __future__ import annotations

import argparse
import ast
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from vebi.io.files import write_text

ROOT = Path(__file__).resolve().parent.parent
EMPTY_JOBS = 30
EMPTY_WORKFLOW = f"""
rule all:
    input: expand("{{i}}.txt", i=range({EMPTY_JOBS}))
rule empty:
    output: "{{i}}.txt"
    script: "empty.py"
"""


def cpu_seconds(command: list[str], folder: Path) -> float:
    """CPU seconds of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def start_up(script: Path, rounds: int) -> float:
    """CPU seconds of Python and the imports of a script, without its work."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    code = "\n".join(ast.unparse(node) for node in imports)
    command = [sys.executable, "-c", code]
    return statistics.median(cpu_seconds(command, ROOT) for _ in range(rounds))


def snakemake_per_job(rounds: int) -> tuple[float, float]:
    """CPU seconds that Snakemake spends at its start, and on each job beyond an empty Python."""
    empty = cpu_seconds([sys.executable, "-c", ""], ROOT)
    costs = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "Snakefile").write_text(EMPTY_WORKFLOW)
            (folder / "empty.py").write_text("open(snakemake.output[0], 'w').close()\n")
            call = [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet"]
            start = cpu_seconds([*call, "--dry-run"], folder)
            costs.append((start, (cpu_seconds(call, folder) - start) / EMPTY_JOBS - empty))
    return statistics.median(c[0] for c in costs), statistics.median(c[1] for c in costs)


def script_of_rules() -> dict[str, Path]:
    """The script of every rule, read from the rule files."""
    scripts: dict[str, Path] = {}
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        rule = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith(("rule ", "use rule ")):
                rule = line.split(" as ")[-1].split()[-1].strip(": ")
            elif line.strip().startswith('"../scripts/'):
                scripts[rule] = ROOT / "workflow/scripts" / Path(line.strip().strip('"')).name
    return scripts


def read_jobs(run: Path) -> pd.DataFrame:
    """Rule, seconds and time of the end of every job of a run."""
    parts = [
        pd.read_csv(path, sep="\t").assign(end=path.stat().st_mtime)
        for path in sorted((run / "benchmarks").rglob("*.tsv"))
    ]
    if not parts:
        raise SystemExit(f"{run} has no benchmark files: finish the run first (make reproduce).")
    jobs = pd.concat(parts)
    return jobs[["rule_name", "s", "end"]]


def measure(out_csv: str | Path, run: Path, quick: bool) -> pd.DataFrame:
    """One row per rule and one for the whole run."""
    rounds = 1 if quick else 3
    jobs = read_jobs(run)
    scripts = script_of_rules()
    at_start, per_job = snakemake_per_job(rounds)
    rows = []
    for name, group in jobs.groupby("rule_name", sort=True):
        rule = str(name)
        start = start_up(scripts[rule], rounds) if rule in scripts else 0.0
        rows.append(
            {
                "rule": rule,
                "jobs": len(group),
                "core_seconds": group.s.sum(),
                # What a job took is the better bound where the imports here were slower.
                "start_up": min(start * len(group), group.s.sum()),
                "snakemake": per_job * len(group),
            }
        )
    table = pd.DataFrame(rows).sort_values("core_seconds", ascending=False, ignore_index=True)
    total = table.drop(columns="rule").sum()
    total["snakemake"] += at_start
    table.loc[len(table)] = {"rule": "all", **total.to_dict()}
    whole = table.core_seconds + table.snakemake
    table.loc[len(table) - 1, "wall_seconds"] = jobs.end.max() - (jobs.end - jobs.s).min()
    table["overhead"] = (table.start_up + table.snakemake) / whole
    text = table.to_csv(index=False, float_format="%.4g", lineterminator="\n")
    write_text(out_csv, text)
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="measure each start once")
    parser.add_argument("--run", type=Path, default=Path("results/default"))
    parser.add_argument("--out", type=Path, default=Path("results/bench/workflow.csv"))
    options = parser.parse_args()
    print(measure(options.out, options.run, options.quick).round(3).to_string(index=False))
