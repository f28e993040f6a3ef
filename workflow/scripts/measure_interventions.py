"""Model, interventions and heatmaps to effects.h5."""

from pathlib import Path

from vebi.config.interventions import EffectConfig
from vebi.run.job import job
from vebi.studies.interventions.measure import measure
from vebi.studies.job_inputs import load_interpreted_network

with job(snakemake) as task:
    measure(
        load_interpreted_network(task),
        Path(task.input.interventions),
        {Path(path).stem: Path(path) for path in task.input.heatmaps},
        Path(task.output[0]),
        task.settings(EffectConfig),
        seed=task.params.root_seed,
    )
