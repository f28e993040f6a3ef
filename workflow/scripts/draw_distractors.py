"""Distractor table to its figure."""

from vebi.figures.style import save
from vebi.io.tables import read_table
from vebi.run.job import job
from vebi.studies.iou.figures import draw_distractors

with job(snakemake):
    save(draw_distractors(read_table(snakemake.input[0], "distractors")), snakemake.output[0])
