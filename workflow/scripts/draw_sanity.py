"""Sanity tables to their figure."""

from vebi.figures.style import save
from vebi.io.tables import read_table
from vebi.run.job import job
from vebi.studies.sanity.figures import draw_sanity

with job(snakemake):
    names = ("sanity", "sanity_verdict")
    save(draw_sanity(*(read_table(snakemake.input[n], n) for n in names)), snakemake.output[0])
