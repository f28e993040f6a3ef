"""Tables and files to a figure, by the function that the figure's record names."""

from vebi.catalogue.record import resolve
from vebi.figures.names import named
from vebi.figures.style import save
from vebi.io.tables import read_table
from vebi.run.job import job

with job(snakemake) as task:
    params, files = task.params, task.files()
    tables = [read_table(path, params.tables[path.stem]) for path in files.pop("tables", [])]
    if "model" in files:
        # A network may be made by the user's own code.
        files["factories"] = task.factories
    with named(params.shown_as):
        figure = resolve(params.draw)(*tables, **files, **params.settings)
    save(figure, task.output[0])
