"""Heatmaps to occlusion.h5."""

from pathlib import Path

from vebi.compute.devices import choose_device
from vebi.data.dataset import open_dataset
from vebi.models.model_file import load_model
from vebi.run.job import job
from vebi.studies.occlusion.measure import OcclusionSettings, measure

with job(snakemake):
    device = choose_device(snakemake.params.device)
    model, _ = load_model(snakemake.input.model, device)
    measure(
        model,
        open_dataset(snakemake.input.dataset),
        {Path(path).stem: Path(path) for path in snakemake.input.heatmaps},
        Path(snakemake.output[0]),
        OcclusionSettings(**snakemake.params.settings),
        snakemake.params.root_seed,
        device,
    )
