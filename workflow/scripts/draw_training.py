"""Training histories to a figure."""

import pandas as pd

from vebi.data.dataset import TEST, open_dataset
from vebi.figures.style import save
from vebi.run.job import job
from vebi.studies.networks.figures import draw_training

with job(snakemake):
    histories = {
        tuple(run.values()): pd.read_csv(path)
        for run, path in zip(snakemake.params.runs, snakemake.input.histories, strict=True)
    }
    n_images = {
        name: len(open_dataset(path).indices(TEST))
        for name, path in zip(snakemake.params.datasets, snakemake.input.datasets, strict=True)
    }
    save(draw_training(histories, n_images), snakemake.output[0])
