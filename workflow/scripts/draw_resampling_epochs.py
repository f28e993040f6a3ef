"""Tables of input resampling to the figure of the epochs."""

from vebi.figures.resampling import draw_epochs
from vebi.figures.style import save
from vebi.job import job
from vebi.tables import read_table

with job(snakemake):
    table = read_table(snakemake.input.resampling, "resampling")
    similarity = read_table(snakemake.input.similarity, "resampling_similarity")
    save(draw_epochs(table, similarity), snakemake.output[0])
