"""Render a chunk of images in the environment that has Blender."""

import sys

from vebi.data.an8flower.launch import render
from vebi.errors import VebiError
from vebi.job import checked_files
from vebi.processes import die_with_owner

die_with_owner()
try:
    arguments = [*snakemake.params.arguments.split(), "--out", snakemake.output[0]]
    with checked_files(snakemake):
        render(arguments, snakemake.log[0])
except VebiError as error:
    sys.exit(f"error in rule {snakemake.rule}: {error}")
