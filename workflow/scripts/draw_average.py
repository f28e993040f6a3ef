"""average.h5 to one figure of all classes and one sheet per class."""

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

with job(snakemake):
    path = snakemake.input[0]
    rows = [(name, tiles) for _, name, tiles in read_average(path, MOST_CLASSES)]
    save(draw_average_rows(rows), snakemake.output.rows)
    for number, name, tiles in read_average(path):
        sheet = Path(snakemake.output.sheets) / sheet_name(number, name)
        save(draw_average_sheet(name, tiles), sheet)
