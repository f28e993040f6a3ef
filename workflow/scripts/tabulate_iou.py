"""iou.h5 of all runs to the IoU tables."""

from pathlib import Path

from vebi.io.tables import write_table
from vebi.run.job import job
from vebi.studies.iou.tables import tabulate

with job(snakemake):
    tables = tabulate(
        [Path(path) for path in snakemake.input],
        snakemake.params.runs,
        snakemake.params.bootstrap,
        snakemake.params.root_seed,
    )
    for name, frame in tables.items():
        write_table(snakemake.output[name.removeprefix("iou_")], frame, name)
