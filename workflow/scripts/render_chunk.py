"""Render a chunk of images in the environment that has Blender."""

import sys

from vebi.compute.processes import die_with
from vebi.data.an8flower.launch import render
from vebi.io.errors import VebiError
from vebi.run.job import checked_files
from vebi.run.job_context import read_context

die_with(read_context().owner)
try:
    arguments = [*snakemake.params.arguments.split(), "--out", snakemake.output[0]]
    with checked_files(snakemake):
        render(arguments, snakemake.log[0])
except VebiError as error:
    sys.exit(f"error in rule {snakemake.rule}: {error}")
