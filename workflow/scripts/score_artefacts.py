"""Features of every layer and finished heatmaps to artefacts.h5."""

from pathlib import Path

from vebi.config.artefacts import ArtefactScoreConfig
from vebi.run.job import job
from vebi.studies.artefacts.measure import measure
from vebi.studies.job_inputs import load_interpreted_network

with job(snakemake) as task:
    measure(
        load_interpreted_network(task),
        {Path(path).stem: Path(path) for path in task.input.heatmaps},
        Path(task.output[0]),
        task.settings(ArtefactScoreConfig),
    )
