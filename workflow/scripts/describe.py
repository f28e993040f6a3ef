"""model.pt and dataset.h5 to descriptors.h5."""

from vebi.data.store import open_dataset
from vebi.descriptors import describe
from vebi.determinism import choose_device
from vebi.job import job
from vebi.models.store import load_model

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
