"""A data set from elsewhere to dataset.h5: its images, or an index of them."""

from pathlib import Path

from vebi.catalogue.record import resolve
from vebi.config.datasets import parse_dataset
from vebi.run.job import job

with job(snakemake):
    config = parse_dataset(snakemake.params.settings)
    write = resolve(config.loader)
    write(config, snakemake.output[0], Path(snakemake.params.cache))
