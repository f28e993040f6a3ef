"""Control networks and other variants to descriptor files."""

from vebi.data.store import open_dataset
from vebi.descriptors import describe
from vebi.determinism import choose_device
from vebi.job import job
from vebi.models.store import load_model

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
