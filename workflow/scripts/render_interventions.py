"""Render interventions on some test images in the environment that has Blender."""

import sys

from vebi.compute.processes import die_with
from vebi.data.an8flower.launch import INTERVENTION_RENDERER, render
from vebi.data.dataset import TEST, open_dataset
from vebi.data.subset import spread_over_classes
from vebi.io.errors import VebiError
from vebi.run.job import checked_files
from vebi.run.job_context import read_context

die_with(read_context().owner)
try:
    params = snakemake.params
    with checked_files(snakemake):
        data = open_dataset(snakemake.input.dataset)
        chosen = spread_over_classes(data.labels, data.indices(TEST), params.images)
        start = int(snakemake.wildcards.chunk) * params.per_chunk
        numbers = ",".join(map(str, chosen[start : start + params.per_chunk]))
        arguments = [*params.arguments.split(), "--images", numbers, "--out", snakemake.output[0]]
        render(arguments, snakemake.log[0], INTERVENTION_RENDERER)
except VebiError as error:
    sys.exit(f"error in rule {snakemake.rule}: {error}")
