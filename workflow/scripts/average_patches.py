"""Weights and training images to average.h5."""

from vebi.config.average import AverageConfig
from vebi.run.job import job
from vebi.studies.average.patches import write_average
from vebi.studies.job_inputs import load_interpreted_network

with job(snakemake) as task:
    write_average(load_interpreted_network(task), task.output[0], task.settings(AverageConfig))
