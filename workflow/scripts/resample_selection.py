"""The selection on resampled images, and other rankings, to two tables and rivals.h5."""

from pathlib import Path

from vebi.config.identifiability import IdentifiabilityConfig
from vebi.io.files import write_text
from vebi.run.job import job
from vebi.selection.select import Problem
from vebi.selection.statistics import read_feature_index, scope_columns
from vebi.studies.identifiability.measure import run_study
from vebi.studies.identifiability.rivals_file import write_rivals
from vebi.studies.job_inputs import load_interpreted_network

with job(snakemake) as task:
    found = run_study(
        load_interpreted_network(task),
        task.settings(IdentifiabilityConfig),
        columns=scope_columns(
            read_feature_index(task.input.descriptors), task.params.problem["scope"]
        ),
        mu=task.params.mu,
        problem=Problem(**task.params.problem),
        key=task.seed_key,
        n_thresholds=task.params.thresholds,
    )
    for path, table in (
        (task.output.stability, found.stability),
        (task.output.supports, found.supports),
    ):
        write_text(Path(path), table.to_csv(index=False, lineterminator="\n"))
    write_rivals(task.output.rivals, found.rivals)
