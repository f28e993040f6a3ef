"""descriptors.h5 to path.h5, selection.csv and selected_features.csv."""

from pathlib import Path

from vebi.run.job import job
from vebi.selection.select import Problem, select

with job(snakemake) as task:
    settings = task.params.settings
    select(
        Path(task.input.descriptors),
        settings["mu"],
        Path(task.output.path).parent,
        Problem(
            scope=task.wildcards.scope,
            labels=settings["labels"],
            nonnegative=settings["nonnegative"],
            solver=settings["solver"],
        ),
        sums=list(task.input.sums),
    )
