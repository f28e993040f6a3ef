"""Captions of the records to the files that Snakemake's report reads."""

from pathlib import Path

from vebi.io.files import write_text
from vebi.run.job import job

with job(snakemake):
    folder = Path(snakemake.output[0])
    for name, text in snakemake.params.captions.items():
        write_text(folder / f"{name}.rst", f"{text}\n")
