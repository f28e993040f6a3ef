"""model.pt and dataset.h5 to descriptors.h5."""

from vebi.data.dataset import open_dataset
from vebi.descriptors import describe
from vebi.run.job import job
from vebi.studies.job_inputs import load_network

with job(snakemake) as task:
    describe(
        load_network(task),
        open_dataset(task.input.dataset),
        task.output[0],
        variant=task.params.variant,
        device=task.device,
    )
