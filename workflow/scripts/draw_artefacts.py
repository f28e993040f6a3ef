"""The table of scores to a figure."""

from vebi.figures.artefacts import draw_artefact_scores
from vebi.figures.style import save
from vebi.job import job
from vebi.tables import read_table

with job(snakemake):
    save(draw_artefact_scores(read_table(snakemake.input[0], "artefacts")), snakemake.output[0])
