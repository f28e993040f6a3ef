"""One part of descriptors.h5 to its share of X'X and X'L."""

from vebi.compute.devices import choose_device
from vebi.run.job import job
from vebi.selection.statistics import read_statistics

with job(snakemake):
    device = choose_device(snakemake.params.device).type
    statistics = read_statistics(
        snakemake.input.descriptors,
        labels=snakemake.params.labels,
        part=(int(snakemake.wildcards.part), snakemake.params.parts),
        device=None if device == "cpu" else device,
    )
    statistics.save(snakemake.output[0])
