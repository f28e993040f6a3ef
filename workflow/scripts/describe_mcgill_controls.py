"""Control networks and other variants to descriptor files."""

from vebi.compute.devices import choose_device
from vebi.data.dataset import open_dataset
from vebi.descriptors import describe
from vebi.models.model_file import load_model
from vebi.run.job import job

with job(snakemake):
    device, given = choose_device(snakemake.params.device), snakemake.input
    dataset, report = open_dataset(given.dataset), snakemake.params.variant
    for name, path, variant in (
        ("untrained", given.untrained, report),
        ("shuffled_labels", given.shuffled_labels, report),
        ("vebi_text", given.trained, "vebi_text"),
        ("vebi_code", given.trained, "vebi_code"),
    ):
        model, _ = load_model(path, device)
        describe(model, dataset, snakemake.output[name], variant=variant, device=device)
