"""descriptors.h5 to path.h5, selection.csv and selected_features.csv."""

from pathlib import Path

from vebi.run.job import job
from vebi.selection.select import select

with job(snakemake):
    settings = snakemake.params.settings
    select(
        Path(snakemake.input.descriptors),
        settings["mu"],
        Path(snakemake.output.path).parent,
        scope=snakemake.wildcards.scope,
        labels=settings["labels"],
        nonnegative=settings["nonnegative"],
        solver=settings["solver"],
        sums=list(snakemake.input.sums),
    )
