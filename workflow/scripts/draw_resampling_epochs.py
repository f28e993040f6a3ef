"""Tables of input resampling to the figure of the epochs."""

from vebi.figures.style import save
from vebi.io.tables import read_table
from vebi.run.job import job
from vebi.studies.perturbation.figures import draw_epochs

with job(snakemake):
    table = read_table(snakemake.input.resampling, "resampling")
    similarity = read_table(snakemake.input.similarity, "resampling_similarity")
    save(draw_epochs(table, similarity), snakemake.output[0])
