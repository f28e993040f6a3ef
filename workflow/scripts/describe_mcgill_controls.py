"""Control networks and other variants to descriptor files."""

from vebi.data.dataset import open_dataset
from vebi.descriptors import describe
from vebi.run.job import job
from vebi.studies.job_inputs import load_network

with job(snakemake) as task:
    dataset, report = open_dataset(task.input.dataset), task.params.variant
    for name, network, variant in (
        ("untrained", "untrained", report),
        ("shuffled_labels", "shuffled_labels", report),
        ("vebi_text", "trained", "vebi_text"),
        ("vebi_code", "trained", "vebi_code"),
    ):
        model = load_network(task, network)
        describe(model, dataset, task.output[name], variant=variant, device=task.device)
