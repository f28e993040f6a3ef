"""The files of all runs to the tables of input resampling."""

from vebi.input_resampling.tables import tabulate
from vebi.job import job
from vebi.tables import write_table

with job(snakemake):
    tables = tabulate(
        {name: snakemake.input.get(name, []) for name in snakemake.params.parts},
        snakemake.params.runs,
        snakemake.params.epochs,
    )
    for name, frame in tables.items():
        write_table(snakemake.output[name], frame, name)
