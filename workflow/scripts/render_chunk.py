"""Render a chunk of images in the environment that has Blender."""

import sys

from vebi.data.an8flower.launch import render
from vebi.errors import VebiError

try:
    arguments = [*snakemake.params.arguments.split(), "--out", snakemake.output[0]]
    render(arguments, snakemake.log[0])
except VebiError as error:
    sys.exit(f"error in rule {snakemake.rule}: {error}")
