"""average.h5 to one figure of all classes and one sheet per class, with the parts behind its features."""

from pathlib import Path

from vebi.figures.style import save
from vebi.run.job import job
from vebi.studies.average.figures import (
    MOST_CLASSES,
    draw_average_rows,
    draw_average_sheet,
    sheet_name,
)
from vebi.studies.average.patches import read_average
from vebi.studies.interventions.tables import shares_of_parts

with job(snakemake) as task:
    path = task.input.average
    rows = [(name, tiles) for _, name, tiles in read_average(path, MOST_CLASSES)]
    save(draw_average_rows(rows), task.output.rows)
    intervened = task.files().get("intervened")
    shares = shares_of_parts(*intervened) if intervened else {}
    for number, name, tiles in read_average(path):
        sheet = Path(task.output.sheets) / sheet_name(number, name)
        save(draw_average_sheet(name, tiles, shares.get(number)), sheet)
