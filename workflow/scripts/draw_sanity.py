"""Sanity tables to their figure."""

from vebi.figures.sanity import draw_sanity
from vebi.figures.style import save
from vebi.job import job
from vebi.tables import read_table

with job(snakemake):
    names = ("sanity", "sanity_verdict")
    save(draw_sanity(*(read_table(snakemake.input[n], n) for n in names)), snakemake.output[0])
