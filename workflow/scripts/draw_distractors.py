"""Distractor table to its figure."""

from vebi.figures.localisation import draw_distractors
from vebi.figures.style import save
from vebi.job import job
from vebi.tables import read_table

with job(snakemake):
    save(draw_distractors(read_table(snakemake.input[0], "distractors")), snakemake.output[0])
