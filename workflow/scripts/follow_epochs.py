"""The networks of some epochs to the similarity of the selections and the accuracy of their patches."""

from pathlib import Path

from vebi.compute.devices import choose_device
from vebi.data.dataset import open_dataset
from vebi.io.files import write_text
from vebi.perturbation.resample import Sampling
from vebi.run.job import job
from vebi.studies.perturbation.epochs import EpochSettings, follow_epochs

with job(snakemake):
    settings = snakemake.params.settings
    study, first = settings["epoch_study"], settings["perturbations"][0]
    folder = Path(snakemake.input.checkpoints)
    patches, similarity = follow_epochs(
        {epoch: folder / f"{epoch}.pt" for epoch in snakemake.params.epochs},
        open_dataset(snakemake.input.dataset),
        Sampling(first["name"], first["strength"], settings["copies"], settings["batch_size"]),
        EpochSettings(
            train_images=study["train_images"],
            test_images=study["test_images"],
            k=settings["k"][0],
            classifier_epochs=study["classifier_epochs"],
        ),
        snakemake.params.root_seed,
        choose_device(snakemake.params.device),
    )
    write_text(snakemake.output.patches, patches.to_csv(index=False))
    write_text(snakemake.output.similarity, similarity.to_csv(index=False))
