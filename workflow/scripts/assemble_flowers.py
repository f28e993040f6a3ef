"""Chunks of rendered images to dataset.h5."""

from pathlib import Path

from vebi.data.an8flower.assemble import assemble
from vebi.run.job import job

with job(snakemake):
    settings = snakemake.params.settings
    assemble(
        [Path(chunk) for chunk in snakemake.input],
        Path(snakemake.output[0]),
        settings["flower_set"],
        settings["folds"],
        settings["fold"],
    )
