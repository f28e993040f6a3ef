"""Model, descriptors and weights to sanity.h5."""

from pathlib import Path

from vebi.config.sanity import RandomisationConfig
from vebi.config.stages import HeatmapConfig
from vebi.run.job import job
from vebi.studies.job_inputs import load_interpreted_network, load_network
from vebi.studies.sanity.measure import measure

with job(snakemake) as task:
    measure(
        load_interpreted_network(task),
        Path(task.output[0]),
        task.settings(RandomisationConfig),
        task.settings(HeatmapConfig, "heatmaps"),
        key=task.seed_key,
        # An input that may be absent comes as a list, else as the one file.
        random_labels=load_network(task, "random_labels") if task.input.random_labels else None,
    )
