"""occlusion.h5 of all runs to the occlusion tables."""

from pathlib import Path

from vebi.io.tables import write_table
from vebi.run.job import job
from vebi.studies.occlusion.tables import tabulate

with job(snakemake):
    params = snakemake.params
    paths = [Path(path) for path in snakemake.input]
    tables = tabulate(paths, params.runs, params.bootstrap, params.root_seed)
    for name, frame in tables.items():
        write_table(snakemake.output[name], frame, name)
