"""Model, descriptors and weights to a heatmap file per method."""

from pathlib import Path

from vebi.compute.devices import choose_device
from vebi.data.dataset import TEST, open_dataset
from vebi.descriptors import open_descriptors
from vebi.heatmaps import write_heatmaps
from vebi.models.model_file import load_model
from vebi.run.job import job
from vebi.selection.path_file import read_solution

with job(snakemake):
    settings = snakemake.params.settings
    device = choose_device(snakemake.params.device)
    model, _ = load_model(snakemake.input.model, device)
    write_heatmaps(
        model,
        open_dataset(snakemake.input.dataset),
        open_descriptors(snakemake.input.descriptors),
        read_solution(snakemake.input.path).weights_at(snakemake.params.mu),
        dict(zip(settings["methods"], map(Path, snakemake.output), strict=True)),
        TEST,
        settings["top"],
        settings["batch_size"],
        device,
        snakemake.params.root_seed,
        settings["ig_steps"],
    )
