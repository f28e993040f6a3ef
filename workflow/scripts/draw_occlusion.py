"""Occlusion tables to their figure."""

from vebi.figures.occlusion import draw_occlusion
from vebi.figures.style import save
from vebi.job import job
from vebi.tables import read_table

with job(snakemake):
    names = ("occlusion", "occlusion_paired")
    curves, paired = (read_table(snakemake.input[name], name) for name in names)
    save(draw_occlusion(curves, paired), snakemake.output[0])
