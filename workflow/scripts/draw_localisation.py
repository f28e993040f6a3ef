"""Localisation table to its figure."""

from vebi.figures.localisation import draw_localisation
from vebi.figures.style import save
from vebi.job import job
from vebi.tables import read_table

with job(snakemake):
    save(draw_localisation(read_table(snakemake.input[0], "localisation")), snakemake.output[0])
