"""The table of scores to a figure."""

from vebi.figures.style import save
from vebi.io.tables import read_table
from vebi.run.job import job
from vebi.studies.artefacts.figures import draw_artefact_scores

with job(snakemake):
    save(draw_artefact_scores(read_table(snakemake.input[0], "artefacts")), snakemake.output[0])
