"""Model, descriptors and weights to a heatmap file per method."""

from pathlib import Path

from vebi.config.stages import HeatmapConfig
from vebi.heatmaps import write_heatmaps
from vebi.run.job import job
from vebi.studies.job_inputs import load_interpreted_network

with job(snakemake) as task:
    settings = task.settings(HeatmapConfig)
    write_heatmaps(
        load_interpreted_network(task),
        dict(zip(settings.names, map(Path, task.output), strict=True)),
        settings,
        seed=task.params.root_seed,
    )
