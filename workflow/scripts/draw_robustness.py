"""robustness.csv to the grid of verdicts."""

from vebi.figures.robustness import draw_robustness
from vebi.figures.style import save
from vebi.job import job
from vebi.tables import read_table

with job(snakemake):
    save(draw_robustness(read_table(snakemake.input[0], "robustness")), snakemake.output[0])
