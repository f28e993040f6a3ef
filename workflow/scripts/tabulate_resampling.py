"""The files of all runs to the tables of input resampling."""

from vebi.io.tables import write_table
from vebi.run.job import job
from vebi.studies.perturbation.tables import tabulate

with job(snakemake):
    tables = tabulate(
        {name: snakemake.input.get(name, []) for name in snakemake.params.parts},
        snakemake.params.runs,
        snakemake.params.epochs,
    )
    for name, frame in tables.items():
        write_table(snakemake.output[name], frame, name)
