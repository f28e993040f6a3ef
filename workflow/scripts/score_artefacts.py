"""Features of every layer and finished heatmaps to artefacts.h5."""

from pathlib import Path

from vebi.compute.devices import choose_device
from vebi.data.dataset import open_dataset
from vebi.descriptors import open_descriptors
from vebi.models.model_file import load_model
from vebi.run.job import job
from vebi.selection.path_file import read_solution
from vebi.studies.artefacts.measure import measure

with job(snakemake):
    settings = snakemake.params.settings
    device = choose_device(snakemake.params.device)
    model, _ = load_model(snakemake.input.model, device)
    measure(
        model,
        open_dataset(snakemake.input.dataset),
        open_descriptors(snakemake.input.descriptors),
        read_solution(snakemake.input.path).weights_at(snakemake.params.mu),
        {Path(path).stem: Path(path) for path in snakemake.input.heatmaps},
        Path(snakemake.output[0]),
        n_images=settings["images"],
        max_layers=settings["layers"],
        batch_size=settings["batch_size"],
        device=device,
    )
