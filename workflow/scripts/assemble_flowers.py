"""Chunks of rendered images to dataset.h5."""

from pathlib import Path

from vebi.data.an8flower.assemble import assemble
from vebi.run.job import job

with job(snakemake) as task:
    settings = task.params.settings
    assemble(
        [Path(chunk) for chunk in task.input],
        Path(task.output[0]),
        settings["flower_set"],
        settings["folds"],
        settings["fold"],
    )
