"""Tables and files to a figure, by the function that the figure's record names."""

from pathlib import Path

from vebi.figures.style import save
from vebi.io.names import resolve
from vebi.io.tables import read_table
from vebi.run.job import job, paths_by_name

with job(snakemake):
    params = snakemake.params
    files = paths_by_name(snakemake.input)
    tables = [
        read_table(path, params.tables[path.stem]) for path in map(Path, files.pop("tables", []))
    ]
    save(resolve(params.draw)(*tables, **files, **params.settings), snakemake.output[0])
