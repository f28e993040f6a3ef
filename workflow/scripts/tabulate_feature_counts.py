"""The counts of all runs to one table."""

from vebi.io.tables import stack_runs, write_table
from vebi.run.job import job

with job(snakemake):
    table = stack_runs(snakemake.input, snakemake.params.runs)
    write_table(snakemake.output[0], table, "feature_counts")
