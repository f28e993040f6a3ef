"""feature_counts.csv to its figure."""

from vebi.figures.style import save
from vebi.io.tables import read_table
from vebi.run.job import job
from vebi.studies.feature_counts.figures import draw_feature_counts

with job(snakemake):
    table = read_table(snakemake.input[0], "feature_counts")
    save(draw_feature_counts(table), snakemake.output[0])
