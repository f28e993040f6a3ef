"""robustness.h5 of all networks to the two tables."""

from pathlib import Path

from vebi.job import job
from vebi.robustness.tables import tabulate
from vebi.tables import write_table

with job(snakemake):
    params = snakemake.params
    paths = [Path(path) for path in snakemake.input]
    tables = tabulate(paths, params.runs, params.bootstrap, params.root_seed)
    write_table(snakemake.output.table, tables["robustness"], "robustness")
    write_table(snakemake.output.summary, tables["robustness_summary"], "robustness_summary")
