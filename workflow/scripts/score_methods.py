"""Model, path and interventions to the scores of known methods and controls on that network."""

from pathlib import Path

from vebi.benchmark.known import score_run
from vebi.benchmark.score import SCORES
from vebi.config.benchmark import BenchmarkConfig
from vebi.io.tables import write_table
from vebi.run.job import job

with job(snakemake) as task:
    scores = score_run(
        task.params.run,
        model=Path(task.input.model),
        path=Path(task.input.path),
        interventions=Path(task.input.interventions),
        names=task.settings(BenchmarkConfig).methods,
        mu=task.params.mu,
        descriptor=task.params.descriptor,
    )
    write_table(task.output[0], scores, SCORES)
