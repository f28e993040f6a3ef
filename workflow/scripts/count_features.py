"""descriptors.h5 to the numbers of features that every variant selects."""

from vebi.io.files import write_text
from vebi.run.job import job
from vebi.selection.select import to_csv
from vebi.studies.feature_counts.measure import count_features

with job(snakemake):
    settings = snakemake.params.settings
    table = count_features(
        snakemake.input[0],
        settings["descriptors"],
        settings["nonnegative"],
        snakemake.params.scopes,
        settings["mu"],
        snakemake.params.labels,
    )
    write_text(snakemake.output[0], to_csv(table))
