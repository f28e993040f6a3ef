"""sanity.h5 of all runs to the sanity tables."""

from pathlib import Path

from vebi.io.tables import write_table
from vebi.run.job import job
from vebi.studies.sanity.tables import random_label_accuracy, tabulate

with job(snakemake):
    params = snakemake.params
    tables = tabulate(
        [Path(path) for path in snakemake.input.sanity],
        params.runs,
        params.bootstrap,
        params.root_seed,
        random_label_accuracy(snakemake.input.histories, params.random_label_runs),
    )
    for name, frame in tables.items():
        write_table(snakemake.output[name], frame, name)
