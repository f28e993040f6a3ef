"""Heatmaps to occlusion.h5."""

from pathlib import Path

from vebi.config.occlusion import OcclusionConfig
from vebi.data.dataset import open_dataset
from vebi.run.job import job
from vebi.studies.job_inputs import load_network
from vebi.studies.occlusion.measure import measure

with job(snakemake) as task:
    measure(
        load_network(task),
        open_dataset(task.input.dataset),
        {Path(path).stem: Path(path) for path in task.input.heatmaps},
        Path(task.output[0]),
        task.settings(OcclusionConfig),
        seed=task.params.root_seed,
        device=task.device,
    )
