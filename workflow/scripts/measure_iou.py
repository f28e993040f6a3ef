"""Heatmaps and masks to iou.h5."""

from pathlib import Path

from vebi.run.job import job
from vebi.studies.iou.iou_file import measure

with job(snakemake):
    measure(
        Path(snakemake.input.dataset),
        Path(snakemake.input.descriptors),
        {Path(path).stem: Path(path) for path in snakemake.input.heatmaps},
        Path(snakemake.output[0]),
        snakemake.params.thresholds,
        snakemake.params.root_seed,
    )
