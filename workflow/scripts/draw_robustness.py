"""robustness.csv to the grid of verdicts."""

from vebi.figures.style import save
from vebi.io.tables import read_table
from vebi.run.job import job
from vebi.studies.robustness.figures import draw_robustness

with job(snakemake):
    save(draw_robustness(read_table(snakemake.input[0], "robustness")), snakemake.output[0])
