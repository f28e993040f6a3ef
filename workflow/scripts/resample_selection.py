"""The selection on resampled images, and other rankings, to three tables."""

from pathlib import Path

from vebi.config.identifiability import IdentifiabilityConfig
from vebi.io.files import write_text
from vebi.run.job import job
from vebi.selection.select import Problem
from vebi.selection.statistics import read_feature_index, scope_columns
from vebi.studies.identifiability.measure import run_study
from vebi.studies.job_inputs import load_interpreted_network

with job(snakemake) as task:
    tables = run_study(
        load_interpreted_network(task),
        task.settings(IdentifiabilityConfig),
        columns=scope_columns(
            read_feature_index(task.input.descriptors), task.params.problem["scope"]
        ),
        mu=task.params.mu,
        problem=Problem(**task.params.problem),
        key=task.seed_key,
    )
    for path in map(Path, task.output):
        write_text(path, tables[path.stem].to_csv(index=False, lineterminator="\n"))
