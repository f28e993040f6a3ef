"""Occlusion tables to their figure."""

from vebi.figures.style import save
from vebi.io.tables import read_table
from vebi.run.job import job
from vebi.studies.occlusion.figures import draw_occlusion

with job(snakemake):
    names = ("occlusion", "occlusion_paired")
    curves, paired = (read_table(snakemake.input[name], name) for name in names)
    save(draw_occlusion(curves, paired), snakemake.output[0])
