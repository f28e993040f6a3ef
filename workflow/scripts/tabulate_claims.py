"""The run's tables to the table of claims."""

from pathlib import Path

from vebi.claims.table import CLAIMS_TABLE
from vebi.claims.tabulate import tabulate
from vebi.io.tables import write_table
from vebi.run.job import job

with job(snakemake):
    files = {Path(path).stem: Path(path) for path in snakemake.input}
    write_table(snakemake.output[0], tabulate(files, snakemake.params.facts), CLAIMS_TABLE)
