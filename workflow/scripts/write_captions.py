"""Captions of the records to the files that Snakemake's report reads."""

from pathlib import Path

from vebi.io.files import write_text
from vebi.run.job import job

with job(snakemake) as task:
    folder = Path(task.output[0])
    for name, text in task.params.captions.items():
        write_text(folder / f"{name}.rst", f"{text}\n")
