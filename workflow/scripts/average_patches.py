"""Weights and training images to average.h5."""

from vebi.compute.devices import choose_device
from vebi.data.dataset import open_dataset
from vebi.descriptors import open_descriptors
from vebi.models.model_file import load_model
from vebi.run.job import job
from vebi.selection.path_file import read_solution
from vebi.studies.average.patches import write_average

with job(snakemake):
    settings = snakemake.params.settings
    device = choose_device(snakemake.params.device)
    model, _ = load_model(snakemake.input.model, device)
    write_average(
        model,
        open_dataset(snakemake.input.dataset),
        open_descriptors(snakemake.input.descriptors),
        read_solution(snakemake.input.path).weights_at(snakemake.params.mu),
        snakemake.output[0],
        top=settings["features"],
        patches=settings["patches"],
        examples=settings["examples"],
        batch_size=settings["batch_size"],
        device=device,
    )
