"""metrics.h5 to a scatter of correlation and precision."""

from vebi.figures.style import save
from vebi.run.job import job
from vebi.studies.perturbation.figures import draw_scatter
from vebi.studies.perturbation.metrics_file import read_metrics

with job(snakemake):
    perturbation, metrics = read_metrics(snakemake.input[0])
    images = len(next(iter(metrics.values()))["correlation"])
    where = f"{snakemake.wildcards.dataset}, {snakemake.wildcards.model}"
    title = f"{where}: every channel of {images} images, {perturbation.replace('_', ' ')}"
    save(draw_scatter(metrics, snakemake.params.k, title), snakemake.output[0])
