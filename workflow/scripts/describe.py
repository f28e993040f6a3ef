"""model.pt and dataset.h5 to descriptors.h5."""

from vebi.compute.devices import choose_device
from vebi.data.dataset import open_dataset
from vebi.descriptors import describe
from vebi.models.model_file import load_model
from vebi.run.job import job

with job(snakemake):
    device = choose_device(snakemake.params.device)
    model, _ = load_model(snakemake.input.model, device)
    describe(
        model,
        open_dataset(snakemake.input.dataset),
        snakemake.output[0],
        variant=snakemake.params.variant,
        device=device,
    )
