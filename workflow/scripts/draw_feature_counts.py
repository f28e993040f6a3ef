"""feature_counts.csv to its figure."""

from vebi.figures.feature_counts import draw_feature_counts
from vebi.figures.style import save
from vebi.job import job
from vebi.tables import read_table

with job(snakemake):
    table = read_table(snakemake.input[0], "feature_counts")
    save(draw_feature_counts(table), snakemake.output[0])
