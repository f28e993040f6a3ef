"""dataset.h5 to two control networks."""

from dataclasses import replace

from vebi.compute.devices import choose_device
from vebi.data.dataset import open_dataset
from vebi.models.model_file import save_model
from vebi.models.train import TrainingSettings, train
from vebi.run.checkpoint import checkpoint_of
from vebi.run.job import job
from vebi.studies.sanity.randomise import with_random_labels

with job(snakemake):
    settings = dict(snakemake.params.settings)
    network = settings.pop("network")
    settings = TrainingSettings(**settings)
    seed, device = int(snakemake.wildcards.seed), choose_device(snakemake.params.device)
    dataset = open_dataset(snakemake.input.dataset)
    epochs = snakemake.params.shuffled_epochs or settings.epochs
    for name, data, length in (
        ("untrained", dataset, 0),
        (
            "shuffled_labels",
            with_random_labels(dataset, [snakemake.params.root_seed, seed]),
            epochs,
        ),
    ):
        with checkpoint_of(snakemake, snakemake.output[name], device) as checkpoint:
            net, spec, history = train(
                data,
                network,
                replace(settings, epochs=length),
                seed,
                device,
                checkpoint=checkpoint,
            )
            print(name, history.to_string())
            save_model(snakemake.output[name], net, spec, list(dataset.classes))
