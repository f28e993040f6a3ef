"""descriptors.h5 to the numbers of features that every variant selects."""

from vebi.config.robustness import FeatureCountsConfig
from vebi.io.files import write_text
from vebi.run.job import job
from vebi.selection.select import to_csv
from vebi.studies.feature_counts.measure import count_features

with job(snakemake) as task:
    table = count_features(
        task.input[0],
        task.settings(FeatureCountsConfig),
        task.params.scopes,
        task.params.labels,
    )
    write_text(task.output[0], to_csv(table))
