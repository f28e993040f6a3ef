"""Heatmaps and masks to iou.h5."""

from pathlib import Path

from vebi.run.job import job
from vebi.studies.iou.iou_file import measure

with job(snakemake) as task:
    measure(
        Path(task.input.dataset),
        Path(task.input.descriptors),
        {Path(path).stem: Path(path) for path in task.input.heatmaps},
        Path(task.output[0]),
        n_thresholds=task.params.thresholds,
        seed=task.params.root_seed,
        ranked=task.params.ranked,
    )
