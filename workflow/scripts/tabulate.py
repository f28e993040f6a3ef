"""Files of all runs to the tables of a study, by the function that its record names."""

from pathlib import Path

from vebi.io.names import resolve
from vebi.io.tables import write_table
from vebi.run.job import job, paths_by_name

with job(snakemake):
    params = snakemake.params
    tables = resolve(params.function)(**paths_by_name(snakemake.input), **params.settings)
    for path in map(Path, snakemake.output):
        write_table(path, tables[path.stem], params.tables[path.stem])
