"""Localisation table to its figure."""

from vebi.figures.style import save
from vebi.io.tables import read_table
from vebi.run.job import job
from vebi.studies.iou.figures import draw_localisation

with job(snakemake):
    save(draw_localisation(read_table(snakemake.input[0], "localisation")), snakemake.output[0])
