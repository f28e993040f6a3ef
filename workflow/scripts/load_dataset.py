"""A data set from elsewhere to dataset.h5."""

from pathlib import Path

from vebi.data import digits, mnist
from vebi.data.store import write_dataset
from vebi.job import job

with job(snakemake):
    settings = dict(snakemake.params.settings)
    if settings.pop("kind") == "digits":
        images = digits.load(**settings)
    else:
        images = mnist.load(Path(snakemake.params.cache))
    write_dataset(snakemake.output[0], images)
