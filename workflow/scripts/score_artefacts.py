"""Features of every layer and finished heatmaps to artefacts.h5."""

from pathlib import Path

from vebi.artefacts.measure import measure
from vebi.data.store import open_dataset
from vebi.descriptors import open_descriptors
from vebi.determinism import choose_device
from vebi.job import job
from vebi.models.store import load_model
from vebi.selection.store import read_solution

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
