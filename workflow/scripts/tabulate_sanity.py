"""sanity.h5 of all runs to the sanity tables."""

from pathlib import Path

from vebi.job import job
from vebi.sanity.tables import random_label_accuracy, tabulate
from vebi.tables import write_table

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
