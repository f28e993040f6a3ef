"""Training histories to a figure."""

import pandas as pd

from vebi.figures.plots import draw_training
from vebi.figures.style import save
from vebi.job import job

with job(snakemake):
    histories = {
        tuple(run.values()): pd.read_csv(path)
        for run, path in zip(snakemake.params.runs, snakemake.input, strict=True)
    }
    save(draw_training(histories), snakemake.output[0])
