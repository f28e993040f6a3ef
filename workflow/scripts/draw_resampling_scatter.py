"""metrics.h5 to a scatter of correlation and precision."""

from vebi.figures.resampling import draw_scatter
from vebi.figures.style import save
from vebi.input_resampling.store import read_metrics
from vebi.job import job

with job(snakemake):
    perturbation, metrics = read_metrics(snakemake.input[0])
    images = len(next(iter(metrics.values()))["correlation"])
    where = f"{snakemake.wildcards.dataset}, {snakemake.wildcards.model}"
    title = f"{where}: every channel of {images} images, {perturbation.replace('_', ' ')}"
    save(draw_scatter(metrics, snakemake.params.k, title), snakemake.output[0])
