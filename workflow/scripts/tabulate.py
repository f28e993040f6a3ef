"""Files of all runs to the tables of a study, by the function that its record names."""

from pathlib import Path

from vebi.catalogue.record import resolve
from vebi.io.tables import write_table
from vebi.run.job import job

with job(snakemake) as task:
    tables = resolve(task.params.function)(**task.files(), **task.params.settings)
    for path in map(Path, task.output):
        write_table(path, tables[path.stem], task.params.tables[path.stem])
