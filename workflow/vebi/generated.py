"""Files of the repository that are derived from records: `python -m vebi.generated` writes them.

They are config/README.md, config/schema.json, config/tolerances.tsv and profiles/slurm/config.yaml. A
test compares them with what this makes.
"""

import fnmatch
import sys
from collections.abc import Iterable
from pathlib import Path

from vebi.config.reference import reference_text
from vebi.config.schema import schema_text
from vebi.diff.folders import Known
from vebi.diff.tolerances import COLUMNS, ROWS, parse_tolerances
from vebi.io.files import write_text
from vebi.io.tables import Allowed
from vebi.report.places import TABLES
from vebi.studies.record import JobClass
from vebi.studies.registry import STUDIES

TOLERANCES_HEAD = """\
# How far apart two runs may be before `vebi diff` calls them different. Tab-separated.
# Made from the records of the studies (workflow/vebi/studies) by `python -m vebi.generated`.
# The first row that matches a file (path below the results folder, or its name) and a column (of a
# table; the path of a data set in an HDF5 file; `pixels` of a PNG; `(rows)`: rows that only one side has)
# decides; with `rows` (solver=spgl1*) only in the rows of a table whose cell is like that. No row: exact.
# kind: exact     the same number, or the same text
#       close     |a - b| <= atol + rtol max(|a|, |b|); for PNG: at most the share rtol of pixels differs
#                 by more than atol levels
#       interval  a in the confidence interval of b and b in that of a; close where one is missing
#       follows   as close; beyond it a difference only while all tables are the same, since it is
#                 computed from what they show
#       show      listed, never a difference
# Runs of one config on one machine are the same in every byte. The numbers here are for another
# processor or library: training then differs in the last bits.
"""
# Files that are not tables.
OTHER_FILES: tuple[tuple[str, Allowed], ...] = (
    (
        "history.csv",
        Allowed("*", "follows", 0.02, 0.05, "the course of training; its end is in training.csv"),
    ),
    (
        "data/*.h5",
        Allowed(
            "images",
            "close",
            atol=1,
            why="levels of 255: another processor rounds a pixel the other way",
        ),
    ),
    ("data/*.h5", Allowed("*", "exact", why="labels, splits, masks")),
    ("*.h5", Allowed("*", "follows", 1e-6, 1e-5, "computed from the trained networks")),
    ("*.pt", Allowed("*", "follows", 1e-6, 1e-5, "trained weights")),
    ("*.png", Allowed("pixels", "follows", why="drawn from the tables")),
    (
        "ro-crate-metadata.json",
        Allowed("*", "show", why="says what is in an export, and its date"),
    ),
    ("*.json", Allowed("*", "follows", 1e-6, 1e-5)),
    (
        "*.pdf",
        Allowed("*", "show", why="drawn as the PNG next to it, and may carry names of versions"),
    ),
    ("*.svg", Allowed("*", "show", why="drawn as the PNG next to it")),
    ("*.html", Allowed("*", "show", why="a page about the same tables")),
)


def tolerances_text() -> str:
    """config/tolerances.tsv."""
    rows = [
        (f"{name}.csv", item)
        for name, table in TABLES.items()
        for item in table.allowed
        if item.column == ROWS or fnmatch.filter(table.columns, item.column)
    ]
    lines = ["\t".join(COLUMNS)]
    for file, item in [*rows, *OTHER_FILES]:
        numbers = [f"{value:g}" if value else "" for value in (item.atol, item.rtol)]
        cells = [file, item.column, item.kind, *numbers, item.why]
        lines.append("\t".join([*cells, item.rows] if item.rows else cells))
    return TOLERANCES_HEAD + "\n".join(lines) + "\n"


def known_tables() -> Known:
    """What `vebi diff` knows of the tables: their records, and what may differ between two runs."""
    return Known(TABLES, parse_tolerances(tolerances_text(), "the records of the studies"))


# Jobs of the main line, which belong to no study.
MAIN_LINE: dict[str, JobClass] = {
    "train": "long",
    "describe": "network",
    "explain": "network",
    "explain_by": "network",
    "sum_descriptors": "network",
    "load_dataset": "cpu",
    "render_chunk": "cpu",
    "select": "cpu",
    "assemble_flowers": "small",
    "tabulate_claims": "small",
    "write_captions": "small",
    "write_manifest": "small",
    "write_report": "small",
}
PROFILE_HEAD = """\
# A cluster with Slurm: make slurm-env, then .venv-slurm/bin/snakemake --workflow-profile profiles/slurm
# Made from the records of the studies by `python -m vebi.generated`. For your cluster change a copy:
# the names of both partitions (`slurm_partition`: the default for CPUs, two entries for GPUs;
# `gpu_model` or `gres` can be added there), and the account if yours needs one. --set-resources on the
# command line would replace all of them.
# On a login node without a GPU also set `ask_for_gpu: true` in the configuration.
executor: slurm
jobs: 100
default-resources:
  # slurm_account: your-account
  slurm_partition: cpu
  runtime: 30

# Every rule's memory (MB) and time (minutes), more on each new attempt. 500 to 1,000 MB are for the
# two Snakemakes that run inside each job. CPUs are the rule's threads, which are `compute_threads`;
# whether a rule asks for a GPU is said in the rule (resource `gpu`, one each).
set-resources:
"""
CLASSES: dict[JobClass, tuple[str, dict[str, str]]] = {
    "long": (
        "Networks at work for hours: on the GPU if there is one.",
        {"slurm_partition": "gpu", "mem_mb": "4000 * attempt", "runtime": "240 * attempt"},
    ),
    "network": (
        "Networks at work for minutes.",
        {"slurm_partition": "gpu", "mem_mb": "5000 * attempt", "runtime": "60 * attempt"},
    ),
    "cpu": (
        "One core, some minutes.",
        {"mem_mb": "3000 * attempt", "runtime": "60 * attempt"},
    ),
    "small": (
        "Tables, figures and pages: seconds each, submitted together (below).",
        {"mem_mb": "3500 * attempt", "runtime": "10 * attempt"},
    ),
}
PROFILE_GROUPS = """\
group-components:
  render: 4
  report: 100
# A group asks for at most this much memory, and so for at most this many jobs side by side.
resources:
  mem_mb: 24000
  gpu: 1
set-resource-scopes:
  gpu: local

# A job that failed for any reason is submitted again twice: after a node was lost, elsewhere.
retries: 2
slurm-no-requeue: true
keep-going: true
rerun-incomplete: true
latency-wait: 60
show-failed-logs: true
benchmark-extended: true
# What Slurm itself says of a job; the log of the rule is in results/<run>/logs as always.
slurm-logdir: results/slurm-logs
slurm-init-seconds-before-status-checks: 10
# sacct says "CANCELLED by <user>", which the plugin (2.8.0) does not know: it would wait for ever.
slurm-status-command: squeue
# An outage of up to five minutes is waited for; without this jobs would be forgotten.
slurm-status-attempts: 60
max-status-checks-per-second: 0.2
"""


def job_classes() -> dict[str, JobClass]:
    """The class of every rule, by its name."""
    found = dict(MAIN_LINE)
    for study in STUDIES:
        found |= study.jobs
        if study.tabulate is not None:
            found[f"tabulate_{study.name}"] = "small"
        found |= {f"draw_{name}": "small" for name, figure in study.figures.items() if figure.draw}
    return found


def slurm_profile_text() -> str:
    """profiles/slurm/config.yaml."""
    rules = job_classes()
    lines: list[str] = []
    for kind, (comment, asked) in CLASSES.items():
        first, *others = sorted(name for name, one in rules.items() if one == kind)
        lines += [f"  # {comment}", f"  {first}: &{kind}"]
        lines += [f"    {key}: {value}" for key, value in asked.items()]
        lines += [f"  {name}: *{kind}" for name in others]
    lines += [
        "",
        "# Small jobs go to the cluster many at a time.",
        "groups:",
        "  render_chunk: render",
    ]
    small = sorted(name for name, one in rules.items() if one == "small")
    lines += [f"  {name}: report" for name in small if name != "assemble_flowers"]
    return PROFILE_HEAD + "\n".join(lines) + "\n" + PROFILE_GROUPS


def generated_files(root: Path) -> dict[str, str]:
    """Every file by its path in the repository `root`, with its text."""
    return {
        "config/README.md": reference_text(root / "config"),
        "config/schema.json": schema_text(),
        "config/tolerances.tsv": tolerances_text(),
        "profiles/slurm/config.yaml": slurm_profile_text(),
    }


def main(arguments: Iterable[str] = ()) -> int:
    """Write the files below the folder that `arguments` name, else below the working directory."""
    root = Path(next(iter(arguments), "."))
    for path, text in generated_files(root).items():
        write_text(root / path, text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
