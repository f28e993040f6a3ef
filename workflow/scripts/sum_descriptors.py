"""One part of descriptors.h5 to its share of X'X and X'L."""

from vebi.run.job import job
from vebi.selection.statistics import read_statistics

with job(snakemake) as task:
    device = task.device.type
    statistics = read_statistics(
        task.input.descriptors,
        labels=task.params.labels,
        part=(int(task.wildcards.part), task.params.parts),
        device=None if device == "cpu" else device,
    )
    statistics.save(task.output[0])
