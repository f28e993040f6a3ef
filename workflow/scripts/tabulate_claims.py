"""The run's tables to the table of claims."""

from pathlib import Path

from vebi.claims.tabulate import tabulate
from vebi.job import job
from vebi.tables import write_table

with job(snakemake):
    files = {Path(path).stem: Path(path) for path in snakemake.input}
    write_table(snakemake.output[0], tabulate(files, snakemake.params.facts), "claims")
