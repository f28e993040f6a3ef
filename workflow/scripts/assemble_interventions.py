"""Chunks of interventions to one file."""

from vebi.data.an8flower.assemble import assemble_interventions
from vebi.run.job import job

with job(snakemake) as task:
    assemble_interventions(list(task.input), task.output[0], task.params.flower_set)
